import { expect, look, opened, root, test } from "./server";
import type { Page } from "@playwright/test";

const box = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
const panel = (page: Page) => page.getByRole("region", { name: "Job", exact: true });
const tab = (page: Page, name: string) => panel(page).getByRole("tab", { name, exact: true });
const line = (page: Page) => page.getByRole("region", { name: "Run", exact: true });
const output = (page: Page, name: string) => panel(page).getByRole("region", { name, exact: true });
const dialog = (page: Page) => page.getByRole("dialog");

async function openChain(page: Page): Promise<void> {
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open chain.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/chain/); // where what has been opened is shown
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Job" }).click();
  await expect(box(page, "generate, loop")).toBeVisible();
}

/** Nodes stand beside each other or in the frame of their loop, and no title or row reaches out of its box. */
async function checkBoxes(page: Page): Promise<void> {
  const faults = () => page.evaluate(() => {
    const boxes = [...document.querySelectorAll<HTMLElement>(".job-box")].map((element) => ({ element, name: element.getAttribute("aria-label"), at: element.getBoundingClientRect(), loop: element.classList.contains("loop") }));
    const found: string[] = [];
    for (const a of boxes)
      for (const b of boxes) {
        const apart = a.at.right <= b.at.left || b.at.right <= a.at.left || a.at.bottom <= b.at.top || b.at.bottom <= a.at.top;
        const within = a.loop && b.at.left > a.at.left && b.at.right < a.at.right && b.at.top > a.at.top && b.at.bottom < a.at.bottom;
        const around = b.loop && a.at.left > b.at.left && a.at.right < b.at.right && a.at.top > b.at.top && a.at.bottom < b.at.bottom;
        if (a !== b && !apart && !within && !around) found.push(`${a.name} overlaps ${b.name}`);
      }
    for (const { element, name, at } of boxes)
      for (const part of element.querySelectorAll("li > span, .job-title > *, .job-call")) {
        const { left, right, bottom } = part.getBoundingClientRect();
        if (!part.classList.contains("job-dot") && (left < at.left || right > at.right || bottom > at.bottom + 1)) found.push(`${part.textContent} is out of ${name}`);
      }
    return found;
  });
  await expect.poll(faults).toEqual([]);
}

