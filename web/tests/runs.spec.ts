import { readFileSync } from "node:fs";
import { arrays, drop, expect, look, send, test } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const line = (page: Page) => page.getByRole("region", { name: "Run", exact: true });
const dialog = (page: Page) => page.getByRole("dialog");
const row = (page: Page, run: string) => page.locator("main").getByRole("row").filter({ has: page.getByText(run, { exact: true }) });

async function open(page: Page, file: string): Promise<void> {
  await page.goto("/#/models");
  await page.getByRole("button", { name: `Open ${file}` }).click();
  await expect(canvas(page)).toBeVisible();
}

const form = (page: Page) => page.getByRole("button", { name: "Run", exact: true }).click();

/** Elements of a value that a run kept. */
async function elements(page: Page, run: string, name: string): Promise<number[]> {
  const answer = await page.request.get(`/api/runs/${run}/data`, { params: { name, format: "raw" } });
  expect(answer.status()).toBe(200);
  const bytes = await answer.body();
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

test("runs with numbers that are typed, with dropped files, and with a seed for an input", async ({ page }) => {
  await open(page, "logs.onnx");
  await form(page);
  await expect(dialog(page).getByLabel("Size of N")).toBeVisible();
  await dialog(page).getByLabel("What x is given").selectOption("Numbers");
  await expect(dialog(page).getByLabel("Size of N")).toHaveCount(0); // the numbers have their own sizes
  await dialog(page).getByLabel("Numbers of x").fill("[[1, 2], [3");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page)).toContainText("Numbers in lists as JSON");
  await look(page, "run-inputs");
  await dialog(page).getByLabel("Numbers of x").fill("[[1, 0], [-1, 8]]");
  const typed = await send(page);
  await expect(line(page).getByRole("status")).toHaveText("done");
  expect(await elements(page, typed, "x")).toEqual([1, 0, -1, 8]);
  expect(await elements(page, typed, "z")).toEqual([0, Infinity, NaN, Math.fround(Math.log(8))]);

  for (const [file, given] of [["x.npy", [1, 2, 4, 8, 16, 32]], ["inputs.npz", [1, 0.5]]] as const) {
    await form(page);
    await drop(page, file, readFileSync(`${arrays}/${file}`), ".input-field");
    await expect(dialog(page)).toContainText(file);
    await expect(page.locator(".drop-target")).toHaveCount(0);
    const run = await send(page);
    await expect(line(page).getByRole("status")).toHaveText("done");
    expect(await elements(page, run, "x")).toEqual(given);
  }

  const seeded: number[][] = [];
  for (const seed of ["", "5", "5"]) {
    await form(page);
    await dialog(page).getByLabel("Seed of x").fill(seed);
    const run = await send(page);
    await expect(line(page).getByRole("status")).toHaveText("done");
    seeded.push(await elements(page, run, "x"));
  }
  expect(seeded[0]).not.toEqual(seeded[1]);
  expect(seeded[1]).toEqual(seeded[2]);
});

test("says what is wrong with an input, and with a file", async ({ page, said }) => {
  said.refused = /400/;
  await open(page, "logs.onnx");
  await form(page);
  await dialog(page).getByLabel("What x is given").selectOption("File");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page)).toContainText("Choose a file.");
  await dialog(page).getByLabel("File of x").setInputFiles({ name: "x.npy", mimeType: "", buffer: Buffer.from("no array") });
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("'x'");
});

test("a run keeps what was asked for, and has the options that were chosen", async ({ page }) => {
  await page.goto("/#/graph/digits");
  await form(page);
  await dialog(page).getByLabel("Keep all values").uncheck();
  await dialog(page).getByLabel("Profile").check();
  await dialog(page).getByLabel("Oracle").check();
  const run = await send(page);
  await expect(line(page).getByRole("status")).toHaveText("done");
  const { kept, outputs, profile, oracle, call } = (await (await page.request.get(`/api/runs/${run}`)).json()) as { kept: number; outputs: []; profile: boolean; oracle: boolean; call: string };
  expect({ profile, oracle, call }).toEqual({ profile: true, oracle: true, call: "encoder" });
  expect(kept).toBe(outputs.length);
});

test("lists runs; opens, cancels and deletes them", async ({ page }) => {
  await page.goto("/#/runs");
  await expect(page.locator("main")).toContainText("There are no runs.");
  await look(page, "runs-empty");
  await page.goto("/#/graph/digits?call=decoder");
  await expect(canvas(page)).toBeVisible();
  await form(page);
  const done = await send(page);
  await expect(line(page).getByRole("status")).toHaveText("done");
  await open(page, "reshape.onnx");
  await form(page);
  const failed = await send(page);
  await expect(line(page).getByRole("status")).toHaveText("failed");
  await open(page, "turns.onnx");
  await form(page);
  await dialog(page).getByLabel("Keep all values").uncheck();
  const endless = await send(page);
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Runs" }).click();
  await expect(row(page, done)).toContainText("decoder");
  await expect(row(page, failed)).toContainText("failed");
  await expect(row(page, endless)).toContainText("running");
  await look(page, "runs");
  await row(page, endless).getByRole("link", { name: `Open run ${endless}` }).click();
  await expect(line(page).getByRole("status")).toHaveText("running");
  await look(page, "run-running");
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Runs" }).click();
  await row(page, endless).getByRole("button", { name: `Cancel run ${endless}` }).click();
  await expect(row(page, endless)).toContainText("cancelled");
  await row(page, failed).getByRole("button", { name: `Delete run ${failed}` }).click();
  await expect(row(page, failed)).toHaveCount(0);
  expect((await page.request.get(`/api/runs/${failed}`)).status()).toBe(404);
  await page.reload();
  await row(page, done).getByRole("link", { name: `Open run ${done}` }).click();
  await expect(page).toHaveURL(new RegExp(`graph/digits.*run=${done}.*call=decoder`));
  await expect(line(page).getByRole("status")).toHaveText("done");
});
