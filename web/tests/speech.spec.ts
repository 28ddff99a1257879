import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { checkAccess, command, drop, expect, idle, look, root, settled, test } from "./server";
import type { Page } from "@playwright/test";

const spoken = "four one five two seven one eight two eight";
const sample = readFileSync(`${root}assets/digits/sample.flac`);
const canvas = (page: Page) => page.getByRole("application", { name: "Recording over time" });
const transcript = (page: Page) => page.getByRole("region", { name: "Transcript" });
const words = (page: Page) => transcript(page).locator(".word");
/** What is drawn of the recording once all of it is known. */
const all = (page: Page) => expect(canvas(page)).toHaveAttribute("data-drawn", "wave features words");
const range = async (page: Page) => [Number(await canvas(page).getAttribute("data-from")), Number(await canvas(page).getAttribute("data-to"))] as [number, number];

const position = async (page: Page) => {
  const [minutes = 0, seconds = 0] = (await page.getByLabel("Position").textContent())?.split(" / ")[0]?.split(":").map(Number) ?? [];
  return 60 * minutes + seconds;
};
const picture = (page: Page) => canvas(page).evaluate((element) => (element as HTMLCanvasElement).toDataURL());
const again = (page: Page) => page.getByRole("button", { name: "Transcribe again" });

