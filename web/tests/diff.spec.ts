import { expect, look, test } from "./server";
import type { Page } from "@playwright/test";

const pane = (page: Page, model: string) => page.getByRole("application", { name: `Graph of ${model}` });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });
const filter = (page: Page, name: string) => page.getByRole("group", { name: "Which nodes are listed and coloured" }).getByRole("button", { name });

async function open(page: Page, ...files: string[]): Promise<void> {
  for (const file of files) expect((await page.request.post("/api/models", { data: { loader: "file", options: { file } } })).status()).toBe(201);
}

test("two models are compared: what was changed and added is counted, listed and shown in both", async ({ page }) => {
  await open(page, "layers.onnx", "edited.onnx");
  await page.goto("/#/graph/layers");
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Two models" }).click();
  await expect(page.getByText("Choose the model that this one is compared with.")).toBeVisible();
  await look(page, "diff-choose");
  await page.getByRole("combobox", { name: "Compared with" }).selectOption({ label: "edited" });
  await expect(page).toHaveURL(/#\/diff\/layers\?with=edited/);
  await expect(pane(page, "layers")).toBeVisible();
  await expect(pane(page, "edited")).toBeVisible();
  await expect(filter(page, "Changed")).toContainText("2");
  await expect(filter(page, "Added")).toContainText("212");
  await expect(filter(page, "Removed")).toContainText("0");
  await expect(inspector(page)).toContainText("Operators whose number differs");
  await look(page, "diff");
});
