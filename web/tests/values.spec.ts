import { readFileSync } from "node:fs";
import { expect, finished, look, opened, test } from "./server";
import type { Page } from "@playwright/test";

const main = (page: Page) => page.locator("main");
const cell = (page: Page, row: number, column: number) => page.locator("table.elements tbody tr").nth(row).locator("td").nth(column);
const tab = (page: Page, name: string) => page.getByRole("tab", { name, exact: true });

async function floats(page: Page, run: string, name: string, slice: string): Promise<number[]> {
  const bytes = await (await page.request.get(`/api/runs/${run}/data`, { params: { name, slice, format: "raw" } })).body();
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

test("shows any slice of a value as a table, by mouse and by keyboard, and copies it", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const run = await finished(page, { model: "digits", call: "encoder", dims: { B: 2 } });
  await page.goto(`/#/value/digits?run=${run}`);
  await page.getByRole("searchbox", { name: "Find by name" }).fill("mel");
  await look(page, "values");
  await page.getByRole("row", { name: /^mel/ }).click();
  const numbers = await floats(page, run, "mel", "0,0:3,0:3");
  await expect(cell(page, 0, 0)).toHaveAttribute("title", /\d/);
  const same = (r: number, c: number, value: number) => expect.poll(async () => Math.fround(Number(await cell(page, r, c).getAttribute("title")))).toBe(value);
  await same(0, 0, numbers[0]!);
  await same(2, 1, numbers[7]!);
  await look(page, "value-table");
  await page.setViewportSize({ width: 1280, height: 800 });

  await page.getByLabel("Index of axis 0").fill("1");
  await expect(page).toHaveURL(/at=1\.0\.0/);
  const second = await floats(page, run, "mel", "1,0:1,0:1");
  await same(0, 0, second[0]!);
  await page.getByLabel("Slide along axis 0").focus();
  await page.keyboard.press("ArrowLeft");
  await expect(page).not.toHaveURL(/at=/);

  await page.getByRole("combobox", { name: "Rows" }).selectOption("2"); // swaps with the columns
  await expect(page).toHaveURL(/axes=2\.1/);
  await expect(main(page)).toContainText("of 3,000");
  await same(1, 2, numbers[7]!);

  await page.getByRole("group", { name: /^Elements;/ }).focus();
  await page.keyboard.press("End");
  await expect(main(page)).toContainText("to 2,999 of 3,000");
  await page.keyboard.press("PageUp");
  await expect(main(page)).not.toContainText("to 2,999 of 3,000");
  await page.getByRole("button", { name: "Rows before" }).click();
  await page.getByLabel("Precision").selectOption("3");
  await expect(cell(page, 0, 0)).toHaveText(/^-?\d\.\d{3}$/);
  const url = page.url();
  const shown = await cell(page, 1, 1).textContent();
  await page.reload();
  await expect(page).toHaveURL(url);
  await expect(cell(page, 1, 1)).toHaveText(shown ?? "");
  await page.getByRole("button", { name: "Copy what is shown" }).click();
  const copied = async () => (await page.evaluate(() => navigator.clipboard.readText())).split("\n").map((line) => line.split("\t"));
  await expect.poll(async () => (await copied())[1]?.[1]).toBe(shown);
  await page.getByRole("button", { name: "Copy slice" }).click();
  await expect.poll(async () => (await copied()).length).toBe(3000);
});

test("gives files: .npy, .npy of the slice, and CSV", async ({ page }) => {
  const run = await finished(page, { model: "digits", call: "encoder", dims: { B: 1 } });
  await page.goto(`/#/value/digits?run=${run}&name=mel&at=0.0.0`);
  await expect(cell(page, 0, 0)).toBeVisible();
  const taken = async (name: string, role: "link" | "button" = "link") => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole(role, { name, exact: true }).click()]);
    return { name: file.suggestedFilename(), data: readFileSync(await file.path()) };
  };
  const npy = await taken(".npy");
  expect(npy.name).toBe("mel.npy");
  expect(npy.data.toString("latin1", 0, 128)).toContain("(1, 80, 3000)");
  expect((await taken(".npy of the slice")).data.toString("latin1", 0, 128)).toContain("(80, 3000)");
  const csv = await taken("CSV", "button");
  const rows = csv.data.toString().split("\n").map((line) => line.split(",").map(Number));
  expect([csv.name, rows.length, rows[0]?.length]).toEqual(["mel.csv", 80, 3000]);
  expect(rows[79]?.slice(2997).map(Math.fround)).toEqual(await floats(page, run, "mel", "0,79,2997:"));
});

