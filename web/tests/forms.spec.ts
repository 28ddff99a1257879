import { readFileSync } from "node:fs";
import { expect, finished, look, opened, test } from "./server";
import type { Page } from "@playwright/test";

const main = (page: Page) => page.locator("main");
const tab = (page: Page, name: string) => page.getByRole("tab", { name, exact: true });
const said = (page: Page) => page.locator(".raster-said");

async function floats(page: Page, run: string, name: string, slice: string): Promise<number[]> {
  const bytes = await (await page.request.get(`/api/runs/${run}/data`, { params: { name, slice, format: "raw" } })).body();
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

/** Colours of a canvas, each as often as pixels have it. */
const coloursOf = (page: Page, selector: string) =>
  page.locator(selector).first().evaluate((element) => {
    const { width, height } = element as HTMLCanvasElement;
    const copy = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", { willReadFrequently: true })!;
    copy.drawImage(element as HTMLCanvasElement, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    return new Set(Array.from({ length: data.length / 4 }, (_, i) => data.slice(4 * i, 4 * i + 3).join())).size;
  });

test("shows attention head by head, and the chosen head in exact numbers", async ({ page }) => {
  await opened(page, "heads.onnx");
  const run = await finished(page, { model: "heads" });
  await page.goto(`/#/value/heads?run=${run}&name=shares`);
  await tab(page, "Attention").click();
  await expect(page.getByRole("group", { name: "4 heads, on one scale" }).getByRole("button")).toHaveCount(4);
  await page.getByRole("button", { name: "Head 2" }).click();
  await expect(page.getByRole("button", { name: "Head 2" })).toHaveAttribute("aria-pressed", "true");
  await expect(main(page)).toContainText("Head 2: each row is what one query attends to.");
  await page.getByRole("application", { name: /^Heat map/ }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const [share] = await floats(page, run, "shares", "0,2,1,0:1");
  await expect.poll(async () => Math.fround(Number(/\[0, 2, 1, 0\] = (\S+)/.exec((await said(page).textContent()) ?? "")?.[1]))).toBe(share);
  await expect.poll(() => coloursOf(page, ".head canvas")).toBeGreaterThan(4);
  await look(page, "value-attention");
});

test("plays a value as a sound, at the rate that is asked for", async ({ page }) => {
  await opened(page, "plain.onnx");
  const run = await finished(page, { model: "plain", dims: { N: 32000 } });
  await page.goto(`/#/value/plain?run=${run}&name=y`);
  await tab(page, "Sound").click();
  await expect(main(page)).toContainText("0.00 s of 2.00 s");
  await page.getByLabel("Samples per second").fill("8000");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/rate=8000/);
  await expect(main(page)).toContainText("0.00 s of 4.00 s");
  await look(page, "value-sound");
  await page.getByRole("button", { name: "Play" }).click();
  await expect(main(page)).toContainText("4.00 s of 4.00 s"); // to the end
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: ".wav" }).click()]);
  const wav = readFileSync(await file.path());
  expect([wav.toString("latin1", 0, 4), wav.readUInt32LE(24), wav.readUInt32LE(40)]).toEqual(["RIFF", 8000, 64000]);
  const [first] = await floats(page, run, "y", "100:101");
  expect(wav.readInt16LE(44 + 200)).toBe(Math.round(first! * 32767));
});

test("puts two values beside each other with difference, relative difference and ULP", async ({ page }) => {
  await opened(page, "logs.onnx");
  const row = (last: number) => ({ x: { data: [[1, 2, 4], [8, 16, last]] } });
  const before = await finished(page, { model: "logs", inputs: row(32) });
  const run = await finished(page, { model: "logs", inputs: row(32.000003814697266) }); // the next float
  await page.goto(`/#/value/logs?run=${run}&name=x`);
  await tab(page, "Two values").click();
  await expect(page.getByRole("combobox", { name: "Beside", exact: true })).toHaveValue(before);
  await expect(page.getByRole("combobox", { name: "Value beside it" })).toHaveValue("x");
  await expect(main(page)).toContainText("1 of 6 elements shown differ. Difference at most 3.8147e-6, at [1, 2]: 32.000004 and 32.");
  await page.getByRole("combobox", { name: "How far they are apart" }).selectOption("ULP");
  await expect(main(page)).toContainText("ULP at most 1, at [1, 2]");
  await page.getByRole("application", { name: /^Heat map of ULP/ }).focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
  await expect(said(page)).toHaveText(["[1, 2] = 32.000004", "[1, 2] = 32", "[1, 2]: 1"]); // one cell in all three
  await page.getByRole("combobox", { name: "How far they are apart" }).selectOption("Relative difference");
  await expect(main(page)).toContainText("Relative difference at most 1.1921e-7");
  await look(page, "value-beside");
  await page.getByRole("combobox", { name: "Value beside it" }).selectOption("z");
  await expect(page).toHaveURL(/other=z/);
  await expect(main(page)).toContainText("6 of 6 elements shown differ.");
  await page.reload();
  await expect(page.getByRole("combobox", { name: "Value beside it" })).toHaveValue("z");
  await page.getByRole("combobox", { name: "Beside", exact: true }).selectOption("Weights");
  await expect(main(page)).toContainText("No other value of the shape [2, 3] is there");
  await look(page, "value-beside-none");
});

test("draws a heat map on a logarithmic scale and saves it as PNG", async ({ page }) => {
  await opened(page, "logs.onnx");
  const run = await finished(page, { model: "logs", inputs: { x: { data: [[1e-3, 1e-2, 1e-1], [1, 10, 1000]] } } });
  await page.goto(`/#/value/logs?run=${run}&name=x&as=cells`);
  await expect(main(page)).toContainText("From -1000 (blue) over 0 to 1000 (orange).");
  await expect.poll(() => coloursOf(page, ".raster canvas")).toBeGreaterThan(1);
  expect(await coloursOf(page, ".raster canvas")).toBeLessThan(4); // all but one are faint beside 1000
  await page.getByLabel("Logarithmic").check();
  await expect(page).toHaveURL(/log=1/);
  await expect.poll(() => coloursOf(page, ".raster canvas")).toBe(6);
  await look(page, "value-cells-log");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "PNG" }).click()]);
  expect(file.suggestedFilename()).toBe("x.png");
  const png = readFileSync(await file.path());
  expect(png.toString("latin1", 1, 4)).toBe("PNG");
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([513, 342]); // squares of 171 pixels
});
