import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { checkAccess, drop, expect, finished, look, opened, test } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });
const line = (page: Page) => page.getByRole("region", { name: "Run", exact: true });
const fact = (page: Page, name: string) => inspector(page).locator(".digest dt", { hasText: name }).locator("+ dd");

const run = (page: Page, model: string, more: object) => finished(page, { model, profile: true, seed: 3, ...more });

/** What the dialog saves, in a folder. */
async function save(page: Page, button: "Save session" | "Save as report", folder: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("dialog").getByRole("button", { name: button }).click()]);
  await expect(page.getByRole("dialog")).toHaveCount(0);
  const path = `${folder}/${download.suggestedFilename()}`;
  await download.saveAs(path);
  return path;
}

let folder: string;
test.beforeEach(() => void (folder = mkdtempSync(`${tmpdir()}/sibyl-`)));
test.afterEach(() => rmSync(folder, { recursive: true }));

/** A session of `digits` with the elements of the values of its first block, and the differences from a second run. */
async function saved(page: Page, pictured = false): Promise<string> {
  const first = await run(page, "digits", { dims: { B: 1 } });
  const second = await run(page, "digits", { dims: { B: 1 }, backends: "ref" });
  await page.goto(`/#/graph/digits?run=${first}&with=${second}&node=6`);
  await expect(line(page).getByRole("status")).toHaveText("done");
  await page.getByRole("button", { name: "Save…" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText(/^73 of 73,/)).toBeVisible();
  await dialog.getByLabel("Values whose name contains").fill("blocks.0/");
  await dialog.getByLabel(/^With their elements/).check();
  await expect(dialog.getByLabel("Differences from")).toHaveValue(second);
  if (pictured) await look(page, "session-save");
  await page.setViewportSize({ width: 1280, height: 800 });
  return save(page, "Save session", folder);
}

test("a session opens without the model: graph, values, profile, differences", async ({ page, serve }) => {
  const file = await saved(page, true);
  expect(execFileSync("python3", ["-c", "import sys, zipfile, json; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), json.loads(z.read('session.json'))['sibyl_session'])", file]).toString().trim()).toBe("None 1");
  const number = (label: string) => fact(page, label).textContent();
  const before = [await number("Mean"), await number("Minimum"), await number("Zeros")];
  await page.goto(page.url() + "&panel=value");
  const title = async (row: number, column: number) => (await page.locator("table.elements tbody tr").nth(row).locator("td").nth(column).getAttribute("title"))!;
  const elements = [await title(0, 0), await title(1, 0)];
  const url = await serve();
  await page.goto(`${url}/#/models`);
  await drop(page, "digits.sibyl.zip", readFileSync(file));
  await expect(page).toHaveURL(/#\/graph\/digits\.session\?run=r\d+%40digits\.session/);
  await expect(canvas(page)).toHaveAttribute("data-items", /^\d+$/);
  await expect(page.getByRole("button", { name: "Run", exact: true })).toHaveCount(0);
  await expect(line(page).getByRole("status")).toHaveText("done");
  await page.goto(page.url() + "&node=6&panel=value");
  await expect(inspector(page).getByRole("heading").first()).not.toBeEmpty();
  await expect.poll(async () => [await number("Mean"), await number("Minimum"), await number("Zeros")]).toEqual(before);
  await expect(inspector(page).getByRole("img", { name: /32 × 32 cells/ })).toBeVisible();
  await expect(page.locator("table.elements tbody td").first()).toHaveAttribute("title", elements[0]!);
  await page.getByRole("combobox", { name: "Rows" }).selectOption("2");
  await expect(page.locator("table.elements tbody td").nth(1)).toHaveAttribute("title", elements[1]!);
  await look(page, "session-open");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("navigation", { name: "Panels" }).getByRole("link", { name: "Profile" }).click();
  await expect(page.getByRole("table").first()).toContainText("Attention");
  await page.getByRole("navigation", { name: "Panels" }).getByRole("link", { name: "Comparison" }).click();
  await expect(page.getByText(/\d+ values compared/)).toBeVisible();
  const reference = new URL(page.url().replace("#", "")).searchParams.get("with") ?? "";
  await page.goto(`${url}/#/value/digits.session?run=${encodeURIComponent(reference)}`);
  await expect(page.getByText("The session does not hold this.")).toBeVisible(); // of the other run it has the differences alone
  await page.locator(".model-list li").hover();
  await page.getByRole("button", { name: "Close digits" }).click();
  await expect(page.getByText("This address names a model that is not open here.")).toBeVisible();
});

test("a session holds chosen weights, with their elements", async ({ page, serve }) => {
  interface Weight {
    i: number;
    name: string;
    role: string;
    dims: number[];
  }
  const { values } = (await (await page.request.get("/api/models/digits/graphs/0/values?count=10000")).json()) as { values: Weight[] };
  const all = values.filter(({ role }) => role === "initializer");
  const weight = all.find(({ dims }) => dims.length === 2 && dims[0]! > 8)!;
  const other = all.find(({ name }) => !name.toLowerCase().includes(weight.name.toLowerCase()))!;
  const cell = page.locator("table.elements tbody td");
  const shown = async (base: string, model: string) => {
    await page.goto(`${base}/#/value/${model}?value=${weight.i}`);
    await expect(cell.first()).toHaveAttribute("title", /./);
    return [await cell.nth(0).getAttribute("title"), await cell.nth(9).getAttribute("title")];
  };
  const digest = async (base: string, model: string) => {
    await page.goto(`${base}/#/graph/${model}?value=${weight.i}`);
    await expect(fact(page, "Mean")).toHaveText(/\d/);
    return [await fact(page, "Mean").textContent(), await fact(page, "Minimum").textContent()];
  };
  const before = [await shown("", "digits"), await digest("", "digits")];
  await page.getByRole("button", { name: "Save…" }).click();
  const dialog = page.getByRole("dialog");
  const box = dialog.getByLabel(/^With the elements of \d+ of \d+ weights/);
  await expect(dialog).toContainText(`${all.length} of ${all.length} weights`);
  await dialog.getByLabel("Values whose name contains").fill(weight.name);
  await box.check();
  await look(page, "session-weights");
  await page.setViewportSize({ width: 1280, height: 800 });
  const file = await save(page, "Save session", folder);
  const url = await serve();
  await page.goto(`${url}/#/models`);
  await drop(page, "digits.sibyl.zip", readFileSync(file));
  await expect(page).toHaveURL(/#\/graph\/digits\.session/);
  expect(await shown(url, "digits.session").then(async (elements) => [elements, await digest(url, "digits.session")])).toEqual(before);
  await page.goto(`${url}/#/value/digits.session?value=${other.i}`);
  await expect(page.getByText("The session does not hold this.")).toBeVisible();
});

test("a session holds the graph as it runs, and milli-ops, where they are wanted", async ({ page, said, serve }) => {
  said.refused = /400 .*milli/; // of those whose sizes are not known
  await page.goto("/#/graph/digits?call=decoder");
  const items = () => canvas(page).getAttribute("data-items");
  await expect(canvas(page)).toHaveAttribute("data-items", /^\d+$/);
  const whole = await items();
  await page.getByRole("button", { name: "Save…" }).click();
  await page.getByRole("dialog").getByLabel("With the graph as it runs").check();
  await page.getByRole("dialog").getByLabel("With the milli-ops of its 73 operators").check();
  await look(page, "session-graphs");
  const file = await save(page, "Save session", folder);
  const url = await serve();
  await page.goto(`${url}/#/models`);
  await drop(page, "digits.sibyl.zip", readFileSync(file));
  await expect(page).toHaveURL(/#\/graph\/digits\.session/);
  await expect(canvas(page)).toHaveAttribute("data-items", whole!);
  await page.getByRole("combobox", { name: "Which graph" }).selectOption("As it runs");
  await expect(page).toHaveURL(/show=planned/);
  await expect(canvas(page)).not.toHaveAttribute("data-items", whole!); // two nodes less
  await page.goto(`${url}/#/graph/digits.session?node=9`);
  await inspector(page).getByRole("button", { name: "Milli-ops" }).click();
  await expect(page).toHaveURL(/milli=9/);
  await expect(canvas(page)).toHaveAttribute("data-items", /^\d+$/);
  await expect(page.getByRole("navigation", { name: "Graphs entered" })).toContainText("Milli-ops of");
  await page.goto(`${url}/#/diff/digits.session?with=digits.session&with-show=planned`);
  await expect(page.getByRole("group", { name: "Which nodes are listed and coloured" }).getByRole("button", { name: "Removed" })).toContainText(/[1-9]\d*$/);
});

test("a report is one file that needs no server, with the graph folded", async ({ page }) => {
  await opened(page, "short.onnx");
  const id = await run(page, "short", { dims: { T: 4 } });
  await page.goto(`/#/graph/short?run=${id}`);
  await page.getByRole("button", { name: "Save…" }).click();
  await page.getByRole("dialog").getByLabel("Values whose name contains").fill("layers.3");
  const file = await save(page, "Save as report", folder);
  expect(statSync(file).size).toBeLessThan(5_000_000);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  await expect(canvas(page)).toHaveAttribute("data-items", /^\d+$/);
  expect(Number(await canvas(page).getAttribute("data-items"))).toBeLessThan(100);
  await expect(line(page).getByRole("status")).toHaveText("done");
  await expect(page.getByRole("link", { name: "Speech" })).toHaveCount(0);
  await look(page, "report");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("combobox", { name: "Find nodes" }).fill("layers.3/mlp/Sigmoid");
  await page.keyboard.press("Enter");
  await expect(fact(page, "Mean")).toHaveText(/\d/);
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Values" }).click();
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Profile" }).click();
  await expect(page.getByRole("table").first()).toContainText("MatMul");
  await page.reload(); // its address names a view
  await expect(page.getByRole("table").first()).toContainText("MatMul");
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Models" }).click();
  await expect(page.getByRole("main")).toContainText("transformer");
  expect(asked.filter((url) => !/^(file|data|blob):/.test(url))).toEqual([]);
});

test("what is no session says why, and a session cannot be changed", async ({ page }) => {
  await page.goto("/#/models");
  for (const [name, data, why] of [
    ["noise.sibyl.zip", Buffer.from("nothing"), "invalid zip data"],
    ["empty.sibyl.zip", Buffer.from("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==", "base64"), "it lacks session.json"],
  ] as const) {
    await drop(page, name, data);
    await expect(page.getByRole("alert").last()).toHaveText(new RegExp(`${name} is no session that can be opened: ${why}`));
  }
  const file = await saved(page);
  const changed = execFileSync("python3", [
    "-c",
    "import sys, zipfile, json, io; z = zipfile.ZipFile(sys.argv[1]); out = io.BytesIO(); w = zipfile.ZipFile(out, 'w'); [w.writestr(n, z.read(n) if n != 'session.json' else json.dumps({**json.loads(z.read(n)), 'sibyl_session': 9})) for n in z.namelist()]; w.close(); sys.stdout.buffer.write(out.getvalue())",
    file,
  ], { maxBuffer: 1 << 28 });
  await drop(page, "later.sibyl.zip", changed);
  await expect(page.getByRole("alert").last()).toContainText("it is of version 9");
  await drop(page, "digits.sibyl.zip", readFileSync(file));
  await expect(page).toHaveURL(/digits\.session\b/);
  await drop(page, "digits.sibyl.zip", readFileSync(file)); // again: under another name
  await expect(page).toHaveURL(/digits\.session-2/);
  await page.goto("/#/runs");
  const refused = page.getByRole("alert").filter({ hasText: "A session can be looked at, not changed." });
  const runs = page.getByRole("button", { name: /^Delete run .*digits\.session(-2)?$/ });
  await expect(runs).toHaveCount(4); // of each session the run, and the one that it was compared with
  for (let i = 0; i < 4; i++) {
    await runs.nth(i).click();
    await expect(refused).toHaveCount(1);
    await refused.getByRole("button", { name: "Close" }).click();
  }
  await expect(runs).toHaveCount(4);
  await page.goto("/#/graph/digits.session?milli=3");
  await expect(page.getByText("The session does not hold this.")).toBeVisible();
  await checkAccess(page);
});
