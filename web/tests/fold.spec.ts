import { expect, look, test, walkTo } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });
const group = (page: Page, name: string | RegExp) => inspector(page).getByRole("heading", { level: 2, name });

async function open(page: Page, file: string): Promise<void> {
  await page.goto("/#/models");
  await page.getByRole("button", { name: `Open ${file}` }).click();
  await expect(canvas(page)).toBeVisible();
}

const items = async (page: Page) => Number(await canvas(page).getAttribute("data-items"));

test("a transformer of 32 layers opens as one block, and each layer can be unfolded", async ({ page }) => {
  await open(page, "layers.onnx");
  await page.goto("/#/models");
  const begin = Date.now();
  await page.goto("/#/graph/layers");
  await expect(canvas(page)).toHaveAttribute("data-items", /^[1-9]\d?$/);
  console.log(`layers.onnx opened folded in ${Date.now() - begin} ms`);
  await look(page, "fold");
  await canvas(page).focus();
  await walkTo(page, /× 32/);
  await expect(group(page, "layers × 32")).toBeVisible();
  const before = await items(page);
  await page.keyboard.press("Enter");
  await expect.poll(() => items(page)).toBe(before + 31);
  await inspector(page).getByRole("button", { name: "layers.7", exact: true }).click();
  await expect(group(page, "layers.7")).toBeVisible();
  await inspector(page).getByRole("button", { name: "Unfold" }).click();
  await expect.poll(() => items(page)).toBeGreaterThan(before + 31);
  await look(page, "fold-layer");
  await canvas(page).focus();
  await page.keyboard.press("f");
  await expect.poll(() => items(page)).toBe(before + 31);
  await inspector(page).getByRole("button", { name: "Group around" }).click();
  await inspector(page).getByRole("button", { name: "Fold", exact: true }).click();
  await expect.poll(() => items(page)).toBe(before);
});

test("blocks are found where no node has a name", async ({ page }) => {
  await open(page, "unnamed.onnx");
  await expect(canvas(page)).toHaveAttribute("data-items", /^[1-9]\d?$/);
  await canvas(page).focus();
  await walkTo(page, /× 32/);
  await expect(group(page, "block × 32")).toBeVisible();
  await inspector(page).getByRole("button", { name: "Unfold" }).click();
  await inspector(page).getByRole("button", { name: "block 3", exact: true }).click();
  await inspector(page).getByRole("button", { name: "Unfold" }).click();
  await expect(inspector(page).getByRole("button", { name: "block × 12" })).toBeVisible();
  await look(page, "fold-unnamed");
});

test("what is found in a folded graph is unfolded, an address keeps it, and all can be unfolded", async ({ page }) => {
  await open(page, "layers.onnx");
  await expect(canvas(page)).toHaveAttribute("data-items", /^[1-9]\d?$/);
  await page.getByRole("combobox", { name: "Find nodes" }).fill("layers.20/mlp/Sigmoid");
  await page.keyboard.press("Enter");
  await expect(inspector(page).getByRole("heading", { name: "Sigmoid" })).toBeVisible();
  await expect.poll(() => items(page)).toBeGreaterThan(32);
  const shown = await items(page);
  await page.reload();
  await expect(canvas(page)).toHaveAttribute("data-items", String(shown));
  await page.getByRole("button", { name: "Unfold everything" }).click();
  await expect.poll(() => items(page)).toBeGreaterThan(6000);
  await page.getByRole("button", { name: "Fold into blocks" }).click();
  await expect.poll(() => items(page)).toBeLessThan(100);
});

test("a double click unfolds a group", async ({ page }) => {
  await open(page, "tower.onnx");
  await expect(canvas(page)).toHaveAttribute("data-items", "3");
  const box = await canvas(page).boundingBox();
  if (!box) throw new Error("the canvas is not shown");
  await canvas(page).dblclick({ position: { x: box.width / 2, y: box.height / 2 } });
  await expect(canvas(page)).toHaveAttribute("data-items", "1252");
  await page.getByRole("button", { name: "Show the entire graph" }).click();
  await page.goto("/#/graph/tower?open=&group=0-10000");
  await expect(canvas(page)).toHaveAttribute("data-items", "3");
  await expect(group(page, "block × 1250")).toBeVisible();
});
