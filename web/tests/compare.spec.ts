import { expect, look, test } from "./server";
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

async function finished(page: Page, more: object): Promise<string> {
  const body = { model: "digits", kind: "graph", call: "decoder", dims: { B: 1, N: 2, M: 2, P: 4 }, keep: ["*"], ...more };
  const { id } = (await (await page.request.post("/api/runs", { data: body })).json()) as { id: string };
  await expect.poll(async () => ((await (await page.request.get(`/api/runs/${id}`)).json()) as { state: string }).state).toBe("done");
  return id;
}

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
  const scale = await page.evaluate(() => document.querySelectorAll(".u-over").length);
  expect(scale).toBe(1);
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
  await expect(page.getByRole("alert")).toContainText("r999");
  expect(said.splice(0).filter((text) => !text.includes("404"))).toEqual([]); // the browser itself reports the refusal
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
