import { checkAccess, expect, expectPercent, look, test } from "./server";
import type { Page } from "@playwright/test";

interface Answer {
  tokens: { id: number; token: string }[];
  rows: { value: number; cells: { top: { id: number; token: string; logprob: number }[]; next: { logprob: number; rank: number } | null }[] }[];
}

const grid = (page: Page) => page.getByRole("grid", { name: "Logit lens" });
const rows = (page: Page) => grid(page).locator("tbody tr");
const card = (page: Page) => page.locator(".lens-card");
const status = (page: Page) => page.locator(".text-bar").first().getByRole("status");

/** What the server gives for the same. */
const asked = async (page: Page, fields: object) => (await (await page.request.post("/api/lens", { data: { model: "tiny", ...fields } })).json()) as Answer;

test.beforeEach(async ({ page }) => {
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open tiny.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/tiny/); // where what has been opened is shown
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Text" }).click();
  await page.getByLabel("Logit lens").check();
});

test("shows what each block makes of each token", async ({ page }) => {
  await page.getByLabel("Prompt").fill("in the beginning");
  await page.getByLabel("Tokens at most").fill("8");
  await page.getByLabel("Temperature").fill("0");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(status(page)).toHaveText(/greatest number/);
  await expect(rows(page)).toHaveCount(7); // six blocks, and what goes into the first
  const ids = (await (await page.request.post("/v1/completions", { data: { model: "tiny", prompt: "in the beginning", max_tokens: 8, temperature: 0, logprobs: 1, return_token_ids: true } })).json()) as { choices: { token_ids: number[]; prompt_token_ids: number[] }[] };
  const prompt = [...ids.choices[0]!.prompt_token_ids, ...ids.choices[0]!.token_ids];
  const expected = await asked(page, { prompt, count: 64 });
  await expect(rows(page).first().locator("th")).toHaveText("6"); // the last is at the top
  await expect(rows(page).last().locator("th")).toHaveText("in");
  for (const [row, column] of [[6, 0], [3, 5], [0, prompt.length - 1]] as const) {
    const { top, next } = expected.rows[row]!.cells[column]!;
    const cell = grid(page).locator(`[data-at="${row}.${column}"]`);
    await cell.hover();
    await expect(card(page).locator(".alternative")).toHaveCount(5);
    await expect(async () => {
      const [at, from] = [(await card(page).boundingBox())!, (await cell.boundingBox())!];
      expect(Math.min(Math.abs(at.y - from.y - from.height), Math.abs(from.y - at.y - at.height))).toBeLessThan(4); // beside its cell
      expect(Math.abs(at.x - Math.min(from.x, 983 - at.width))).toBeLessThan(2);
    }).toPass({ timeout: 60_000 });
    for (const [i, { token, logprob }] of top.entries()) {
      await expect(card(page).locator(".alternative code").nth(i)).toHaveText(token.startsWith("bytes:") ? token.slice(6) : JSON.stringify(token));
      await expectPercent(card(page).locator(".alternative .number").nth(i), logprob);
    }
    if (next) await expect(card(page)).toContainText(`number ${next.rank} in order`);
  }
  // where the last block's likeliest is what was generated, at temperature 0, it stands out
  const generated = rows(page).first().locator("td.right");
  await expect.poll(() => generated.count()).toBeGreaterThanOrEqual(8);
  await look(page, "lens");
});

test("values, colours and tokens are chosen, and stand in the address", async ({ page }) => {
  await page.getByLabel("Prompt").fill("a long text ".repeat(10));
  await page.getByRole("button", { name: "Look at the prompt" }).click();
  await expect(page.locator(".lens-section")).toContainText("tokens 1–64 of");
  await page.getByLabel("Values").selectOption("after each part of a block");
  await expect(rows(page)).toHaveCount(13);
  await expect(rows(page).nth(1).locator("th")).toHaveText("6.1");
  await page.getByLabel("Values").selectOption("after part 1 of 2 of each block");
  await expect(rows(page)).toHaveCount(7);
  await page.getByLabel("Colour").selectOption("the one that follows");
  await page.getByRole("button", { name: "Later" }).click();
  await expect(page.locator(".lens-section")).toContainText("tokens 65–");
  await expect(page).toHaveURL(/values=1/);
  await expect(page).toHaveURL(/tint=next/);
  await expect(page).toHaveURL(/from=64/);
  await page.getByRole("button", { name: "Earlier" }).click();
  await expect(page.locator(".lens-section")).toContainText("tokens 1–64 of");
});

test("works by keyboard alone", async ({ page }) => {
  await page.getByLabel("Prompt").fill("in");
  await page.getByRole("button", { name: "Look at the prompt" }).press("Enter");
  await expect(rows(page)).toHaveCount(7);
  await grid(page).locator('td[tabindex="0"]').focus();
  await expect(card(page)).toContainText("After block 6");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await expect(card(page)).toContainText("After block 5");
  await checkAccess(page);
  await page.keyboard.press("Escape");
  await expect(card(page)).toHaveCount(0);
});

test("a model without blocks is told", async ({ page, said }) => {
  said.refused = /400/;
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open chain.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/chain/); // where what has been opened is shown
  await page.goto("/#/text/chain?lens=1");
  await page.getByLabel("Prompt").fill("in");
  await page.getByRole("button", { name: "Look at the prompt" }).click();
  await expect(page.getByRole("alert")).toContainText("no values between blocks");
  await look(page, "lens-none");
});
