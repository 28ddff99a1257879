import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { drop, expect, look, models, opened as open, root, test } from "./server";

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

test("imports a checkpoint of another program", async ({ page }) => {
  const names = ["digits.pt", "digits.tiktoken"];
  for (const name of names) copyFileSync(`${root}assets/digits/${name}`, `${models}/${name}`);
  try {
    await page.goto("/#/models");
    await page.getByRole("button", { name: "Open model…" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Loader").selectOption("Checkpoint on the server");
    await dialog.getByRole("button", { name: "Open", exact: true }).click();
    await expect(dialog).toContainText("File or folder is required.");
    await dialog.getByLabel(/^File or folder/).fill("digits.pt");
    await dialog.getByLabel(/^Tokenizer/).fill("digits.tiktoken");
    await dialog.getByLabel(/^Type of weights/).selectOption("float16");
    await look(page, "open-checkpoint");
    await dialog.getByRole("button", { name: "Open", exact: true }).click();
    await expect(page).toHaveURL(/#\/graph\/digits-2/);
  } finally {
    for (const name of names) rmSync(`${models}/${name}`);
  }
});

/** Holds back what the server says from the end of an import on, also on the socket, until the returned function is called. */
async function holdImports(page: Page): Promise<() => void> {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.routeWebSocket("/api/ws", (socket) => {
    const server = socket.connectToServer();
    let converting = false;
    server.onMessage((message) => {
      converting ||= typeof message === "string" && message.includes('"converting"');
      if (converting && !String(message).includes('"converting"')) void released.then(() => socket.send(message));
      else socket.send(message);
    });
  });
  await page.route("/api/models", async (route) => {
    const answer = route.request().method() === "POST" ? route.fetch() : null;
    if (!answer) return route.continue();
    const response = await answer;
    await released;
    await route.fulfill({ response });
  });
  return release;
}

async function importZeros(page: Page, folder: "zeros" | "many_zeros"): Promise<void> {
  await page.reload();
  await expect(page.getByTitle("Connected")).toBeAttached(); // what is opened from now on is told
  await page.getByRole("button", { name: "Open model…" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Loader").selectOption("Checkpoint on the server");
  await dialog.getByLabel(/^File or folder/).fill(folder);
  await dialog.getByLabel(/^Tokenizer/).fill(`${folder}/tokens.tiktoken`);
  await dialog.getByLabel(/^Type of weights/).selectOption("int8");
  await dialog.getByRole("button", { name: "Open", exact: true }).click();
}

test("tells how far the import of a checkpoint is", async ({ page }) => {
  const release = await holdImports(page);
  await importZeros(page, "zeros");
  const dialog = page.getByRole("dialog");
  const rows = dialog.getByRole("list", { name: "Models that are being opened" });
  await expect(rows).toContainText(/Opening zeros.*Converting weights \d+ %.*\.weight/);
  const bar = rows.getByRole("progressbar", { name: "Opening zeros" });
  await expect(bar).toHaveAttribute("aria-valuenow", /^\d+$/);
  await look(page, "opening");
  await dialog.getByRole("button", { name: "Close" }).click(); // it goes on, and is told beside the models
  await expect(page.getByRole("list", { name: "Models that are being opened" })).toContainText("Converting weights");
  await look(page, "opening-beside");
  const told = expect(page.getByRole("status").filter({ hasText: "zeros is open." })).toBeVisible(); // for a while
  release();
  await told;
  await expect(page.getByRole("list", { name: "Models that are being opened" })).toHaveCount(0);
  await expect(page.locator(opened).getByRole("row", { name: /zeros/ })).toContainText("text-generation");
  await expect(page).not.toHaveURL(/zeros/);
});

test("a model that is open once somebody looks at something else takes nobody away from it", async ({ page }) => {
  const release = await holdImports(page);
  await page.getByRole("button", { name: "Open identity.onnx" }).click();
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Speech" }).click();
  await expect(page.getByRole("main").getByRole("button", { name: "Record", exact: true })).toBeVisible();
  const told = expect(page.getByRole("status").filter({ hasText: "identity is open." })).toBeVisible(); // for a while
  release();
  await told;
  await expect(page).toHaveURL(/#\/speech/);
});

test("cancels the import of a checkpoint", async ({ page, request }) => {
  await importZeros(page, "many_zeros"); // for longer than it takes to cancel it
  await expect(page.getByRole("dialog").getByRole("progressbar")).toBeVisible();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByRole("list", { name: "Models that are being opened" })).toHaveCount(0);
  const { models } = (await (await request.get("/api/models")).json()) as { models: { id: string }[] };
  expect(models.map(({ id }) => id)).toEqual(["digits"]);
});

test("shows what a model is", async ({ page }) => {
  await page.goto("/#/models/digits");
  await expect(page.getByRole("heading", { name: "digits", exact: true })).toBeVisible();
  await expect(page.locator("main")).toContainText("audio");
  await look(page, "model");
});

test("says why a file cannot be opened", async ({ page, said }) => {
  said.refused = /400/;
  await drop(page, "broken.onnx", Buffer.from("no model"));
  await expect(page.getByRole("alert")).toContainText("broken.onnx");
  await look(page, "broken");
  await drop(page, "letter.txt", Buffer.from("text"));
  await expect(page.getByRole("alert").last()).toContainText("letter.txt");
});

test("says that an address names a model that is not open", async ({ page }) => {
  await page.goto("/#/graph/nothing");
  await expect(page.locator("main")).toContainText("nothing");
  await look(page, "missing");
});

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

test("finds a model by the hash of its file", async ({ page }) => {
  await open(page, "identity.onnx");
  const hash = sha256(readFileSync(`${models}/identity.onnx`));
  await page.goto("/#/models/identity");
  await page.reload(); // the list of models is of before
  await expect(page.locator("main")).toContainText(hash);
  await page.getByRole("link", { name: "Link by hash" }).click();
  await expect(page).toHaveURL(new RegExp(`#/models/${hash}$`));
  await expect(page.getByRole("heading", { name: "identity", exact: true })).toBeVisible();
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Graph" }).click();
  await expect(page).toHaveURL(new RegExp(`#/graph/${hash}$`));
  await expect(page.getByRole("application", { name: "Graph" })).toBeVisible();
  await page.getByRole("combobox", { name: "Find nodes" }).fill("only");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText("What comes in goes out.");
});

test("has a large file read for its hash when it is wanted", async ({ page }) => {
  const size = 17 << 20;
  const text = Buffer.from([0x32, 0x80 | (size & 127), 0x80 | ((size >> 7) & 127), 0x80 | ((size >> 14) & 127), size >> 21]); // of a model's doc_string
  const data = Buffer.concat([readFileSync(`${models}/identity.onnx`), text, Buffer.alloc(size, "a")]);
  writeFileSync(`${models}/large.onnx`, data);
  try {
    await open(page, "large.onnx");
    await page.goto("/#/models/large");
    await page.reload();
    await page.getByRole("button", { name: "Read the file" }).click();
    await expect(page.locator("main")).toContainText(sha256(data));
    await expect(page.getByRole("link", { name: "Link by hash" })).toHaveAttribute("href", `#/models/${sha256(data)}`);
  } finally {
    rmSync(`${models}/large.onnx`);
  }
});

test("says that an address was made for another file", async ({ page }) => {
  const notice = page.getByText("This address was made for another file than the one that is open here as identity.");
  await open(page, "identity.onnx");
  await page.goto(`/#/graph/identity?hash=${sha256(readFileSync(`${models}/branch.onnx`))}`);
  await page.reload();
  await expect(notice).toBeVisible();
  await expect(page.getByRole("application", { name: "Graph" })).toBeVisible();
  await look(page, "other-file");
  await page.goto(`/#/graph/identity?hash=${sha256(readFileSync(`${models}/identity.onnx`))}`);
  await expect(notice).toHaveCount(0);
});

test("works by keyboard alone", async ({ page }) => {
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
  const tabTo = async (text: RegExp) => {
    await expect(page.getByRole("button", { name: text, includeHidden: true }).first()).toBeAttached();
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
  await expect.poll(focused).toBe("Open model…");
  await tabTo(/^Open identity\.onnx$/);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#\/graph\/identity/);
  await expect(page.getByRole("application", { name: "Graph" })).toBeVisible();
  await tabTo(/^Close identity$/);
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toContainText("not open");
});
