import { readFileSync } from "node:fs";
import { drop, expect, finished as finishedRun, look, models, test } from "./server";
import type { Page } from "@playwright/test";

interface Answer {
  first: string | null;
  different: number;
  compared: number;
  rows: { name: string; node: string; within: boolean; max_rel: number | null; max_abs: number | null }[];
}

const main = (page: Page) => page.locator("main");
const table = (page: Page) => page.getByRole("group", { name: "Comparison" });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });
const plot = (page: Page) => page.getByRole("img", { name: /in the order in which they were computed/ });

const finished = (page: Page, more: object) => finishedRun(page, { model: "digits", call: "decoder", dims: { B: 1, N: 2, M: 2, P: 4 }, ...more });

const compared = async (page: Page, run: string, other: string, rtol: number, atol: number) =>
  (await (await page.request.get(`/api/runs/${run}/compare`, { params: { with: other, rtol, atol } })).json()) as Answer;

test("compares two runs that are chosen in the table of runs", async ({ page }) => {
  const reference = await finished(page, { oracle: true });
  const run = await finished(page, {});
  await page.goto("/#/runs");
  await page.getByRole("checkbox", { name: `Compare run ${reference}` }).check();
  await expect(main(page)).toContainText(`${reference} is the reference`);
  await page.getByRole("checkbox", { name: `Compare run ${run}` }).check();
  await page.getByRole("link", { name: `Compare ${run} with ${reference}` }).click();
  const usual = await compared(page, run, reference, 1e-3, 1e-5);
  expect(usual.different).toBe(0);
  await expect(main(page)).toContainText("All within tolerance");
  await expect(main(page)).toContainText(`${usual.compared} values compared`);
  await look(page, "compare-within");
});

test("shows what is out of the tolerances that are typed, and jumps to the first in the graph", async ({ page }) => {
  const reference = await finished(page, { oracle: true });
  const run = await finished(page, {});
  await page.goto(`/#/compare/digits?run=${run}&with=${reference}`);
  await page.getByRole("textbox", { name: "Relative" }).fill("0");
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Absolute" }).fill("1e-7");
  await page.keyboard.press("Enter");
  const strict = await compared(page, run, reference, 0, 1e-7);
  expect(strict.different).toBeGreaterThan(0);
  await expect(main(page)).toContainText(`${strict.different} out of tolerance`);
  await page.getByLabel("Only those out of tolerance").check();
  await expect(table(page).getByRole("row")).toHaveCount(strict.different + 1);
  await look(page, "compare");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.reload();
  await expect(table(page).getByRole("row")).toHaveCount(strict.different + 1);
  await page.getByRole("button", { name: "Show in the graph" }).click();
  await expect(page).toHaveURL(/graph\/digits.*panel=compare/);
  await expect(inspector(page)).toContainText(strict.rows.find((row) => row.name === strict.first)?.node ?? "");
  await look(page, "compare-panel");
});

test("draws the error by depth, where a click jumps to the node", async ({ page }) => {
  const reference = await finished(page, { seed: 1 });
  const run = await finished(page, { seed: 2 });
  const { rows } = await compared(page, run, reference, 1e-3, 1e-5);
  await page.goto(`/#/compare/digits?run=${run}&with=${reference}`);
  await page.getByLabel("Error that is drawn").selectOption("Absolute error");
  await expect(plot(page).locator("canvas")).toBeVisible();
  const over = await plot(page).locator(".u-over").boundingBox();
  if (!over) throw new Error("the plot is not shown");
  const drawn = rows.flatMap((row, i) => (row.max_abs !== null && row.max_abs > 0 ? [i] : []));
  const [first, last] = [drawn[0]!, drawn.at(-1)!];
  const wanted = drawn.find((i) => rows[i]?.node && i > rows.length / 2) ?? 0;
  expect(last).toBeGreaterThan(first);
  await expect(page.locator(".u-over")).toHaveCount(1);
  await page.mouse.click(over.x + (wanted / (rows.length - 1)) * over.width, over.y + over.height / 2);
  await expect(page).toHaveURL(/graph\/digits.*(node|value)=\d+/);
  await expect(inspector(page)).toContainText(rows[wanted]?.node ?? "");
});

test("says what is missing, and what is wrong", async ({ page, said }) => {
  await page.goto("/#/compare/digits");
  await expect(main(page)).toContainText("Choose a run and the one that is the reference.");
  await look(page, "compare-empty");
  const run = await finished(page, {});
  await page.goto(`/#/compare/digits?run=${run}&with=r999`);
  said.refused = /404/;
  await expect(page.getByRole("alert")).toContainText("r999");
  await page.goto(`/#/compare/digits?run=${run}&with=${run}`);
  await expect(main(page)).toContainText("No value differs.");
  await page.getByRole("textbox", { name: "ULP" }).fill("1.5");
  await expect(page.getByRole("textbox", { name: "ULP" })).toHaveAttribute("aria-invalid", "true");
});

