import { checkAccess, expect, expectPercent, idle, look, test } from "./server";
import type { Page } from "@playwright/test";

const tokens = (page: Page) => page.locator(".token");
const card = (page: Page) => page.getByRole("group", { name: /^In the place of/ });
const status = (page: Page) => page.locator("main").getByRole("status");
const text = async (page: Page) => (await tokens(page).allTextContents()).join("");
const done = /greatest number of tokens/;

interface Answer {
  choices: { text: string; token_ids: number[]; logprobs: { tokens: string[]; token_logprobs: number[]; top_tokens: { id: number; token: string; logprob: number }[][] } }[];
}

const expectText = (page: Page, wanted: string) => expect.poll(() => text(page)).toBe(wanted);

/** As the tokens show it: what is no text as its bytes. */
const shown = (answer: Answer["choices"][0]) => answer.logprobs.tokens.map((token) => token.replace("bytes:", "")).join("");

/** What the server gives for the same. */
async function asked(page: Page, fields: object): Promise<Answer["choices"][0]> {
  const answer = (await (await page.request.post("/v1/completions", { data: { model: "chain", logprobs: 5, return_token_ids: true, ...fields } })).json()) as Answer;
  return answer.choices[0]!;
}

async function fill(page: Page, fields: Record<string, string>): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
}

test.beforeEach(async ({ page }) => {
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open chain.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/chain/); // where what has been opened is shown
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Text" }).click();
  await expect(page).toHaveURL(/#\/text\/chain/);
});

test("writes on, and colours tokens by their probability", async ({ page }) => {
  await look(page, "text-empty");
  await page.setViewportSize({ width: 1280, height: 800 });
  await fill(page, { Prompt: "in the beginning", Seed: "5", "Tokens at most": "120", Temperature: "1.2" });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(status(page)).toHaveText(done);
  const expected = await asked(page, { prompt: "in the beginning", seed: 5, max_tokens: 120, temperature: 1.2 });
  await expect(tokens(page)).toHaveCount(120);
  const bounds = [0.9, 0.7, 0.4, 0.15, 0];
  for (const [i, logprob] of expected.logprobs.token_logprobs.entries()) {
    const level = bounds.findIndex((bound) => Math.exp(logprob) >= bound);
    await expect(tokens(page).nth(i)).toHaveClass(new RegExp(`likely-${level}\\b`));
  }
  await expectText(page, shown(expected));
  const mean = expected.logprobs.token_logprobs.reduce((sum, x) => sum + x, 0) / 120;
  await expect(status(page)).toContainText(`perplexity ${Math.exp(-mean).toPrecision(3)}`);
  await tokens(page).nth(60).hover();
  await expect(card(page)).toBeVisible();
  await look(page, "text");
  await page.setViewportSize({ width: 1280, height: 800 });
  const address = page.url();
  await page.goto("/#/models");
  await page.goto(address);
  await page.reload(); // an address writes the same again
  await expect(page.getByLabel("Prompt")).toHaveValue("in the beginning");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(status(page)).toHaveText(done);
  await expectText(page, shown(expected));
});

test("a click on a token or on an alternative writes on from there", async ({ page }) => {
  await fill(page, { Prompt: "in", Temperature: "0", "Tokens at most": "20" });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(status(page)).toHaveText(done);
  const first = await asked(page, { prompt: "in", temperature: 0, max_tokens: 20 });
  await expectText(page, first.text);
  await tokens(page).nth(5).hover();
  const likely = first.logprobs.top_tokens[5]!;
  for (const [i, { token, logprob }] of likely.entries()) {
    await expect(card(page).locator(".alternative").nth(i)).toContainText(JSON.stringify(token));
    await expectPercent(card(page).locator(".alternative .number").nth(i), logprob);
  }
  await card(page).locator(".alternative").nth(2).click();
  await expect(status(page)).toHaveText(done);
  const other = likely[2]!;
  const rest = await asked(page, { prompt: [105, 110, ...first.token_ids.slice(0, 5), other.id], temperature: 0, max_tokens: 20 });
  await expect(tokens(page)).toHaveCount(26);
  await expectText(page, first.text.slice(0, 5) + other.token + rest.text);
  await tokens(page).nth(8).click();
  await expect(tokens(page)).toHaveCount(29);
  await expect(status(page)).toHaveText(done);
  const last = await asked(page, { prompt: [105, 110, ...first.token_ids.slice(0, 5), other.id, ...rest.token_ids.slice(0, 3)], temperature: 0, max_tokens: 20 });
  await expectText(page, first.text.slice(0, 5) + other.token + rest.text.slice(0, 3) + last.text);
  await page.getByRole("button", { name: "Undo" }).click();
  await expectText(page, first.text.slice(0, 5) + other.token + rest.text);
  await page.getByRole("button", { name: "Undo" }).click();
  await expectText(page, first.text);
  await expect(page.getByRole("button", { name: "Undo" })).toBeDisabled();
});

