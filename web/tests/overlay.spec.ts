import { formatSeconds } from "../src/components/format";
import { evenProfile } from "./profiles";
import { drop, expect, finished as finishedRun, look, opened, test, walkTo } from "./server";
import type { Page } from "@playwright/test";

const canvas = (page: Page) => page.getByRole("application", { name: "Graph" });
const legend = (page: Page) => page.getByRole("group", { name: "Colour by" });
const colour = (page: Page) => page.getByRole("combobox", { name: "Colour by" });

const ends = (page: Page) => legend(page).locator(".legend-scale .mono");
const selected = (page: Page) => legend(page).getByRole("status");

const finished = (page: Page, more: object) => finishedRun(page, { model: "digits", call: "encoder", dims: { B: 1 }, ...more });

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
  const [slowest] = (await evenProfile(page, run)).by_node;
  await page.goto(`/#/graph/digits?call=encoder&run=${run}`);
  await expect(canvas(page)).toBeVisible();
  await colour(page).selectOption("Time");
  await expect(page).toHaveURL(/colour=time/);
  await expect(ends(page)).toContainText(["µs", formatSeconds(slowest!.seconds)]);
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&colour=time&node=${await nodeNamed(page, slowest!.node)}`);
  await expect(selected(page)).toHaveText(`Selected: ${formatSeconds(slowest!.seconds)}`);
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
  await expect(selected(page)).toHaveText(`Selected: ${await ends(page).nth(1).textContent()}`);
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

test("colours nodes by memory, backend and largest magnitude", async ({ page }) => {
  const run = await finished(page, { profile: true });
  const { by_node } = (await (await page.request.get(`/api/runs/${run}/profile`)).json()) as { by_node: { node: string; backend: string; memory: number }[] };
  const most = by_node.reduce((a, b) => (b.memory > a.memory ? b : a));
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&node=${await nodeNamed(page, most.node)}`);
  await colour(page).selectOption("Memory");
  await expect(ends(page).nth(1)).toHaveText(/iB$/);
  await expect(selected(page)).toHaveText(`Selected: ${await ends(page).nth(1).textContent()}`);
  await colour(page).selectOption("Backend");
  await expect(selected(page)).toHaveText(`Selected: ${most.backend}`);
  await expect(legend(page).getByRole("listitem").first()).toContainText(/\w/);
  await look(page, "overlay-backend");
  await colour(page).selectOption("Largest magnitude");
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&colour=range&node=${await nodeNamed(page, "encoder.blocks.0/LayerNormalization_6")}`);
  const { digest } = (await (await page.request.get(`/api/runs/${run}/value`, { params: { name: "encoder.blocks.0/LayerNormalization_6" } })).json()) as { digest: { min: number; max: number } };
  await expect(selected(page)).toHaveText(`Selected: ${Number(Math.max(-digest.min, digest.max).toPrecision(3))}`);
});

test("colours nodes by a column of a file that is dropped or chosen, and counts names that are not there", async ({ page }) => {
  const node = "encoder/Conv_0";
  await page.goto(`/#/graph/digits?call=encoder&node=${await nodeNamed(page, node)}`);
  await expect(canvas(page)).toBeVisible();
  await drop(page, "loss.csv", Buffer.from(`node;loss after quantisation;group\n${node};0.5;"first; large"\nencoder/Gelu_1;-2;second\nlost/1;3;second\nlost/2;3;\n`));
  await expect(page).toHaveURL(/colour=file/);
  await expect(legend(page)).toContainText("2 of 72 nodes have one. 2 names of the file are not in this graph: lost/1, lost/2");
  await expect(selected(page)).toHaveText("Selected: 0.5");
  await expect(ends(page)).toHaveText(["-2", "0.5"]);
  await expect.poll(async () => (await drawn(page))["194,87,26"] ?? 0).toBeGreaterThan(200); // the highest is in the colour of the upper end
  await legend(page).getByRole("combobox", { name: "Column", exact: true }).selectOption("group");
  await expect(page).toHaveURL(/column=group/);
  await expect(selected(page)).toHaveText("Selected: first; large");
  await expect(legend(page).getByRole("listitem")).toHaveText(["first; large", "second"]);
  await look(page, "overlay-file");
  await page.getByLabel("Table of nodes").setInputFiles({ name: "nodes.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ [node]: { bits: 8 }, "encoder/Gelu_1": { bits: 16 } })) });
  await expect(legend(page)).toContainText("2 of 72 nodes have one.");
  await expect(legend(page)).not.toContainText("not in this graph");
  await expect(selected(page)).toHaveText("Selected: 8");
  await page.reload();
  await expect(legend(page)).toContainText("Drop or choose a .json or .csv"); // the file itself stays with the tab
});