/** The recording a number of times in a row. */
function repeated(times: number): Buffer {
  const folder = mkdtempSync(`${tmpdir()}/sibyl-`);
  try {
    execFileSync("ffmpeg", ["-v", "error", "-stream_loop", String(times - 1), "-i", `${root}assets/digits/sample.flac`, `${folder}/long.flac`]);
    return readFileSync(`${folder}/long.flac`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const TIMES = 6;
const long = () => repeated(TIMES); // it does not come to its end before a slow machine has looked at it

/** Resolves once a word is the current one, or has been, or one after it; before, nothing need be playing. */
const becomesCurrent = (page: Page, least: number) =>
  transcript(page).evaluate((element, first) => {
    const current = () => [...element.querySelectorAll(".word")].findIndex((word) => word.hasAttribute("aria-current")) >= first;
    return new Promise<void>((resolve) => {
      const watch = new MutationObserver(() => current() && (watch.disconnect(), resolve()));
      watch.observe(element, { subtree: true, attributeFilter: ["aria-current"] });
    });
  }, least);

async function open(page: Page, address = "/#/models", recording = sample): Promise<void> {
  await page.goto(address);
  await drop(page, "sample.flac", recording);
  await expect(again(page)).toBeVisible();
}

test("a recording dropped anywhere is shown and transcribed", async ({ page }) => {
  await open(page);
  await expect(page).toHaveURL(/#\/speech/);
  await expect(words(page)).toHaveText(spoken.split(" "));
  await look(page, "speech");
});

test("the time axis zooms with wheel and keys, moves, and stands in the address", async ({ page }) => {
  await open(page);
  await all(page); // its end is known
  const [from, to] = await range(page);
  expect(from).toBe(0);
  expect(Math.abs(to - 8.16)).toBeLessThan(0.05);
  const box = await canvas(page).boundingBox();
  if (!box) throw new Error("the canvas is not shown");
  await page.mouse.move(box.x + box.width / 4, box.y + 50);
  await page.mouse.wheel(0, -800);
  await expect.poll(async () => (await range(page))[1]).toBeLessThan(6);
  const near = await range(page);
  expect(Math.abs(near[0] + (near[1] - near[0]) / 4 - to / 4)).toBeLessThan(0.02); // what is under the pointer stays
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 4 - 100, box.y + 50);
  await page.mouse.up();
  await expect.poll(async () => (await range(page))[0]).toBeGreaterThan(near[0]);
  const moved = await range(page);
  await expect(page).toHaveURL(new RegExp(`from=${moved[0].toFixed(3)}&to=${moved[1].toFixed(3)}`));
  await look(page, "speech-near");
  await page.setViewportSize({ width: 1280, height: 800 });
  const address = page.url();
  await page.goto("/#/models");
  await page.goto(address);
  await page.reload(); // the recording is gone, and the address says which
  await expect(page.locator("main")).toContainText("sample.flac");
  await look(page, "speech-missing");
  await drop(page, "sample.flac", sample);
  await all(page);
  await canvas(page).focus();
  await page.keyboard.press("0");
  await expect.poll(() => range(page)).toEqual([from, to]);
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  await expect.poll(async () => (await range(page))[1]).toBeCloseTo(to / 4, 1);
  await page.keyboard.press("Shift+ArrowRight");
  await expect.poll(async () => (await range(page))[0]).toBeGreaterThan(0);
});

test("what a file is tells a recording, not its name", async ({ page }) => {
  await page.goto("/#/models");
  await drop(page, "talk.onnx", sample);
  await expect(page).toHaveURL(/#\/speech\?recording=talk.onnx/);
  await expect(again(page)).toBeVisible();
});

test("a click on a word or on the axis plays from there", async ({ page }) => {
  await open(page, "/#/models", long());
  const later = becomesCurrent(page, 5); // as it plays on
  await words(page).nth(4).click(); // seven, at 4 s
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await later;
  expect(await position(page)).toBeGreaterThan(4);
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible();
  await checkAccess(page);
  const box = await canvas(page).boundingBox();
  if (!box) throw new Error("the canvas is not shown");
  await canvas(page).click({ position: { x: box.width * 0.98, y: 40 } });
  await expect.poll(() => position(page)).toBeGreaterThan(0.98 * TIMES * 8);
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible(); // the end
  const third = becomesCurrent(page, 3);
  await transcript(page).getByRole("button", { name: /^Play from 0:03/ }).click();
  await third;
});

test("works by keyboard alone", async ({ page }) => {
  await open(page, "/#/models", long());
  await all(page);
  await canvas(page).focus();
  const [, end] = await range(page);
  for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowRight");
  await expect.poll(() => position(page)).toBeCloseTo((4 * end) / 50, 1);
  await expect(words(page).and(page.locator("[aria-current]"))).toHaveCount(1);
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible();
  await page.keyboard.press("Home");
  await expect.poll(() => position(page)).toBe(0);
  await page.keyboard.press("Tab");
  await expect(transcript(page)).toBeFocused();
  for (let i = 0; i < 6; i++) await page.keyboard.press("Tab"); // the first segment's time, its words, the second's time, a word
  await page.keyboard.press("Enter");
  await expect.poll(() => position(page)).toBeGreaterThan(3.6);
});

test("plain and smoothed features", async ({ page }) => {
  await open(page);
  await all(page);
  const plain = await settled(() => picture(page));
  await page.getByLabel("Features").selectOption("Smoothed 3 × 3");
  await expect(page).toHaveURL(/smooth=same/);
  await expect.poll(() => picture(page)).not.toBe(plain);
  await look(page, "speech-smoothed");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: "light" });
  await page.getByLabel("Features").selectOption("Plain");
  await expect.poll(() => picture(page)).toBe(plain);
});

test("transcripts are saved as the command writes them", async ({ page }) => {
  await open(page);
  const written = (format: string) => execFileSync(command, ["transcribe", `${root}assets/digits/sample.flac`, "--model", "digits", "--quiet", "--word-timestamps", "--format", format]).toString();
  for (const format of ["txt", "srt", "vtt", "json"]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: `Save as ${format}` }).click()]);
    expect(download.suggestedFilename()).toBe(`sample.${format}`);
    const saved = readFileSync(await download.path(), "utf8");
    if (format !== "json") expect(saved).toBe(written(format));
    else expect((JSON.parse(saved) as { segments: unknown }).segments).toEqual((JSON.parse(written(format)) as { segments: unknown }).segments);
  }
});

