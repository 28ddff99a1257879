import { readFileSync } from "node:fs";
import { checkAccess, drop, expect, expectPercent, look, root, settled, test } from "./server";
import type { Page } from "@playwright/test";

const sample = readFileSync(`${root}assets/digits/sample.flac`);
const map = (page: Page) => page.getByRole("img", { name: "Attention of each token, over time" });
const tokens = (page: Page) => page.locator(".attention-token");
const card = (page: Page) => page.locator(".attention-card");
const picture = (page: Page) => map(page).evaluate((element) => (element as HTMLCanvasElement).toDataURL());
const drawn = (page: Page) => settled(() => picture(page));

interface Answer {
  layers: number;
  heads: number;
  tokens: { token: string; logprob: number; top: { id: number; token: string; logprob: number }[] }[];
}

test.beforeEach(async ({ page }) => {
  await page.goto("/#/models");
  await drop(page, "sample.flac", sample);
  await expect(page.getByRole("button", { name: "Transcribe again" })).toBeVisible();
});

test("tokens, what was likely in their place, and what they look at, are shown on the time axis", async ({ page }) => {
  const [answer] = await Promise.all([page.waitForResponse(/api\/attention/), page.getByLabel("Attention", { exact: true }).check()]);
  const told = (await answer.json()) as Answer;
  await expect(tokens(page)).toHaveCount(told.tokens.length);
  await expect.poll(async () => (await tokens(page).allTextContents()).slice(0, 9)).toEqual("four one five two seven one eight two eight".split(" "));
  for (const i of [0, 4]) {
    await tokens(page).nth(i).hover();
    await expect(card(page).locator(".alternative")).toHaveCount(5);
    for (const [k, { token, logprob }] of told.tokens[i]!.top.entries()) {
      await expect(card(page).locator(".alternative code").nth(k)).toHaveText(JSON.stringify(token));
      await expectPercent(card(page).locator(".alternative .number").nth(k), logprob);
    }
  }
  await look(page, "attention");
  await page.setViewportSize({ width: 1280, height: 800 });
  await expect(page.getByLabel("Layer")).toHaveValue(String(told.layers - 1)); // the last
  const mean = await drawn(page);
  await page.getByLabel(/^Head/).selectOption("1");
  await expect(page).toHaveURL(/head=1/);
  await expect.poll(() => picture(page)).not.toBe(mean);
  const last = await drawn(page);
  await page.getByLabel("Layer").selectOption("0");
  await expect(page).toHaveURL(/layer=0/);
  await expect(tokens(page)).toHaveCount(told.tokens.length);
  await expect.poll(() => picture(page)).not.toBe(last);
});

test("the map follows the time axis, and says what is below the pointer", async ({ page }) => {
  await page.getByLabel("Attention", { exact: true }).check();
  await expect(tokens(page).first()).toBeVisible();
  const whole = await drawn(page);
  const axis = page.getByRole("application", { name: "Recording over time" });
  await expect(axis).toHaveAttribute("data-drawn", /wave.*features/); // its end is known
  await expect(async () => {
    const [box, below] = [(await axis.boundingBox())!, (await map(page).boundingBox())!];
    expect([below.x, below.width]).toEqual([box.x, box.width]); // one time axis
  }).toPass({ timeout: 60_000 });
  await map(page).hover({ position: { x: (await map(page).boundingBox())!.width / 2, y: 30 } });
  await expect(page.locator(".attention-said")).toContainText('one" at 0:04.0');
  await axis.focus();
  await page.keyboard.press("+");
  await expect.poll(() => picture(page)).not.toBe(whole);
});

test("works by keyboard alone", async ({ page }) => {
  await page.getByLabel("Attention", { exact: true }).focus();
  await page.keyboard.press("Space");
  await expect(tokens(page).first()).toBeVisible();
  await tokens(page).first().focus();
  await expect(card(page)).toContainText("four");
  await page.keyboard.press("ArrowDown");
  await expect(tokens(page).nth(1)).toBeFocused();
  await expect(card(page)).toContainText("one");
  await checkAccess(page);
  await page.keyboard.press("Escape");
  await expect(card(page)).toHaveCount(0);
});
