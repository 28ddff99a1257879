import { checkFits, expect, look, send, test } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });
const line = (page: Page) => page.getByRole("region", { name: "Run", exact: true });
const fact = (page: Page, name: string) => inspector(page).locator(".digest dt", { hasText: name }).locator("+ dd");

interface Answer {
  shape: number[];
  dtype: string;
  digest: { min: number; max: number; mean: number; std: number; zero: number; nan: number };
}

async function open(page: Page, file: string): Promise<void> {
  await page.goto("/#/models");
  await page.getByRole("button", { name: `Open ${file}` }).click();
  await expect(canvas(page)).toBeVisible();
}

async function start(page: Page, sizes: Record<string, string> = {}): Promise<string> {
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog");
  for (const [name, size] of Object.entries(sizes)) await dialog.getByLabel(`Size of ${name}`).fill(size);
  return send(page);
}

/** What the inspector shows is what the server has kept of the run. */
async function sameNumbers(page: Page, run: string, name: string): Promise<void> {
  const { shape, dtype, digest } = (await (await page.request.get(`/api/runs/${run}/value`, { params: { name } })).json()) as Answer;
  await expect(fact(page, "Type")).toHaveText(`${dtype} [${shape.join(", ")}]`);
  for (const [label, value] of [["Minimum", digest.min], ["Maximum", digest.max], ["Mean", digest.mean], ["Standard deviation", digest.std]] as const)
    await expect.poll(async () => Math.abs(Number(await fact(page, label).textContent()) - value), label).toBeLessThanOrEqual(1e-6 * Math.abs(value));
  await expect(fact(page, "Zeros")).toHaveText(digest.zero.toLocaleString("en"));
}

test("runs a graph with random inputs, and shows the numbers of what is selected", async ({ page }) => {
  await page.goto("/#/graph/digits?node=6");
  await expect(canvas(page)).toBeVisible();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(page.getByRole("dialog").getByLabel("Size of B")).toHaveValue("1");
  await look(page, "run-form");
  await page.keyboard.press("Escape");
  const run = await start(page);
  await expect(line(page).getByRole("status")).toHaveText("done");
  const node = (await (await page.request.get("/api/models/digits/graphs/0/nodes/6")).json()) as { outputs: { name: string }[] };
  await sameNumbers(page, run, node.outputs[0]?.name ?? "");
  await look(page, "run");
  await page.setViewportSize({ width: 1280, height: 800 });
  await canvas(page).focus();
  await page.keyboard.press("Escape");
  await inspector(page).getByRole("button", { name: "mel" }).click();
  await sameNumbers(page, run, "mel");
  await expect(inspector(page).getByRole("img", { name: /32 × 32 cells/ })).toBeVisible();
  await page.reload();
  await sameNumbers(page, run, "mel");
});

test("marks what is not finite", async ({ page }) => {
  await open(page, "logs.onnx");
  await page.goto("/#/graph/logs?node=0");
  const run = await start(page, { N: "12", K: "40" });
  await expect(line(page).getByRole("status")).toHaveText("done");
  const { digest } = (await (await page.request.get(`/api/runs/${run}/value?name=y`)).json()) as Answer;
  expect(digest.nan).toBeGreaterThan(100); // logarithms of numbers below 0
  await expect(fact(page, "NaN")).toHaveText(String(digest.nan));
  await expect(inspector(page)).toContainText("A cross: elements that are not finite.");
  await look(page, "run-not-finite");
});

test("runs the decoder of a job by keyboard alone", async ({ page }) => {
  await page.goto("/#/graph/digits?call=decoder");
  await canvas(page).focus();
  await page.keyboard.press("r");
  await expect(page.getByRole("dialog").getByLabel("Size of N")).toHaveValue("8");
  await page.getByRole("dialog").getByRole("textbox", { name: "Seed", exact: true }).focus();
  await page.keyboard.press("Enter");
  await expect(line(page).getByRole("status")).toHaveText("done");
  await look(page, "run-decoder");
});

test("says why a run fails, and why one cannot begin", async ({ page, said }) => {
  said.refused = /400/;
  await open(page, "reshape.onnx");
  await start(page);
  await expect(line(page).getByRole("status")).toHaveText("failed");
  await expect(line(page).getByRole("alert")).toContainText("Reshape");
  await look(page, "run-failed");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Size of N").fill("-1");
  await dialog.getByRole("button", { name: "Start" }).click();
  await expect(dialog.getByRole("alert")).toContainText("the size of the dim 'N' must be an integer from 0");
  await dialog.getByLabel("Size of N").fill("6");
  await dialog.getByRole("button", { name: "Start" }).click();
  await expect(line(page).getByRole("status")).toHaveText("done");
});

test("follows a loop turn by turn, also over a new connection, and cancels it", async ({ page }) => {
  await page.addInitScript(() => {
    const all: WebSocket[] = [];
    Object.assign(window, { sockets: all });
    window.WebSocket = class extends WebSocket {
      constructor(url: string | URL) {
        super(url);
        all.push(this);
      }
    };
  });
  const inSocket = (act: (socket: WebSocket) => void) => page.evaluate(`(${String(act)})(window.sockets.at(-1))`);
  await open(page, "turns.onnx");
  await page.goto("/#/graph/turns?g=1&node=0");
  await expect(inspector(page).getByRole("heading", { name: "Add" })).toBeVisible();
  await start(page);
  await expect(line(page).getByRole("status")).toHaveText("running");
  const mean = async () => Number(await fact(page, "Mean").textContent());
  const grows = async () => {
    await expect(fact(page, "Mean")).toBeVisible();
    const before = await mean();
    await expect.poll(mean).toBeGreaterThan(before + 1);
  };
  await grows();
  await expect(line(page)).toContainText(/Loop|Add|Identity/); // the node that runs
  await checkFits(page);
  await inSocket((socket) => socket.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ op: "lost", count: 1e6 }) })));
  await expect(line(page)).toContainText(/1\.\d+ M live messages lost/);
  await inSocket((socket) => socket.close());
  await expect.poll(() => page.evaluate("window.sockets.length")).toBe(2);
  await grows();
  const before = await mean();
  await line(page).getByRole("button", { name: "Cancel run" }).click();
  await expect(line(page).getByRole("status")).toHaveText("cancelled");
  await expect(line(page).getByRole("button")).toHaveCount(0);
  await look(page, "run-cancelled");
  await expect.poll(mean).toBeGreaterThanOrEqual(before); // what the run kept is older
});

test("weights show their numbers without a run", async ({ page }) => {
  const { values } = (await (await page.request.get("/api/models/digits/graphs/0/values")).json()) as { values: { i: number; name: string; role: string }[] };
  const weight = values.find((value) => value.role === "initializer" && value.name.endsWith("weight"));
  await page.goto(`/#/graph/digits?value=${weight?.i}`);
  const digest = (await (await page.request.get(`/api/models/digits/graphs/0/values/${weight?.i}/digest`)).json()) as Answer["digest"];
  await expect(fact(page, "Minimum")).toHaveText(String(Number(digest.min.toPrecision(7))));
  await look(page, "weight");
});