test("options reach the server and stand in the address", async ({ page, said }) => {
  said.refused = /400/;
  await open(page);
  await page.getByLabel("Language").fill("klingon");
  await page.getByLabel("Beams").fill("many");
  await again(page).click();
  await expect(page.getByText("Beams must be an integer.")).toBeVisible();
  await page.getByLabel("Beams").fill("1");
  await again(page).click();
  await expect(transcript(page).getByRole("alert")).toContainText("klingon");
  await look(page, "speech-refused");
  await page.getByLabel("Language").fill("english");
  await page.getByLabel("Translate to English").check();
  const [sent] = await Promise.all([page.waitForRequest(/audio/), again(page).click()]);
  expect(sent.url()).toContain("/v1/audio/translations");
  await expect(words(page).first()).toBeVisible();
  for (const member of ["language=english", "translate=true", "beam_size=1"]) await expect(page).toHaveURL(new RegExp(member));
  await page.reload();
  await drop(page, "sample.flac", sample);
  await expect(page.getByLabel("Language")).toHaveValue("english");
  await expect(page.getByLabel("Translate to English")).toBeChecked();
});

test("a recording is uploaded once, and again where the server has forgotten it", async ({ page, said }) => {
  said.refused = /404/;
  const sent: string[] = [];
  page.on("request", (request) => request.method() === "POST" && sent.push(new URL(request.url()).pathname));
  const smoothed = page.waitForResponse("**/api/features");
  await open(page, "/#/speech?smooth=same");
  await (await smoothed).finished();
  const uploads = () => sent.filter((path) => path === "/api/recordings").length;
  expect(sent).toContain("/v1/audio/transcriptions");
  expect(uploads()).toBe(1);
  const { recordings } = (await (await page.request.get("/api/recordings")).json()) as { recordings: { id: string }[] };
  for (const { id } of recordings) expect((await page.request.delete(`/api/recordings/${id}`)).status()).toBe(204);
  await again(page).click();
  await expect.poll(uploads).toBe(2);
  await expect(again(page)).toBeVisible();
  await expect(words(page)).toHaveText(spoken.split(" "));
});

test("what is no recording says so", async ({ page, said }) => {
  said.refused = /400/;
  await page.goto("/#/models");
  await drop(page, "noise.wav", Buffer.from("nothing that anybody could hear"));
  await expect(again(page)).toBeEnabled();
  await expect(page.getByRole("alert")).toHaveText(/noise.wav/); // one, though nobody can read it
  await look(page, "speech-broken");
});

test("ten minutes at once, text as it comes, and cancelling", async ({ page }) => {
  await page.goto("/#/speech");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("main").getByRole("button", { name: "Choose recording…" }).click()]);
  await chooser.setFiles({ name: "long.flac", mimeType: "audio/flac", buffer: repeated(74) });
  await Promise.all([expect(words(page).first()).toBeVisible(), expect(page.getByRole("progressbar", { name: "Progress of the transcription" })).toBeVisible()]);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(transcript(page)).toContainText("Cancelled.");
  await idle(page);
  await expect(again(page)).toBeEnabled();
  await expect.poll(async () => (await range(page))[1]).toBeGreaterThan(600);
  await look(page, "speech-long");
});

test("without a model there is still the sound", async ({ page, serve }) => {
  const url = await serve();
  await page.goto(`${url}/#/speech`);
  await look(page, "speech-empty");
  await drop(page, "sample.flac", sample);
  await expect(canvas(page)).toBeVisible();
  await expect(page.locator("main")).toContainText("No model that transcribes is open.");
  await look(page, "speech-no-model");
});

test("an open model that finds speech marks where somebody speaks", async ({ page }) => {
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open loud.onnx" }).click();
  await expect(page).toHaveURL(/#\/graph\/loud/);
  await drop(page, "sample.flac", sample);
  await expect(again(page)).toBeVisible();
  const form = { file: { name: "sample.flac", mimeType: "audio/flac", buffer: sample } };
  const { spans } = (await (await page.request.post("/api/spans", { multipart: form })).json()) as { spans: { start: number; end: number }[] };
  expect(spans.length).toBeGreaterThan(2);
  const time = spans.reduce((sum, { start, end }) => sum + end - start, 0).toPrecision(3);
  await expect(page.locator("main")).toContainText(`Somebody speaks in ${spans.length} stretches, ${time} s together.`);
  await look(page, "speech-spans");
});
