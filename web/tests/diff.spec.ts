import { expect, look, opened, test } from "./server";
import type { Page } from "@playwright/test";

const pane = (page: Page, model: string) => page.getByRole("region", { name: `Graph of ${model}` });
const canvas = (page: Page, model: string) => page.getByRole("application", { name: `Graph of ${model}` });
const inspector = (page: Page) => page.getByRole("region", { name: "Inspector" });
const rows = (page: Page) => page.getByRole("region", { name: "Nodes", exact: true }).getByRole("row");
const filter = (page: Page, name: string) => page.getByRole("group", { name: "Which nodes are listed and coloured" }).getByRole("button", { name });
const title = (page: Page) => inspector(page).getByRole("heading", { level: 2 }).nth(1);
const compareWith = (page: Page) => page.getByRole("combobox", { name: "Compared with" });

async function open(page: Page, ...files: string[]): Promise<void> {
  for (const file of files) await opened(page, file);
}

test("what was changed and added is counted, listed and shown in both graphs", async ({ page }) => {
  await open(page, "layers.onnx", "edited.onnx");
  await page.goto("/#/graph/layers");
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Two models" }).click();
  await expect(page.getByText("Choose the model that this one is compared with.")).toBeVisible();
  await look(page, "diff-choose");
  await compareWith(page).selectOption({ label: "edited" });
  await expect(page).toHaveURL(/#\/diff\/layers\?with=edited/);
  await expect(canvas(page, "layers")).toBeVisible();
  await expect(canvas(page, "edited")).toBeVisible();
  await expect(filter(page, "Changed")).toContainText(/\b2$/);
  await expect(filter(page, "Added")).toContainText(/\b212$/); // a layer
  await expect(filter(page, "Removed")).toContainText(/\b0$/);
  await expect(inspector(page).getByRole("row", { name: /^Tanh/ })).toHaveText("Tanh01");
  await look(page, "diff");
  await expect(rows(page)).toHaveCount(1 + 216);
  await filter(page, "Added").click();
  await expect(rows(page)).toHaveCount(1 + 4);
  await page.reload();
  await expect(filter(page, "Added")).toHaveAttribute("aria-pressed", "false");
  await expect(rows(page)).toHaveCount(1 + 4);
});

test("keys go from difference to difference, and an address opens one", async ({ page }) => {
  await open(page, "layers.onnx", "edited.onnx");
  await page.goto("/#/diff/layers?with=edited");
  await expect(canvas(page, "edited")).toBeVisible();
  const folded = Number(await canvas(page, "layers").getAttribute("data-items"));
  await canvas(page, "layers").focus();
  await page.keyboard.press("n");
  await expect(title(page)).toHaveText("Sigmoid → Tanh");
  await expect(page.getByText("1 of 216", { exact: true })).toBeVisible();
  await expect(inspector(page).getByRole("row", { name: /^operator/ })).toHaveText("operatorSigmoidTanh");
  for (const model of ["layers", "edited"]) {
    await expect(canvas(page, model)).not.toHaveAttribute("data-item", "-1");
    await expect.poll(async () => Number(await canvas(page, model).getAttribute("data-items"))).toBeGreaterThan(folded);
  }
  await look(page, "diff-operator");
  await page.keyboard.press("n");
  await expect(page.getByText("2 of 216", { exact: true })).toBeVisible();
  await expect(inspector(page)).toContainText("This model has no such node.");
  await expect(canvas(page, "layers")).toHaveAttribute("data-item", "-1");
  await look(page, "diff-added");
  await page.keyboard.press("p");
  await page.getByRole("button", { name: "Previous difference" }).click();
  await expect(page.getByText("216 of 216", { exact: true })).toBeVisible();
  await expect(title(page)).toHaveText("Softmax");
  await expect(inspector(page).getByRole("row", { name: /^attribute axis/ })).toHaveText("attribute axis-11");
  await page.reload();
  await expect(title(page)).toHaveText("Softmax");
  await rows(page).filter({ hasText: "Sigmoid → Tanh" }).click();
  await expect(title(page)).toHaveText("Sigmoid → Tanh");
  await inspector(page).getByRole("link", { name: "Show in edited" }).click();
  await expect(page).toHaveURL(/#\/graph\/edited\?node=\d+/);
  await expect(title(page)).toHaveText("Tanh");
});

test("weights are compared by their digests", async ({ page }) => {
  await open(page, "short.onnx", "short_edited.onnx");
  await page.goto("/#/diff/short?with=short_edited");
  let requests = 0;
  page.on("request", (request) => (requests += Number(request.url().includes("/digest"))));
  await page.getByRole("button", { name: /^Compare [\d,]+ weights$/ }).click();
  await expect(page).toHaveURL(/weights=all/);
  await expect(page.getByText(/^1 of [\d,]+ weights of the same shape differ\./)).toBeVisible();
  expect(requests).toBeLessThan(20); // 128 weights of each model in one
  await expect(filter(page, "Changed")).toContainText(/\b3$/);
  await rows(page).filter({ hasText: "elements of weights" }).click();
  await expect(inspector(page)).toContainText("The digests differ.");
  await expect(inspector(page).getByRole("row", { name: /^Mean/ })).toHaveText("Mean0.10.5");
  await look(page, "diff-weights");
});

test("both graphs move together, and what is selected in one is selected in the other", async ({ page }) => {
  await open(page, "identity.onnx", "logs.onnx");
  await page.goto("/#/diff/identity?with=identity");
  await expect(page.getByText("The graphs have the same nodes.")).toBeVisible();
  const [first, second] = [pane(page, "identity").first().getByRole("application"), pane(page, "identity").last().getByRole("application")];
  await expect(second).toBeVisible();
  const box = await first.boundingBox();
  if (!box) throw new Error("the canvas is not shown");
  const [x, y] = [box.width / 2, box.height / 2];
  await second.click({ position: { x, y } });
  await expect(title(page)).toHaveText("Identity");
  await expect(first).not.toHaveAttribute("data-item", "-1");
  await page.keyboard.press("Escape");
  await expect(page).not.toHaveURL(/node=/);
  await page.mouse.move(box.x + 12, box.y + 12);
  await page.mouse.down();
  await page.mouse.move(box.x + 50, box.y + 32, { steps: 3 });
  await page.mouse.move(box.x + 92, box.y + 52, { steps: 3 });
  await page.mouse.up();
  await second.click({ position: { x: x + 80, y: y + 40 } });
  await expect(title(page)).toHaveText("Identity");
  await second.click({ position: { x, y: y + 40 } }); // where it was, across
  await expect(page).not.toHaveURL(/node=/);
});

test("what differs in graphs inside a node, at any depth, is a change of the node", async ({ page }) => {
  for (const file of ["branch.onnx", "branch_edited.onnx", "nested.onnx", "nested_edited.onnx"]) await open(page, file);
  await page.goto("/#/diff/branch?with=branch_edited");
  await expect(rows(page).nth(1)).toContainText("inside else_branch");
  await expect(rows(page)).toHaveCount(2); // with its head
  await rows(page).nth(1).click();
  await expect(inspector(page)).toContainText(/1 node, [12] differs?/);
  await look(page, "diff-inside");
  await page.setViewportSize({ width: 1280, height: 800 });
  await inspector(page).getByRole("link", { name: "Compare else_branch" }).click();
  await expect(page).toHaveURL(/with-g=\d/);
  await expect(page.locator("main")).toContainText("Abs");
  await page.goto("/#/diff/nested?with=nested_edited");
  await expect(rows(page).nth(1)).toContainText("inside then_branch");
  await page.goto("/#/diff/nested?with=nested");
  await expect(page.getByText("The graphs have the same nodes.")).toBeVisible();
});

test("a model is compared with itself as it runs, and the milli-ops of two nodes", async ({ page }) => {
  await open(page, "short.onnx");
  await page.goto("/#/diff/short?with=short");
  await page.reload(); // which model is open is asked once
  await expect(page.getByText("The graphs have the same nodes.")).toBeVisible();
  await page.getByRole("combobox", { name: "Which graph of short" }).last().selectOption("As it runs");
  await expect(page).toHaveURL(/with-show=planned/);
  const count = async (view: string) => ((await (await page.request.get(`/api/models/short/graphs${view}`)).json()) as { graphs: { n_nodes: number }[] }).graphs[0]!.n_nodes;
  const [whole, left] = [await count(""), await count("?view=planned")];
  expect(left).toBeLessThan(whole / 2);
  await expect(page.getByText("The graphs have the same nodes.")).toHaveCount(0);
  const counted = async (name: string) => Number(/[\d,]+$/.exec((await filter(page, name).textContent()) ?? "")?.[0].replace(",", ""));
  await expect.poll(async () => (await counted("Removed")) - (await counted("Added"))).toBe(whole - left);
  await look(page, "diff-as-it-runs");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("combobox", { name: "Which graph of short" }).first().selectOption("As it runs");
  await expect(page.getByText("The graphs have the same nodes.")).toBeVisible();
  await page.goto("/#/diff/digits?with=digits&node=6&with-node=6");
  await inspector(page).getByRole("link", { name: "Compare Milli-ops" }).click();
  await expect(page).toHaveURL(/milli=6&with-milli=6/);
  await expect(inspector(page)).toContainText("Both have as many of each operator.");
  await expect(page.getByText("The graphs have the same nodes.")).toBeVisible();
  await look(page, "diff-milli");
  await page.getByRole("link", { name: "Main graphs" }).click();
  await expect(page).not.toHaveURL(/milli/);
});

test("graphs inside nodes are compared, and an address of what is not open says so", async ({ page }) => {
  await page.goto("/#/diff/digits");
  await expect(page.getByText(/No other model is open/)).toBeVisible();
  await open(page, "branch.onnx");
  await page.goto("/#/diff/branch?with=branch&node=0&with-node=0");
  await page.reload(); // which model is open is asked once
  await expect(title(page)).toHaveText("If");
  await inspector(page).getByRole("link", { name: "Compare then_branch" }).click();
  await expect(page).toHaveURL(/g=1&with-g=1/);
  await expect(inspector(page)).toContainText("Both have as many of each operator.");
  await page.getByRole("link", { name: "Main graphs" }).click();
  await expect(page).not.toHaveURL(/g=1/);
  await page.goto("/#/diff/branch?with=elsewhere");
  await expect(page.getByText("This address names a model that is not open here.")).toBeVisible();
  await page.goto("/#/diff/branch?with=digits");
  await expect(filter(page, "Removed")).toContainText(/\b2$/);
  await page.getByRole("combobox", { name: "Call of digits" }).selectOption("decoder");
  await expect(page).toHaveURL(/with-call=decoder/);
  await look(page, "diff-others");
});