test("draws a value as heat map, histogram, line and image", async ({ page }) => {
  const run = await finished(page, { model: "digits", call: "encoder", dims: { B: 1 } });
  await page.goto(`/#/value/digits?run=${run}&name=mel`);
  await tab(page, "Heat map").click();
  await expect(main(page)).toContainText("one column in 6");
  const cells = page.getByRole("application", { name: /^Heat map/ });
  await cells.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  const [value] = await floats(page, run, "mel", "0,1,6:7");
  const said = async () => Math.fround(Number(/\[0, 1, 6\] = (\S+)/.exec((await page.locator(".raster-said").textContent()) ?? "")?.[1]));
  await expect.poll(said).toBe(value);
  await look(page, "value-cells");
  await page.setViewportSize({ width: 1280, height: 800 });
  await cells.hover({ position: { x: 3, y: 3 } });
  await expect(page.locator(".raster-said")).toContainText("[0, 0, ");
  await tab(page, "Histogram").click();
  await expect(page.getByRole("img", { name: /^Histogram, 64 bins/ })).toBeVisible();
  await page.getByLabel("Logarithmic").check();
  await page.getByLabel("Histogram of").selectOption("Slice shown");
  await expect(page).toHaveURL(/of=slice/);
  await expect(page.locator(".plot canvas")).toBeVisible();
  await look(page, "value-histogram");
  await tab(page, "Line").click();
  await expect(page.getByRole("img", { name: "Elements along axis 2" })).toBeVisible();
  await page.getByLabel("Index of axis 1").fill("40");
  await expect(page).toHaveURL(/at=0\.40\.0/);
  await look(page, "value-line");
  const { values } = (await (await page.request.get("/api/models/digits/graphs/0/values")).json()) as { values: { i: number; role: string; dims: number[] }[] };
  const kernel = values.find((weight) => weight.role === "initializer" && weight.dims.length === 3 && weight.dims[2] === 3);
  await page.goto(`/#/value/digits?value=${kernel?.i}&as=image`);
  await expect(main(page)).toContainText("full colour");
  await page.getByRole("application", { name: /^Image/ }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.locator(".raster-said")).toHaveText(/\[0, 0, :\] = \S+, \S+, \S+/);
  await look(page, "value-image");
});

test("shows the elements of what is selected below the graph", async ({ page }) => {
  const run = await finished(page, { model: "digits", call: "encoder", dims: { B: 1 } });
  await page.goto(`/#/graph/digits?call=encoder&run=${run}`);
  await page.getByRole("navigation", { name: "Panels" }).getByRole("link", { name: "Values" }).click();
  const panel = page.getByRole("region", { name: "Panels" });
  await expect(panel).toContainText("Select a weight");
  await look(page, "value-panel-empty");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("region", { name: "Inspector" }).getByRole("button", { name: "mel" }).click();
  await expect(panel.getByRole("heading", { name: "mel" })).toBeVisible();
  const [first] = await floats(page, run, "mel", "0,0,0:1");
  await expect.poll(async () => Math.fround(Number(await cell(page, 0, 0).getAttribute("title")))).toBe(first);
  await look(page, "value-panel");
  await page.getByRole("application", { name: "Graph" }).focus();
  await page.keyboard.press("ArrowDown");
  await expect(panel.getByRole("heading", { name: "mel" })).toHaveCount(0);
  await expect(panel.locator("table.elements")).toBeVisible();
});

test("marks what is not finite; shows integers, scalars and what has no elements", async ({ page }) => {
  for (const file of ["logs.onnx", "reshape.onnx", "turns.onnx"]) await opened(page, file);
  const run = await finished(page, { model: "logs", inputs: { x: { data: [[1, 0], [-1, 3]] } } });
  await page.goto(`/#/value/logs?run=${run}&name=y`);
  await expect(cell(page, 0, 1)).toHaveText("-Inf");
  await expect(cell(page, 1, 0)).toHaveText("NaN");
  await expect(main(page)).toContainText("2 not finite");
  await look(page, "value-not-finite");
  const empty = await finished(page, { model: "logs", dims: { N: 0, K: 2 } });
  await page.goto(`/#/value/logs?run=${empty}&name=y`);
  await expect(main(page)).toContainText("has no elements");
  await page.goto(`/#/value/logs?run=${empty}&name=nothing`);
  await expect(main(page)).toContainText("has not computed");
  const weight = async (model: string, name: string) => {
    const { values } = (await (await page.request.get(`/api/models/${model}/graphs/0/values`)).json()) as { values: { i: number; name: string }[] };
    await page.goto(`/#/value/${model}?value=${values.find((value) => value.name === name)?.i}`);
  };
  await weight("reshape", "to");
  await expect(cell(page, 1, 0)).toHaveText("3");
  await weight("turns", "count");
  await expect(cell(page, 0, 0)).toHaveText(String(2 ** 40));
});

test("goes through the iterations of a loop", async ({ page }) => {
  await opened(page, "few.onnx");
  const run = await finished(page, { model: "few", inputs: { x: { data: [0.5] } } });
  await page.goto(`/#/graph/few?g=1&node=0&run=${run}&panel=value`);
  await expect(cell(page, 0, 0)).toHaveText("5.5");
  await page.getByLabel("Iteration", { exact: true }).fill("1");
  await expect(cell(page, 0, 0)).toHaveText("2.5");
  await page.getByLabel("Slide through the iterations").focus();
  await page.keyboard.press("Home");
  await expect(cell(page, 0, 0)).toHaveText("1.5");
  await expect(page).toHaveURL(/iteration=0/);
  await page.reload();
  await expect(cell(page, 0, 0)).toHaveText("1.5");
  await look(page, "value-iteration");
});

test("shows what a run that goes on has kept", async ({ page }) => {
  await opened(page, "turns.onnx");
  const { id } = (await (await page.request.post("/api/runs", { data: { model: "turns", kind: "graph", dims: { C: 2 }, keep: ["*"] } })).json()) as { id: string };
  await page.goto(`/#/graph/turns?g=1&node=0&run=${id}&panel=value`);
  await expect(page.getByRole("region", { name: "Run", exact: true }).getByRole("status")).toHaveText("running");
  await expect(cell(page, 1, 0)).toHaveText(/\d/);
  await page.getByRole("button", { name: "Cancel run" }).click();
  await expect(page.getByRole("region", { name: "Run", exact: true }).getByRole("status")).toHaveText("cancelled");
});

test("says that a run is gone", async ({ page, said }) => {
  said.refused = /404/;
  await page.goto("/#/value/digits?run=r999&name=mel");
  await expect(page.getByRole("alert")).toContainText("r999");
  await look(page, "value-fault");
});
