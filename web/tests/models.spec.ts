import { readFileSync } from "node:fs";
import { drop, expect, look, models, test } from "./server";

const opened = "table >> nth=0";

test.beforeEach(async ({ page }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "Models", exact: true }).first()).toBeVisible();
});

test("lists the models that are open, and the files of the server", async ({ page }) => {
  const row = page.locator(opened).getByRole("row", { name: /digits/ });
  await expect(row).toContainText("speech-to-text");
  await expect(page.getByRole("group", { name: "Files on the server" })).toContainText("identity.onnx");
  await look(page, "models");
});

test("opens a dropped file, shows it, closes it", async ({ page }) => {
  await drop(page, "dropped.onnx", readFileSync(`${models}/identity.onnx`));
  await expect(page).toHaveURL(/#\/graph\/dropped/);
  await expect(page).toHaveTitle(/dropped/);
  await page.goto("/#/models");
  const row = page.locator(opened).getByRole("row", { name: /dropped/ });
  await expect(row).toBeVisible();
  await row.getByRole("button", { name: "Close dropped" }).click();
  await expect(row).toHaveCount(0);
});

test("opens a file of the server by its button and by the form", async ({ page }) => {
  await page.getByRole("button", { name: "Open identity.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/identity/);
  await page.goto("/#/models");
  await page.locator("main").getByRole("button", { name: "Open model…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Open", exact: true }).click();
  await expect(dialog).toContainText("File is required.");
  await look(page, "open");
  await dialog.getByLabel(/^File \*/).fill("branch.onnx");
  await dialog.getByRole("button", { name: "Open", exact: true }).click();
  await expect(page).toHaveURL(/#\/graph\/branch/);
});

test("shows what a model is", async ({ page }) => {
  await page.goto("/#/models/digits");
  await expect(page.getByRole("heading", { name: "digits", exact: true })).toBeVisible();
  await expect(page.locator("main")).toContainText("audio");
  await look(page, "model");
});

test("says why a file cannot be opened", async ({ page, said }) => {
  await drop(page, "broken.onnx", Buffer.from("no model"));
  await expect(page.getByRole("alert")).toContainText("broken.onnx");
  await look(page, "broken");
  await drop(page, "letter.txt", Buffer.from("text"));
  await expect(page.getByRole("alert").last()).toContainText("letter.txt");
  expect(said.splice(0).filter((line) => !line.includes("400"))).toEqual([]); // the browser itself reports the refusal
});

test("says that an address names a model that is not open", async ({ page }) => {
  await page.goto("/#/graph/nothing");
  await expect(page.locator("main")).toContainText("nothing");
  await look(page, "missing");
});

test("works by keyboard alone", async ({ page }) => {
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  const tabTo = async (text: RegExp) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (text.test(await focused())) return;
    }
    throw new Error(`Tab never comes to ${text}`);
  };
  await tabTo(/^Open model…$/);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(await focused()).toBe("Open model…");
  await tabTo(/^Open identity\.onnx$/);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#\/graph\/identity/);
  await expect(page.getByRole("application", { name: "Graph" })).toBeVisible();
  await tabTo(/^Close identity$/);
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toContainText("not open");
});