test("a row of the table leads to its node by keyboard", async ({ page }) => {
  const reference = await finished(page, { seed: 1 });
  const run = await finished(page, { seed: 2 });
  const { rows } = await compared(page, run, reference, 1e-3, 1e-5);
  const at = rows.findIndex((row) => row.node !== "" && !row.within);
  await page.goto(`/#/compare/digits?run=${run}&with=${reference}`);
  await table(page).getByRole("row").nth(at + 1).focus();
  await page.keyboard.press("Enter");
  await expect(inspector(page)).toContainText(rows[at]?.node ?? "");
});

test("compares two backends by one form, and judges node by node", async ({ page }) => {
  await page.goto("/#/compare/digits");
  await page.getByRole("button", { name: "Compare backends…" }).click();
  const dialog = page.getByRole("dialog", { name: "Compare backends" });
  await dialog.getByLabel("Call of the job").selectOption("decoder");
  await expect(dialog.getByLabel("Reference")).toHaveValue("oracle");
  for (const [name, size] of Object.entries({ N: "2", M: "2", P: "4" })) await dialog.getByLabel(`Size of ${name}`).fill(size);
  await look(page, "compare-form");
  await page.setViewportSize({ width: 1280, height: 800 });
  await dialog.getByRole("button", { name: "Compare", exact: true }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page).toHaveURL(/run=r\d+&with=r\d+&by=node/);
  await expect(main(page)).toContainText("None of 77 values differs by more than rounding explains");
  await expect(table(page).getByRole("columnheader", { name: "Times rounding" })).toBeVisible();
  await page.getByLabel("Error that is drawn").selectOption("Times rounding");
  await expect(plot(page)).toBeVisible();
  const { runs } = (await (await page.request.get("/api/runs")).json()) as { runs: { oracle: boolean; call: string }[] };
  expect(runs.map(({ oracle, call }) => [oracle, call])).toEqual([[true, "decoder"], [false, "decoder"]]);
  await look(page, "compare-nodes");
});

test("names the first node that is wrong itself, also in a session", async ({ page }) => {
  const more = { model: "short", call: undefined, dims: { T: 4 }, seed: 3 };
  const opened = async (file: string) => {
    const part = { name: "short.onnx", mimeType: "application/octet-stream", buffer: readFileSync(`${models}/${file}.onnx`) };
    expect((await page.request.post("/api/models", { multipart: { loader: "upload", file: part } })).status()).toBe(201);
    return finished(page, more);
  };
  const reference = await opened("short_edited"); // the same name with other weights, as of a build with a fault
  expect((await page.request.delete("/api/models/short")).status()).toBe(204);
  const run = await opened("short");
  const judged = (await (await page.request.get(`/api/runs/${run}/compare`, { params: { with: reference, by: "node" } })).json()) as Answer;
  const whole = await compared(page, run, reference, 1e-3, 1e-5);
  expect(judged.different).toBeGreaterThan(0);
  expect(judged.different).toBeLessThan(whole.different);
  await page.goto(`/#/compare/short?run=${run}&with=${reference}`);
  await page.getByRole("button", { name: "Judge node by node" }).click();
  await expect(page.getByText(`${judged.different} of ${judged.compared.toLocaleString("en")} differ by more than rounding explains`)).toBeVisible();
  const first = page.locator(".card.first", { hasText: "First wrong node" });
  await expect(first).toContainText(judged.first ?? "");
  await expect(first).toContainText("times what rounding explains");
  await page.getByLabel("Only those out of tolerance").check();
  await page.getByLabel("Error that is drawn").selectOption("Times rounding");
  await look(page, "compare-wrong-node");
  await page.setViewportSize({ width: 1280, height: 800 });
  await first.getByRole("button", { name: "Show in the graph" }).click();
  await expect(inspector(page)).toContainText(judged.rows.find(({ name }) => name === judged.first)?.node ?? "");
  await page.getByRole("button", { name: "Save…" }).click();
  await page.getByRole("dialog").getByLabel("Differences from").selectOption({ label: `Run ${reference}` });
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("dialog").getByRole("button", { name: "Save session" }).click()]);
  const data = readFileSync(await download.path());
  await page.goto("/#/models");
  await drop(page, "short.sibyl.zip", data);
  await expect(page).toHaveURL(/#\/graph\/short\.session/);
  await page.goto(`/#/compare/short.session?run=${run}@short.session&with=${reference}@short.session`);
  await expect(first).toContainText(judged.first ?? "");
  await expect(page.getByRole("button", { name: /node by node|Compare backends/ })).toHaveCount(0);
});
