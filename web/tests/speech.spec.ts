import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { checkAccess, command, drop, expect, look, root, start, test } from "./server";
import type { Page } from "@playwright/test";

const spoken = "four one five two seven one eight two eight";
const sample = readFileSync(`${root}assets/digits/sample.flac`);
const canvas = (page: Page) => page.getByRole("application", { name: "Recording over time" });
const transcript = (page: Page) => page.getByRole("region", { name: "Transcript" });
const words = (page: Page) => transcript(page).locator(".word");
const range = async (page: Page) => [Number(await canvas(page).getAttribute("data-from")), Number(await canvas(page).getAttribute("data-to"))] as [number, number];

const position = async (page: Page) => {
  const [minutes = 0, seconds = 0] = (await page.getByLabel("Position").textContent())?.split(" / ")[0]?.split(":").map(Number) ?? [];
  return 60 * minutes + seconds;
};
const picture = (page: Page) => canvas(page).evaluate((element) => (element as HTMLCanvasElement).toDataURL());
const again = (page: Page) => page.getByRole("button", { name: "Transcribe again" });

/** The recording a number of times in a row. */
function repeated(folder: string, times: number): string {
  execFileSync("ffmpeg", ["-v", "error", "-stream_loop", String(times - 1), "-i", `${root}assets/digits/sample.flac`, `${folder}/long.flac`]);
  return `${folder}/long.flac`;
}

async function open(page: Page, address = "/#/models"): Promise<void> {
  await page.goto(address);
  await drop(page, "sample.flac", sample);
  await expect(again(page)).toBeVisible();
}

test("a recording dropped anywhere is shown and transcribed", async ({ page }) => {
  await open(page);
  await expect(page).toHaveURL(/#\/speech/);
  expect(await words(page).allTextContents()).toEqual(spoken.split(" "));
  await look(page, "speech");
});

test("the time axis zooms with wheel and keys, moves, and stands in the address", async ({ page }) => {
  await open(page);
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
  await open(page);
  await words(page).nth(4).click(); // seven, at 4 s
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await expect(words(page).nth(5)).toHaveAttribute("aria-current", "true"); // as it plays on
  expect(await position(page)).toBeGreaterThan(4);
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible();
  await checkAccess(page);
  const box = await canvas(page).boundingBox();
  if (!box) throw new Error("the canvas is not shown");
  await canvas(page).click({ position: { x: box.width * 0.9, y: 40 } });
  await expect.poll(() => position(page)).toBeGreaterThan(7.3);
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible(); // the end
  await transcript(page).getByRole("button", { name: /^Play from 0:03/ }).click();
  await expect(words(page).nth(3)).toHaveAttribute("aria-current", "true");
});

test("works by keyboard alone", async ({ page }) => {
  await open(page);
  await canvas(page).focus();
  for (let i = 0; i < 27; i++) await page.keyboard.press("ArrowRight");
  await expect.poll(() => position(page)).toBeCloseTo((27 * 8.16) / 50, 1);
  await expect(words(page).nth(4)).toHaveAttribute("aria-current", "true");
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible();
  await page.keyboard.press("Home");
  expect(await position(page)).toBe(0);
  await page.keyboard.press("Tab");
  await expect(transcript(page)).toBeFocused();
  for (let i = 0; i < 6; i++) await page.keyboard.press("Tab"); // the first segment's time, its words, the second's time, a word
  await page.keyboard.press("Enter");
  await expect.poll(() => position(page)).toBeGreaterThan(3.6);
});

test("plain and smoothed features", async ({ page }) => {
  await open(page);
  const plain = await picture(page);
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
  await open(page);
  await page.getByLabel("Language").fill("klingon");
  await page.getByLabel("Beams").fill("many");
  await again(page).click();
  await expect(page.getByText("Beams must be an integer.")).toBeVisible();
  await page.getByLabel("Beams").fill("1");
  await again(page).click();
  await expect(transcript(page).getByRole("alert")).toContainText("klingon");
  await look(page, "speech-refused");
  expect(said.splice(0).filter((line) => !line.includes("400"))).toEqual([]); // the browser itself reports the refusal
  await page.getByLabel("Language").fill("english");
  await page.getByLabel("Translate to English").check();
  const [sent] = await Promise.all([page.waitForRequest(/audio/), again(page).click()]);
  expect(sent.url()).toContain("/v1/audio/translations");
  await expect(words(page).first()).toBeVisible();
  for (const member of ["language=english", "translate=true", "beam_size=1"]) expect(page.url()).toContain(member);
  await page.reload();
  await drop(page, "sample.flac", sample);
  await expect(page.getByLabel("Language")).toHaveValue("english");
  await expect(page.getByLabel("Translate to English")).toBeChecked();
});

test("a recording is uploaded once, and again where the server has forgotten it", async ({ page, said }) => {
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
  expect(await words(page).allTextContents()).toEqual(spoken.split(" "));
  expect(said.splice(0).filter((line) => !line.includes("404"))).toEqual([]);
});

test("what is no recording says so", async ({ page, said }) => {
  await page.goto("/#/models");
  await drop(page, "noise.wav", Buffer.from("nothing that anybody could hear"));
  await expect(again(page)).toBeEnabled();
  await expect(page.getByRole("alert")).toHaveText(/noise.wav/); // one, though nobody can read it
  await look(page, "speech-broken");
  expect(said.splice(0).filter((line) => !line.includes("400"))).toEqual([]);
});

test("ten minutes at once, text as it comes, and cancelling", async ({ page }) => {
  const folder = mkdtempSync(`${tmpdir()}/sibyl-`);
  try {
    await page.goto("/#/speech");
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("main").getByRole("button", { name: "Choose recording…" }).click()]);
    await chooser.setFiles(repeated(folder, 74));
    // at once: ten minutes are transcribed in few seconds
    await Promise.all([expect(words(page).first()).toBeVisible(), expect(page.getByRole("progressbar", { name: "Progress of the transcription" })).toBeVisible()]);
    await page.getByRole("button", { name: "Cancel" }).click();
    await expect(transcript(page)).toContainText("Cancelled.");
    await expect.poll(async () => /^sibyl_queue_running\S* 0$/m.test(await (await page.request.get("/metrics")).text())).toBe(true);
    await expect(again(page)).toBeEnabled();
    await expect.poll(async () => (await range(page))[1]).toBeGreaterThan(600);
    await look(page, "speech-long");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without a model there is still the sound", async ({ page }) => {
  const { process, url } = await start([]);
  await page.goto(`${url}/#/speech`);
  await look(page, "speech-empty");
  await drop(page, "sample.flac", sample);
  await expect(canvas(page)).toBeVisible();
  await expect(page.locator("main")).toContainText("No model that transcribes is open.");
  await look(page, "speech-no-model");
  process.kill("SIGTERM");
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