test("a folded group has the time of its nodes together, of errors the greatest, of names the most frequent", async ({ page }) => {
  await opened(page, "short.onnx");
  const more = { model: "short", call: undefined, dims: { T: 4 } };
  const [run, reference] = [await finished(page, { ...more, profile: true }), await finished(page, { ...more, backends: "ref" })];
  const { by_node } = await evenProfile(page, run);
  const seconds = by_node.filter(({ node }) => node.includes("layers.")).reduce((sum, row) => sum + row.seconds, 0);
  expect(seconds).toBeGreaterThan(0);
  const { rows } = (await (await page.request.get(`/api/runs/${run}/compare?with=${reference}`)).json()) as { rows: { node: string; max_rel: number | null }[] };
  const worst = Math.max(...rows.filter(({ node }) => node.includes("layers.")).map(({ max_rel }) => max_rel ?? 0));
  await page.goto(`/#/graph/short?run=${run}&with=${reference}&colour=time`);
  await expect(ends(page).first()).toContainText("µs");
  await canvas(page).focus();
  await walkTo(page, /× 8/);
  const told = async () => {
    const [, figure, unit = ""] = /Selected: ([\d.e-]+) ?(\S*)/.exec((await selected(page).textContent()) ?? "") ?? [];
    return Number(figure) * ({ ms: 1e-3, µs: 1e-6 }[unit] ?? 1);
  };
  await expect.poll(async () => Math.abs((await told()) / seconds - 1)).toBeLessThan(0.01);
  await expect.poll(async () => (await drawn(page))["194,87,26"] ?? 0).toBeGreaterThan(200); // it takes the most
  await look(page, "overlay-group");
  await page.setViewportSize({ width: 1280, height: 800 });
  await colour(page).selectOption("Error");
  await expect(legend(page)).toContainText("Selected:");
  await expect.poll(async () => Math.abs((await told()) / worst - 1)).toBeLessThan(0.01);
  await colour(page).selectOption("Type");
  await expect(selected(page)).toHaveText("Selected: float32");
});

test("says what is wrong with a file that cannot colour nodes", async ({ page }) => {
  await page.goto("/#/graph/digits?call=encoder");
  await expect(canvas(page)).toBeVisible();
  const bad: [string, string | Buffer, RegExp][] = [
    ["a.csv", "node,x\na,1\nb\n", /a\.csv cannot colour nodes: line 3 has 1 cell, the first line 2\./],
    ["b.csv", "node,x\na,1\na,2\n", /names “a” twice \(line 2 and line 3\)/],
    ["c.csv", 'node,x\n"a,1\n', /quote that begins in line 2 has no end/],
    ["d.csv", "node\na\n", /first line has one column/],
    ["e.json", "{", /it is no JSON/],
    ["f.json", '[{"x": 1}]', /entry 0 of the list has no “name” or “node”/],
    ["g.json", '{"a": {"x": [1]}}', /“x” of “a” is neither a number nor a text/],
    ["h.json", "3", /neither an object of names nor a list/],
    ["i.csv", Buffer.from([0xff, 0xfe, 0x41, 0]), /no text in UTF-8/],
  ];
  for (const [name, text, why] of bad) {
    await drop(page, name, Buffer.from(text));
    await expect(page.getByRole("alert").filter({ hasText: why })).toBeVisible();
  }
  await expect(page).not.toHaveURL(/colour=/);
  await look(page, "overlay-file-bad");
});