test("works by keyboard alone", async ({ page }) => {
  await page.getByLabel("Prompt").focus();
  await page.keyboard.type("in");
  await page.getByLabel("Temperature").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("0");
  await page.getByLabel("Prompt").focus();
  await page.keyboard.press("Control+Enter");
  await expect(status(page)).toHaveText(done);
  const before = await text(page);
  for (let i = 0; i < 5; i++) await page.keyboard.press("Tab"); // the button, two boxes, the text, its first token
  await expect(tokens(page).first()).toBeFocused();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
  await expect(tokens(page).nth(3)).toBeFocused();
  await expect(card(page)).toBeVisible();
  await checkAccess(page);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const name = (await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))) ?? "";
  await page.keyboard.press("Escape");
  await expect(tokens(page).nth(3)).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(tokens(page)).toHaveCount(68);
  await expect.poll(async () => (await text(page)).slice(0, 4)).toBe(before.slice(0, 3) + String(JSON.parse(name.split(",")[0] ?? "")));
});

test("options are sent, and what is wrong is said", async ({ page, said }) => {
  said.refused = /400/;
  const [first] = await Promise.all([
    page.waitForRequest(/completions/),
    (async () => {
      await fill(page, { Prompt: "in", "Top k": "3", "Top p": "0.9", "Min p": "0.05", "Repetition penalty": "1.1", Seed: "7", "Stop text": "e\\n", "Tokens at most": "8" });
      await page.getByRole("button", { name: "Generate", exact: true }).click();
    })(),
  ]);
  expect(first.postDataJSON()).toMatchObject({ model: "chain", prompt: "in", top_k: 3, top_p: 0.9, min_p: 0.05, repetition_penalty: 1.1, seed: 7, stop: "e\n", max_tokens: 8, temperature: 0.8 });
  await expect(status(page)).toHaveText(done);
  await fill(page, { "Stop text": (await text(page)).slice(3, 5) });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(status(page)).toContainText("stop text");
  await fill(page, { "Top k": "some" });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(page.getByText("Top k must be an integer.")).toBeVisible();
  await fill(page, { "Top k": "", Temperature: "9" });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("temperature must be a number from 0 to 2");
  await look(page, "text-refused");
});

test("tokens come one by one, and can be cancelled", async ({ page }) => {
  await fill(page, { Prompt: "in", "Tokens at most": "1000000" });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(tokens(page).nth(20)).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(status(page)).toContainText("cancelled");
  await idle(page);
  await expect(page.getByRole("button", { name: "Generate", exact: true })).toBeEnabled();
});

test("without a model it says so", async ({ page, request, server }) => {
  await request.delete(`${server}/api/models/chain`);
  await page.goto("/#/text");
  await page.reload();
  await expect(page.locator("main")).toContainText("No model that generates text is open.");
  await look(page, "text-no-model");
});

test("ids and alternatives stand below each token where they are wanted", async ({ page }) => {
  await fill(page, { Prompt: "in the beginning", Seed: "5", "Tokens at most": "40", Temperature: "1.2" });
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(status(page)).toHaveText(done);
  const plain = await text(page);
  await page.getByLabel("Ids and alternatives below tokens").check();
  await expect(page).toHaveURL(/below=1/);
  const expected = await asked(page, { prompt: "in the beginning", seed: 5, max_tokens: 40, temperature: 1.2 });
  const below = page.locator(".token-below");
  await expect(below).toHaveCount(40);
  await expect.poll(async () => (await text(page)).replaceAll("↵", "↵\n")).toBe(plain);
  for (const i of [0, 17, 39]) {
    await expect(below.nth(i).locator("span").first()).toHaveText(String(expected.token_ids[i]));
    await expect(below.nth(i).locator("span")).toHaveCount(4);
    const [likeliest] = expected.logprobs.top_tokens[i]!;
    await expect(below.nth(i).locator("span").nth(1)).toContainText(likeliest!.token.replace("bytes:", ""));
  }
  await look(page, "text-below");
  await page.setViewportSize({ width: 1280, height: 800 });
  await tokens(page).nth(5).hover();
  await expect(card(page)).toBeVisible();
  await card(page).getByRole("button").nth(1).click(); // another one in its place
  await expect(status(page)).toHaveText(done);
  await expect(page.getByLabel("Ids and alternatives below tokens")).toBeChecked();
});