test("draws a job with its loop, typed ports and calls, and tells of a node what it takes and gives", async ({ page }) => {
  await openChain(page);
  for (const name of ["Inputs", "prompt, tokenize", "generate, loop", "next, call", "choose, sample", "words, detokenize", "score, score", "Outputs"]) await expect(box(page, name)).toBeVisible();
  await checkBoxes(page);
  await expect.poll(() => page.locator(".job-scaled path.type-tensor").count()).toBeGreaterThan(1);
  await look(page, "job");
  await box(page, "choose, sample").getByRole("button", { name: "choose" }).click();
  await expect(page).toHaveURL(/node=3/);
  await expect(panel(page).getByRole("heading", { name: "choose" })).toBeVisible();
  const takes = panel(page).getByRole("table").first();
  await expect(takes.getByRole("row", { name: /^logits/ })).toContainText("next");
  await expect(takes.getByRole("row", { name: /^temperature/ })).toContainText("input temperature");
  await look(page, "job-node");
  await takes.getByRole("row", { name: /^tokens/ }).getByRole("button", { name: "fed of generate" }).click();
  await expect(panel(page).getByRole("heading", { name: "generate" })).toBeVisible();
  await page.reload();
  await expect(panel(page).getByRole("heading", { name: "generate" })).toBeVisible();
  await tab(page, "Document").click();
  await expect(panel(page).getByRole("textbox", { name: "Document" })).toHaveValue(/"sibyl_job": 1/);
  await look(page, "job-document");
  await box(page, "next, call").getByRole("button").dblclick();
  await expect(page).toHaveURL(/#\/graph\/chain\?call=decoder/);
  await expect(page.getByRole("application", { name: "Graph" })).toBeVisible();
});

test("shows a job of one node by keyboard alone, and goes into the model that it calls", async ({ page }) => {
  await page.goto("/#/job/digits");
  await expect(box(page, "transcript, transcribe")).toBeVisible();
  await checkBoxes(page);
  await look(page, "job-speech");
  await box(page, "transcript, transcribe").getByRole("button", { name: "transcript" }).focus();
  await page.keyboard.press("Enter");
  await expect(panel(page).getByRole("heading", { name: "transcript" })).toBeVisible();
  await expect(panel(page).getByRole("row", { name: /^n_text_ctx/ })).toContainText(/\d+$/);
  await page.keyboard.press("Escape");
  await expect(panel(page).getByRole("heading", { name: "transcript" })).toHaveCount(0);
  const scale = () => page.locator(".job-scaled").evaluate((element) => element.getBoundingClientRect().width);
  const before = await scale();
  await page.keyboard.press("+");
  await expect.poll(scale).toBeGreaterThan(before);
  await page.keyboard.press("Tab"); // the first call
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#\/graph\/digits\?call=decoder/);
});

test("draws a loop in a loop, and runs a job on a tensor and a recording", async ({ page }) => {
  await opened(page, "rounds.job.json");
  await page.goto("/#/job/rounds");
  for (const name of ["each, loop", "rows, loop", "pick, sample", "letters, detokenize", "mel, features"]) await expect(box(page, name)).toBeVisible();
  await checkBoxes(page);
  await expect(box(page, "mel, features").getByRole("listitem").filter({ hasText: "preset" })).toContainText('= "kaldi"');
  await box(page, "rows, loop").getByRole("button", { name: "rows" }).click();
  await expect(panel(page).getByRole("row", { name: /^until/ })).toContainText("flag");
  await look(page, "job-rounds");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 128), }".padEnd(117) + "\n";
  const rows = new Float32Array(256);
  rows[104] = rows[128 + 105] = 9; // the letters h and i
  const npy = Buffer.concat([Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0]), Buffer.from(header), Buffer.from(rows.buffer)]);
  await dialog(page).getByLabel("tables").setInputFiles({ name: "tables.npy", mimeType: "application/octet-stream", buffer: npy });
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(line(page).getByRole("status")).toHaveText("failed");
  await expect(line(page).getByRole("alert")).toContainText("audio"); // the features are those of a recording
  await expect(panel(page)).toContainText("This run has no outputs.");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByLabel("tables").setInputFiles({ name: "tables.npy", mimeType: "application/octet-stream", buffer: npy });
  await dialog(page).getByLabel("audio").setInputFiles(`${root}assets/digits/sample.flac`);
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(line(page).getByRole("status")).toHaveText("done");
  await expect(output(page, "text")).toContainText("hi");
  await expect(output(page, "seen")).toContainText("[104,105]");
  await output(page, "mel").getByRole("link", { name: "Show its elements" }).click();
  await expect(page).toHaveURL(/#\/value\/rounds\?run=r\d+&name=mel/);
});

test("runs a job that writes text, from a form made from its ports", async ({ page }) => {
  await openChain(page);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByLabel("text", { exact: true }).fill("Once");
  await dialog(page).getByLabel("max_tokens").fill("many");
  await look(page, "job-form");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page).getByRole("alert")).toHaveText("max_tokens must be a number.");
  await dialog(page).getByLabel("max_tokens").fill("12");
  await dialog(page).getByLabel("temperature").fill("0");
  await dialog(page).getByLabel("stop_tokens").fill("1, -2");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page).getByRole("alert")).toHaveText("stop_tokens must be ids of tokens, integers from 0 with commas between them.");
  await dialog(page).getByLabel("stop_tokens").fill("");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page)).toHaveCount(0);
  await expect(line(page).getByRole("status")).toHaveText("done");
  const answer = (await (await page.request.post("/v1/completions", { data: { model: "chain", prompt: "Once", max_tokens: 12, temperature: 0 } })).json()) as { choices: { text: string }[] };
  await expect(output(page, "text").locator(".job-text")).toHaveText(answer.choices[0]!.text, { useInnerText: true });
  await expect(output(page, "perplexity")).toContainText(/\d/);
  await look(page, "job-outputs");
  await page.reload();
  await expect(output(page, "text").locator(".job-text")).toHaveText(answer.choices[0]!.text, { useInnerText: true });
  await output(page, "logits").getByRole("link", { name: "Show its elements" }).click();
  await expect(page).toHaveURL(/#\/value\/chain\?run=r\d+&name=logits/);
  await expect(page.locator("main")).toContainText("logits");
  await page.goto("/#/runs");
  await page.getByRole("link", { name: /^Open run/ }).click();
  await expect(output(page, "text")).toBeVisible();
});

