import { expect, look, test } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });

async function open(page: Page, file: string): Promise<void> {
  await page.goto("/#/models");
  await page.getByRole("button", { name: `Open ${file}` }).click();
  await expect(canvas(page)).toBeVisible();
}

test("draws a model, and shows what is selected", async ({ page }) => {
  await page.goto("/#/graph/digits");
  await expect(canvas(page)).toBeVisible();
  await expect(inspector(page)).toContainText("Operators (");
  await look(page, "graph");
  await page.setViewportSize({ width: 1280, height: 800 });
  await canvas(page).focus();
  await page.keyboard.press("ArrowDown"); // the first: an input
  await expect(inspector(page)).toContainText("Read by");
  await page.keyboard.press("ArrowDown");
  await expect(page).toHaveURL(/node=\d+/);
  await expect(inspector(page)).toContainText("Inputs");
  await look(page, "graph-node");
});

test("an address opens a node, and a click elsewhere lets go of it", async ({ page }) => {
  await page.goto("/#/graph/digits?node=10");
  const title = inspector(page).getByRole("heading", { level: 2 }).nth(1);
  const { type } = (await (await page.request.get("/api/models/digits/graphs/0/nodes/10")).json()) as { type: string };
  await expect(title).toHaveText(type);
  await canvas(page).click({ position: { x: 6, y: 6 } });
  await expect(page).not.toHaveURL(/node=/);
  await expect(inspector(page)).toContainText("Operators (");
});

test("a click on an edge shows its value", async ({ page }) => {
  await open(page, "identity.onnx");
  const box = await canvas(page).boundingBox();
  if (!box) throw new Error("the canvas is not shown");
  const [x, y] = [box.width / 2, box.height / 2 - 49]; // between the input and the node in the middle
  await canvas(page).click({ position: { x, y } });
  await expect(page).toHaveURL(/value=0/);
  await expect(inspector(page).getByRole("heading", { name: "x", exact: true })).toBeVisible();
  await expect(inspector(page)).toContainText("Identity");
  await canvas(page).click({ position: { x: x + 40, y } });
  await expect(page).not.toHaveURL(/value=/);
});

test("finds nodes by operator and by name", async ({ page }) => {
  await page.goto("/#/graph/digits");
  await expect(canvas(page)).toBeVisible();
  await canvas(page).focus();
  await page.keyboard.press("/");
  await page.keyboard.type("attention");
  await expect(page.getByRole("listbox", { name: "Nodes found" }).getByRole("option").first()).toContainText("Attention");
  await look(page, "graph-search");
  await page.keyboard.press("Enter");
  await expect(inspector(page).getByRole("heading", { name: "Attention" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("combobox", { name: "Find nodes" })).toHaveValue("");
  await page.keyboard.type("no such node");
  await expect(page.getByRole("status").filter({ hasText: "Nothing found" })).toBeVisible();
});

test("enters the graphs inside a node, and comes back", async ({ page }) => {
  await open(page, "branch.onnx");
  await page.goto("/#/graph/branch?node=0");
  await expect(inspector(page).getByRole("heading", { name: "If" })).toBeVisible();
  await canvas(page).focus();
  await page.keyboard.press("Enter");
  const crumbs = page.getByRole("navigation", { name: "Graphs entered" });
  await expect(crumbs).toContainText("then_branch");
  await expect(inspector(page)).toContainText("From the graph around it");
  await look(page, "graph-inside");
  await crumbs.getByRole("link").first().click();
  await expect(crumbs).not.toContainText("then_branch");
  await page.goto("/#/graph/branch?node=0");
  await inspector(page).getByRole("button", { name: /else_branch/ }).click();
  await expect(inspector(page)).toContainText("Neg");
});

test("shows the milli-ops of an operator", async ({ page }) => {
  await page.goto("/#/graph/digits?node=4");
  await expect(inspector(page)).toContainText("Transpose");
  await canvas(page).focus();
  await page.goto("/#/graph/digits?node=6");
  await expect(inspector(page).getByRole("heading", { name: "LayerNormalization" })).toBeVisible();
  await canvas(page).focus();
  await page.keyboard.press("Enter");
  const crumbs = page.getByRole("navigation", { name: "Graphs entered" });
  await expect(crumbs).toContainText("Milli-ops of LayerNormalization");
  await expect(page).toHaveURL(/milli=6/);
  await expect(inspector(page)).toContainText("sqrt");
  await look(page, "graph-milli");
  await canvas(page).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await expect(inspector(page)).toContainText("Inputs");
  await page.keyboard.press("Backspace");
  await expect(page).toHaveURL(/node=6/);
});

test("shows the other graphs of a job, and those that run", async ({ page }) => {
  await page.goto("/#/graph/digits");
  await page.getByRole("combobox", { name: "Call of the job" }).selectOption("decoder");
  await expect(page).toHaveURL(/call=decoder/);
  await expect(inspector(page)).toContainText("tokens");
  const operators = inspector(page).getByRole("heading", { name: /Operators/ });
  const inFile = await operators.textContent();
  await page.getByRole("combobox", { name: "Which graph" }).selectOption("planned");
  await expect(page).toHaveURL(/show=planned/);
  await expect.poll(() => operators.textContent()).not.toBe(inFile);
  await look(page, "graph-planned");
});

test("10,000 nodes are there within 3 s, found within 100 ms, moved without halting", async ({ page }) => {
  await open(page, "tower.onnx");
  await page.goto("/#/models");
  const begin = Date.now();
  await page.goto("/#/graph/tower?fold=off");
  await expect(canvas(page)).toHaveAttribute("data-items", "10002");
  const opened = Date.now() - begin;
  const frames = await page.evaluate(async () => {
    const target = document.querySelector("canvas[role=application]");
    if (!target) throw new Error("no canvas");
    const times: number[] = [];
    let last = performance.now();
    for (let i = 0; i < 60; i++) {
      const way = i < 30 ? 240 : -120;
      target.dispatchEvent(new WheelEvent("wheel", { deltaY: way, clientX: 500, clientY: 300, bubbles: true, cancelable: true }));
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - last);
      last = now;
    }
    return times.sort((a, b) => a - b);
  });
  const began = Date.now();
  await page.getByRole("combobox", { name: "Find nodes" }).fill("block777/");
  await expect(page.getByRole("status").filter({ hasText: "8 found" })).toBeVisible();
  console.log(`opened in ${opened} ms, frames: median ${frames[30]?.toFixed(1)} ms, longest ${frames.at(-1)?.toFixed(1)} ms; found in ${Date.now() - began} ms`);
  await page.keyboard.press("Enter");
  await expect(inspector(page)).toContainText("block777/");
  await look(page, "graph-large");
});
