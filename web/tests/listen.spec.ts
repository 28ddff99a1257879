// Speech that is transcribed while it is spoken: the browser's microphone is a file.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { checkAccess, expect, look, root, test } from "./server";
import type { Page, WebSocketRoute } from "@playwright/test";

const spoken = "four one five two seven one eight two eight";
const folder = `${root}build/web-sound`;
mkdirSync(folder, { recursive: true });
execFileSync("ffmpeg", ["-v", "error", "-y", "-i", `${root}assets/digits/sample.flac`, "-c:a", "pcm_s16le", `${folder}/speech.wav`]);
test.use({
  permissions: ["microphone"],
  launchOptions: {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", // the headless shell hears nothing
    args: ["--no-sandbox", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${folder}/speech.wav%noloop`],
  },
});

const transcript = (page: Page) => page.getByRole("region", { name: "Transcript" });
const words = (page: Page) => transcript(page).locator(".word");
const record = (page: Page) => page.getByRole("button", { name: "Record", exact: true });
const stop = (page: Page) => page.getByRole("button", { name: /^Stop/ });
/** The button, once as many seconds have been recorded. */
const recorded = (least: number) => new RegExp(`^Stop (?!0:0[0-${least - 1}]$)`);
const seconds = async (page: Page) => Number(await page.getByRole("application", { name: "Recording over time" }).getAttribute("data-to"));

/** Has the microphone say the recording, and silence then, however busy the machine is: samples of a real one that come late are lost. */
async function speak(page: Page): Promise<void> {
  await page.addInitScript((wav) => {
    AudioContext.prototype.createMediaStreamSource = function () {
      const source = this.createBufferSource();
      void this.decodeAudioData(Uint8Array.from(atob(wav), (letter) => letter.charCodeAt(0)).buffer).then((speech) => {
        source.buffer = this.createBuffer(1, speech.length + 120 * speech.sampleRate, speech.sampleRate);
        source.buffer.copyToChannel(speech.getChannelData(0), 0);
        source.start();
      });
      return source as unknown as MediaStreamAudioSourceNode;
    };
  }, readFileSync(`${folder}/speech.wav`).toString("base64"));
}

interface Message {
  op: string;
  id: number;
  [key: string]: unknown;
}

/** Has all that the server says pass through `pass`, which sends on what it likes. */
async function between(page: Page, pass: (message: Message, page: WebSocketRoute) => void): Promise<void> {
  await page.routeWebSocket(/\/api\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => server.send(message));
    server.onMessage((message) => pass(JSON.parse(message as string) as Message, socket));
  });
}

test("what is said is transcribed while it is spoken, and is a recording then", async ({ page }) => {
  await speak(page);
  await page.goto("/#/speech");
  await record(page).click();
  await expect(words(page)).toHaveText(spoken.split(" ")); // without a stop: the pauses end segments
  await expect(page.getByRole("main").getByRole("status")).toHaveText("What is said is transcribed by digits.");
  await checkAccess(page);
  await stop(page).click();
  await expect(page).toHaveURL(/recording=microphone.wav/);
  await expect(words(page)).toHaveText(spoken.split(" "));
  await expect.poll(() => seconds(page)).toBeGreaterThan(7);
  await expect(page.getByRole("button", { name: "Transcribe again" })).toBeEnabled();
  await expect(page.getByRole("button", { name: "Save as srt" })).toBeEnabled();
  await words(page).nth(4).click();
  await expect(words(page).nth(4)).toHaveAttribute("aria-current", "true"); // its time is that of the recording
});

test("what may still change is muted, what was said twice is not, and final text stays", async ({ page }) => {
  await speak(page);
  const held: (() => void)[] = [];
  let [hold, sent] = [true, 0];
  await between(page, (message, socket) => {
    const send = () => socket.send(JSON.stringify(message));
    if (message.op === "final" && hold) {
      held.push(send);
      socket.send(JSON.stringify({ ...message, op: "partial", text: "four one nine", stable: "four one", segments: undefined }));
    } else if (message.op !== "partial" || sent++ === 0) send(); // one of the server's own, then ours alone
  });
  await page.goto("/#/speech");
  await record(page).click();
  await expect(transcript(page).locator(".partial")).toHaveText("four one nine");
  await expect(transcript(page).locator(".partial .muted")).toHaveText(" nine");
  await expect(words(page)).toHaveCount(0);
  await look(page, "speech-live-partial");
  hold = false;
  const first = held.splice(0);
  for (const send of first) send();
  await expect(words(page).first()).toHaveText("four");
  const before = await words(page).allTextContents();
  await stop(page).click();
  await expect(page).toHaveURL(/recording=microphone.wav/);
  await expect.poll(async () => (await words(page).allTextContents()).slice(0, before.length)).toEqual(before);
});

test("samples wait until the server listens, and none is lost", async ({ page }) => {
  await speak(page);
  let say: (() => void) | null = null;
  let bytes = 0;
  await page.routeWebSocket(/\/api\/ws/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      if (typeof message !== "string") bytes += message.length;
      server.send(message);
    });
    server.onMessage((message) => {
      if (String(message).includes('"listening"')) say = () => socket.send(message);
      else socket.send(message);
    });
  });
  await page.goto("/#/speech");
  await record(page).click();
  await expect(page.getByRole("button", { name: recorded(2) })).toBeVisible();
  await expect.poll(() => say).not.toBeNull();
  expect(bytes).toBe(0);
  say!();
  await expect(words(page)).toHaveText(spoken.split(" "));
  await stop(page).click();
  await expect.poll(() => seconds(page)).toBeGreaterThan(7);
  await expect.poll(async () => Math.abs(bytes / 4 / 16_000 - (await seconds(page)))).toBeLessThan(0.05); // frames of features end within a hop
});

test("where the server fails, the recording is still there and is transcribed then", async ({ page }) => {
  await speak(page);
  await between(page, (message, socket) => socket.send(JSON.stringify(message.op === "listening" ? { op: "error", id: message.id, message: "the server listens to 128 streams already" } : message)));
  await page.goto("/#/speech");
  await record(page).click();
  await expect(page.getByRole("alert")).toContainText("the server listens to 128 streams already");
  await look(page, "speech-live-fault");
  await expect(page.getByRole("button", { name: recorded(4) })).toBeVisible();
  await stop(page).click();
  await expect(words(page).first()).toHaveText("four");
});

test("without a model it is recorded only; leaving the view ends it", async ({ page, serve }) => {
  const url = await serve();
  await page.context().grantPermissions(["microphone"], { origin: url });
  await page.goto(`${url}/#/speech`);
  await record(page).click();
  await expect(page.getByRole("button", { name: recorded(2) })).toBeVisible();
  await expect(page.getByRole("main").getByRole("status")).toContainText("recorded only");
  await page.getByRole("link", { name: "Models" }).click();
  await expect(page).toHaveURL(/#\/models/);
  await page.getByRole("link", { name: "Speech" }).click();
  await expect.poll(() => seconds(page)).toBeGreaterThan(1.4); // 0:02 is a rounded time
});

test("what the microphone hears is a recording", async ({ page, context, server }) => {
  await context.clearPermissions();
  await page.goto("/#/speech");
  await page.locator("main").getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("The microphone cannot be heard"); // nobody has allowed it
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await context.grantPermissions(["microphone"], { origin: server });
  await page.getByRole("button", { name: "Record", exact: true }).click();
  await page.getByRole("button", { name: recorded(2) }).click();
  await expect(page.getByRole("button", { name: "Transcribe again" })).toBeVisible();
  await expect(page).toHaveURL(/recording=microphone.wav/);
  await expect.poll(() => seconds(page)).toBeGreaterThan(1);
  await page.getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.getByRole("button", { name: /^Stop/ })).toBeVisible();
  await look(page, "speech-record");
});
