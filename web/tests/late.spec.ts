// What comes late: the page's own tasks, what the server answers, what it says on the socket.
import { readFileSync } from "node:fs";
import { drop, expect, finished, models, opened, test } from "./server";
import { lateTasks } from "./slow";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph", exact: true });
const timeline = (page: Page) => page.getByRole("application", { name: "Timeline" });
const line = (page: Page) => page.getByRole("region", { name: "Run", exact: true });
const encoder = { model: "digits", call: "encoder", dims: { B: 1 } };

/** Holds back what the server says on the socket, from a message with this text on, until the returned function is called. */
async function holdSocket(page: Page, from = ""): Promise<() => void> {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.routeWebSocket("/api/ws", (socket) => {
    const server = socket.connectToServer();
    let holds = false;
    server.onMessage((message) => {
      holds ||= String(message).includes(from);
      if (holds) void released.then(() => socket.send(message));
      else socket.send(message);
    });
  });
  return release;
}

test("what is seen takes files, keys and clicks at once", async ({ page }) => {
  const run = await finished(page, { ...encoder, profile: true });
  await page.addInitScript(lateTasks, [300, 300] as [number, number]);
  await page.goto("/#/models");
  await drop(page, "dropped.onnx", readFileSync(`${models}/identity.onnx`));
  await expect(page).toHaveURL(/#\/graph\/dropped/);
  await page.goto("/#/graph/digits");
  await canvas(page).click({ position: { x: 300, y: 300 } });
  await page.keyboard.press("ArrowDown");
  await expect(page).toHaveURL(/(node|value)=\d/);
  await page.reload();
  await expect(canvas(page)).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("combobox", { name: "Find nodes" })).toBeFocused();
  await page.goto("/#/diff/digits?with=dropped");
  await expect(page.getByRole("application", { name: "Graph of digits" })).toBeVisible();
  await page.keyboard.press("n");
  await expect(page).toHaveURL(/node=\d/);
  await page.goto(`/#/profile/digits?run=${run}`);
  await timeline(page).focus();
  await page.keyboard.press("ArrowDown");
  await expect(page).toHaveURL(/span=0/);
});

test("what is shown of runs stays while the server tells of them", async ({ page }) => {
  const run = await finished(page, { ...encoder, profile: true });
  const release = await holdSocket(page);
  await page.goto(`/#/profile/digits?run=${run}`);
  await timeline(page).focus();
  release();
  await finished(page, { ...encoder, profile: true });
  await expect(page.getByRole("main").getByRole("combobox").getByRole("option")).toHaveCount(2);
  await expect(timeline(page)).toBeFocused();
});

test("what is shown of a run's value stays when the run is known", async ({ page }) => {
  const run = await finished(page, encoder);
  const { values } = (await (await page.request.get("/api/models/digits/graphs/0/values?call=encoder")).json()) as { values: { i: number; name: string }[] };
  const release = await holdSocket(page);
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&value=${values.find(({ name }) => name === "mel")!.i}&panel=value&as=cells`);
  await page.getByRole("application", { name: /^Heat map/ }).focus();
  await page.keyboard.press("ArrowDown");
  await expect(page.locator(".raster-said")).toContainText("[0, 0, 0] =");
  release();
  await expect(line(page).getByRole("status")).toHaveText("done");
  await expect(page.locator(".raster-said")).toContainText("[0, 0, 0] =");
});

test("a list of models that comes late does not take the place of a later one", async ({ page }) => {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let lists = 0;
  await page.route("/api/models", async (route) => {
    if (route.request().method() !== "GET" || lists++ > 0) return route.continue();
    const response = await route.fetch();
    await released;
    await route.fulfill({ response });
  });
  await page.goto("/#/models");
  await drop(page, "dropped.onnx", readFileSync(`${models}/identity.onnx`));
  await expect(canvas(page)).toBeVisible();
  const [first] = await Promise.all([page.waitForEvent("requestfinished", (request) => request.url().endsWith("/api/models")), release()]);
  await first.response();
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  await expect(canvas(page)).toBeVisible();
});

test("a value of a run that goes on is shown however long its answer takes", async ({ page }) => {
  await opened(page, "turns.onnx");
  const { id } = (await (await page.request.post("/api/runs", { data: { model: "turns", kind: "graph", dims: { C: 2 }, keep: ["*"] } })).json()) as { id: string };
  await page.route("**/api/runs/*/values*", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await route.continue().catch(() => undefined); // the page may have asked again, or be closed
  });
  await page.goto(`/#/graph/turns?g=1&node=0&run=${id}&panel=value`);
  await expect(page.locator("table.elements tbody td").first()).toHaveText(/\d/);
  await page.getByRole("button", { name: "Cancel run" }).click();
  await expect(line(page).getByRole("status")).toHaveText("cancelled");
});

test("a form that is opened early has what is told later", async ({ page, said }) => {
  said.refused = /400/;
  const dialog = page.getByRole("dialog");
  await page.goto("/#/models");
  let answer = () => {};
  const answered = new Promise<void>((resolve) => (answer = resolve));
  await page.route("/api/loaders", (route) => void answered.then(() => route.continue()));
  await page.reload();
  await page.getByRole("button", { name: "Open model…" }).first().click();
  answer();
  await dialog.getByLabel("Loader").selectOption("Checkpoint on the server");
  await dialog.getByLabel(/^File or folder/).fill("nowhere");
  await dialog.getByRole("button", { name: "Open", exact: true }).click();
  await expect(dialog.getByRole("alert")).toContainText("nowhere"); // the other fields are as they should be

  const [run, reference] = [await finished(page, encoder), await finished(page, encoder)];
  const release = await holdSocket(page, `"id":"${reference}"`);
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&with=${reference}`);
  await page.reload();
  await expect(line(page).getByRole("status")).toHaveText("done");
  await page.getByRole("button", { name: "Save…" }).click();
  await expect(dialog.getByText(/^73 of 73,/)).toBeVisible();
  release();
  await expect(dialog.getByLabel("Differences from")).toHaveValue(reference);
});
