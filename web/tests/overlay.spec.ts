import { expect, look, test } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const legend = (page: Page) => page.getByRole("group", { name: "Colour by" });
const colour = (page: Page) => page.getByRole("combobox", { name: "Colour by" });

async function finished(page: Page, more: object): Promise<string> {
  const body = { model: "digits", kind: "graph", call: "encoder", dims: { B: 1 }, keep: ["*"], ...more };
  const { id } = (await (await page.request.post("/api/runs", { data: body })).json()) as { id: string };
  await expect.poll(async () => ((await (await page.request.get(`/api/runs/${id}`)).json()) as { state: string }).state).toBe("done");
  return id;
}

/** The node of the encoder that has this name. */
async function nodeNamed(page: Page, name: string): Promise<number> {
  const { nodes } = (await (await page.request.get("/api/models/digits/graphs/0/nodes", { params: { q: name } })).json()) as { nodes: { i: number; name: string }[] };
  return nodes.find((node) => node.name === name)?.i ?? -1;
}

/** Colours of the drawing, each as often as pixels of a sample have it. */
const drawn = (page: Page) =>
  canvas(page).evaluate((element) => {
    const { width, height } = element as HTMLCanvasElement;
    const { data } = (element as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
    const counts: Record<string, number> = {};
    for (let i = 0; i < data.length; i += 4) {
      const key = `${data[i]},${data[i + 1]},${data[i + 2]}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  });

test("colours nodes by their time in a run, and tells that of the selected one", async ({ page }) => {
  const run = await finished(page, { profile: true });
  const { by_node } = (await (await page.request.get(`/api/runs/${run}/profile`)).json()) as { by_node: { node: string; seconds: number }[] };
  await page.goto(`/#/graph/digits?call=encoder&run=${run}`);
  await expect(canvas(page)).toBeVisible();
  await colour(page).selectOption("Time");
  await expect(page).toHaveURL(/colour=time/);
  await expect(legend(page)).toContainText("ms");
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&colour=time&node=${await nodeNamed(page, by_node[0]?.node ?? "")}`);
  await expect(legend(page)).toContainText(`Selected: ${((by_node[0]?.seconds ?? 0) * 1e3).toPrecision(3)} ms`);
  await expect.poll(async () => (await drawn(page))["194,87,26"] ?? 0).toBeGreaterThan(200); // the slowest is in the colour of the upper end
  await look(page, "overlay-time");
});

test("colours nodes by their error against another run", async ({ page }) => {
  const reference = await finished(page, { backends: "ref" });
  const run = await finished(page, {});
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&colour=error`);
  await expect(legend(page)).toContainText("Relative errors against another run.");
  await page.getByRole("combobox", { name: "Reference" }).selectOption(reference);
  const { rows } = (await (await page.request.get(`/api/runs/${run}/compare?with=${reference}`)).json()) as { rows: { node: string; max_rel: number | null }[] };
  const worst = rows.filter((row) => row.node !== "").reduce((a, b) => ((b.max_rel ?? 0) > (a.max_rel ?? 0) ? b : a));
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&colour=error&with=${reference}&node=${await nodeNamed(page, worst.node)}`);
  await expect(legend(page)).toContainText("Selected:");
  const [, high] = await legend(page).locator(".legend-scale .mono").allTextContents();
  await expect(legend(page).getByRole("status")).toContainText(high ?? "nothing");
  await look(page, "overlay-error");
});

test("colours nodes by type and by zeros, and says what is missing", async ({ page }) => {
  await page.goto("/#/graph/digits?call=decoder");
  await expect(canvas(page)).toBeVisible();
  await colour(page).selectOption("Type");
  await expect(legend(page)).toContainText("float32");
  await expect(legend(page)).toContainText("int64");
  await look(page, "overlay-type");
  await colour(page).selectOption("Zeros");
  await expect(legend(page)).toContainText("Run the graph first.");
  const run = await finished(page, {});
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&colour=zeros`);
  await expect(legend(page)).toContainText("100.0 %");
  await colour(page).selectOption("Time");
  await expect(legend(page)).toContainText("The run has no profile");
  await colour(page).selectOption("Operator");
  await expect(page).not.toHaveURL(/colour=/);
});