test("a call's model is entered with its values in the run of the job, as they were kept", async ({ page }) => {
  await openChain(page);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByLabel("text", { exact: true }).fill("Once");
  await dialog(page).getByLabel("max_tokens").fill("12");
  await dialog(page).getByLabel(/^Keep inner values/).check();
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(line(page).getByRole("status")).toHaveText("done");
  const run = /run=(r\d+)/.exec(page.url())![1]!;
  // a node of the job: what it gave last, and each time
  await box(page, "choose, sample").getByRole("button", { name: "choose" }).click();
  const given = panel(page).locator(".inspector-part").filter({ has: page.getByRole("heading", { name: `In run ${run}` }) });
  await expect(given.getByRole("listitem").filter({ hasText: "logprob" })).toContainText(/float64 \[\] -?\d/);
  await look(page, "job-node-in-run");
  await given.getByRole("link", { name: "token" }).click();
  await expect(page).toHaveURL(/#\/value\/chain\?run=r\d+&name=generate/);
  await expect(page.locator("main")).toContainText("12"); // iterations
  await page.goBack();
  // and the model that is called
  await box(page, "next, call").getByRole("link", { name: /decoder/ }).click();
  await expect(page).toHaveURL(new RegExp(`#/graph/chain\\?call=decoder&run=${run}`));
  await expect(page.getByRole("application", { name: "Graph" })).toBeVisible();
  await page.getByRole("combobox", { name: "Find nodes" }).fill("Gather");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  const inspector = page.getByRole("region", { name: "Inspector" });
  await inspector.getByRole("button", { name: "logits" }).click();
  const name = "decoder/step[12]/model/logits"; // twelve tokens, and the score of all
  const { digest } = (await (await page.request.get(`/api/runs/${run}/value`, { params: { name } })).json()) as { digest: { mean: number; max: number } };
  const fact = (label: string) => inspector.locator(".digest dt", { hasText: label }).locator("+ dd");
  await expect(fact("Maximum")).toHaveText(/\d/);
  await expect.poll(async () => Math.abs(Number(await fact("Mean").textContent()) - digest.mean)).toBeLessThanOrEqual(1e-6 * Math.abs(digest.mean));
  await look(page, "job-call");
  await line(page).getByRole("link", { name: "Job", exact: true }).click();
  await expect(output(page, "text")).toBeVisible();
});

test("a call's model shows its values while the run of the job goes on", async ({ page }) => {
  await openChain(page);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByLabel("text", { exact: true }).fill("Once");
  await dialog(page).getByLabel("max_tokens").fill("20000000");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(line(page).getByRole("status")).toHaveText("running");
  await box(page, "next, call").getByRole("link", { name: /decoder/ }).click();
  await page.getByRole("combobox", { name: "Find nodes" }).fill("Gather");
  await page.keyboard.press("Enter");
  const inspector = page.getByRole("region", { name: "Inspector" });
  const after = inspector.locator(".digest dt", { hasText: "Computed" }).locator("+ dd");
  await expect(after).toHaveText(/\d/);
  const first = await after.textContent();
  await expect(after).not.toHaveText(first!); // of a later step
  await look(page, "job-call-live");
  await line(page).getByRole("button", { name: "Cancel run" }).click();
  await expect(line(page).getByRole("status")).toHaveText("cancelled");
});

test("runs a job on a recording, and says why a run cannot begin", async ({ page }) => {
  await page.goto("/#/job/digits");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page).getByRole("alert")).toHaveText("audio is required.");
  await dialog(page).getByLabel("audio").setInputFiles(`${root}assets/digits/sample.flac`);
  await dialog(page).getByLabel("word_timestamps").check();
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(line(page).getByRole("status")).toHaveText("done");
  await expect(output(page, "text")).toContainText(/\w+ \w+/);
  await expect(output(page, "segments").getByRole("row")).not.toHaveCount(1);
  await look(page, "job-transcript");
});

test("a document is edited, checked as it is typed, drawn, and opened as a job of its own", async ({ page }) => {
  await openChain(page);
  await tab(page, "Document").click();
  const area = panel(page).getByRole("textbox", { name: "Document" });
  const open = panel(page).getByRole("button", { name: "Open", exact: true });
  const alert = panel(page).getByRole("alert");
  await expect(open).toBeDisabled();
  const original = await area.inputValue();
  const selected = () => area.evaluate((element) => (element as HTMLTextAreaElement).value.slice((element as HTMLTextAreaElement).selectionStart, (element as HTMLTextAreaElement).selectionEnd));

  await area.fill(original.replace('"op": "detokenize"', '"op": "sing"')); // a fault of the document
  await expect(alert).toContainText("sing");
  const line = original.slice(0, original.indexOf('"op": "detokenize"')).split("\n").length;
  const told = Number(/Line ([\d,]+)/.exec((await alert.textContent()) ?? "")?.[1]?.replace(",", ""));
  expect(Math.abs(told - line)).toBeLessThan(3); // of the node, or of its op
  await alert.click();
  await expect.poll(selected).toContain("sing");
  await expect(page.getByRole("button", { name: "Run", exact: true })).toBeDisabled();
  await expect(box(page, "words, detokenize")).toBeVisible(); // the graph stays as it was
  await look(page, "job-fault");
  await page.setViewportSize({ width: 1280, height: 800 });

  await area.fill(original.replace('"sibyl_job": 1,', '"sibyl_job" 1,')); // no JSON
  await expect(alert).toContainText("Line 2:");
  await alert.click();
  await expect.poll(selected).toContain("sibyl_job");

  await area.fill(original.replace('"name": "words"', '"name": "letters"').replaceAll("$words.", "$letters.").replace(/"default": 128/, '"default": 3'));
  await expect(panel(page).getByText("Without a fault: the graph shows it.")).toBeVisible();
  await expect(box(page, "letters, detokenize")).toBeVisible();
  await look(page, "job-draft");
  await page.setViewportSize({ width: 1280, height: 800 });
  await open.click();
  await expect(page).toHaveURL(/#\/job\/(?!chain\b$)[\w-]+/);
  await expect(page).not.toHaveURL(/#\/job\/chain$/);
  await expect(box(page, "letters, detokenize")).toBeVisible();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByLabel("text", { exact: true }).fill("Once");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("region", { name: "Run", exact: true }).getByRole("status")).toHaveText("done");
  await expect(output(page, "text")).toBeVisible();
});

test("what is edited is undone, and stays while the inspector is shown", async ({ page }) => {
  await page.goto("/#/job/digits?tab=document");
  const area = panel(page).getByRole("textbox", { name: "Document" });
  const original = await area.inputValue();
  await area.fill(original.replace(/"beam_size": \{\s*"type": "number"/, '"beam_size": { "type": "colour"'));
  await expect(panel(page).getByRole("alert")).toContainText("colour");
  await tab(page, "Inspector").click();
  await tab(page, "Document").click();
  await expect(panel(page).getByRole("alert")).toContainText("colour");
  await panel(page).getByRole("button", { name: "Undo all" }).click();
  await expect(area).toHaveValue(original);
  await expect(panel(page).getByRole("alert")).toHaveCount(0);
  await expect(page.getByRole("button", { name: "Run", exact: true })).toBeEnabled();
});

test("says of a graph alone that it has no job", async ({ page, said }) => {
  said.refused = /404/;
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open identity.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/identity/);
  await expect(page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Job" })).toHaveCount(0);
  await page.goto("/#/job/identity");
  await expect(page.getByRole("alert")).toContainText("has no job: it is a graph alone");
});
