import { readFileSync } from "node:fs";
import { evenProfile, longest, type Profile, type Row, type Span } from "./profiles";
import { expect, finished, look, opened, settled, test } from "./server";
import type { Page } from "@playwright/test";

const timeline = (page: Page) => page.getByRole("application", { name: "Timeline" });
const said = (page: Page) => page.locator(".span-facts");

async function profiled(page: Page): Promise<{ run: string; profile: Profile }> {
  const run = await finished(page, { model: "digits", call: "encoder", dims: { B: 1 }, profile: true });
  return { run, profile: await evenProfile(page, run) };
}

/** Clicks the middle of a span while all of the time is shown. */
async function click(page: Page, { spans }: Profile, span: Span): Promise<void> {
  const box = await timeline(page).boundingBox();
  if (!box) throw new Error("the timeline is not shown");
  const last = Math.max(...spans.map(({ end }) => end!));
  await timeline(page).click({ position: { x: (((span.begin + span.end!) / 2) * box.width) / last, y: 20 + 19 * span.depth + 8 } });
}

test("shows where the time of a run went, in sums and on a time axis", async ({ page }) => {
  const { run, profile } = await profiled(page);
  await page.goto(`/#/profile/digits?run=${run}`);
  await expect(timeline(page)).toHaveAttribute("data-spans", String(profile.total));
  const first = page.getByRole("tabpanel").getByRole("row").nth(1);
  await expect(first).toContainText(profile.by_operator[0]?.op_type ?? "");
  await expect(page.getByRole("tabpanel").getByRole("row")).toHaveCount(profile.by_operator.length + 1);
  await click(page, profile, longest(profile, "node"));
  await expect(said(page)).toContainText(longest(profile, "node").name);
  await expect(page).toHaveURL(/span=\d+/);
  await look(page, "profile");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.reload();
  await expect(said(page)).toContainText(longest(profile, "node").name);
  await page.getByRole("tab", { name: "By node" }).click();
  await expect(page.getByRole("tabpanel").getByRole("row").nth(1)).toContainText(profile.by_node[0]?.node ?? "");
  await look(page, "profile-nodes");
  await page.getByRole("tabpanel").getByRole("row").nth(1).click();
  await expect(page).toHaveURL(/graph\/digits.*node=\d+/);
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText(profile.by_node[0]?.node ?? "");
});

test("a click in the profile below the graph selects the node there", async ({ page }) => {
  const { run, profile } = await profiled(page);
  await page.goto(`/#/graph/digits?call=encoder&run=${run}`);
  await page.getByRole("region", { name: "Run", exact: true }).getByRole("link", { name: "Profile" }).click();
  await expect(timeline(page)).toBeVisible();
  const wanted = longest(profile, "node");
  await click(page, profile, wanted);
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText(wanted.name);
  await look(page, "profile-panel");
});

test("moves through the time by keyboard alone, and to the graph", async ({ page }) => {
  const { run, profile } = await profiled(page);
  await page.goto(`/#/profile/digits?run=${run}`);
  await timeline(page).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown"); // the first inside the run
  await expect(page).toHaveURL(/span=1(&|$)/);
  for (const key of ["+", "+", "Shift+ArrowRight", "-", "f", "0"]) await page.keyboard.press(key);
  const beside = profile.spans.filter(({ depth, thread }) => depth === 1 && thread === profile.spans[1]!.thread).sort((a, b) => a.begin - b.begin);
  const span = beside.find(({ kind }) => kind === "node");
  for (const next of beside.slice(1, beside.indexOf(span!) + 1)) {
    await page.keyboard.press("ArrowRight");
    await expect(page).toHaveURL(new RegExp(`span=${profile.spans.indexOf(next)}(&|$)`));
  }
  await expect(said(page)).toContainText(span?.name ?? "");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/graph\/digits.*node=\d+/);
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText(span?.name ?? "");
});

test("leads to nodes in graphs inside, and to nodes without names", async ({ page }) => {
  for (const file of ["branch.onnx", "plain.onnx"]) await opened(page, file);
  for (const [file, inputs, row, type] of [
    ["branch", { c: { data: true }, x: { data: [1, 2] } }, /Exp_node/, "Exp"],
    ["plain", { x: { data: [1, 2] } }, /^Neg/, "Neg"],
  ] as const) {
    await page.goto(`/#/profile/${file}?run=${await finished(page, { model: file, inputs, profile: true })}&sums=nodes`);
    await page.getByRole("row", { name: row }).click();
    await expect(page.getByRole("region", { name: "Inspector" }).getByRole("heading", { name: type, exact: true })).toBeVisible();
  }
  await page.getByRole("combobox", { name: "Colour by" }).selectOption("Time");
  await expect(page.getByRole("group", { name: "Colour by" })).toContainText("Selected:");
});

const roofline = (page: Page) => page.getByRole("application", { name: "Roofline" });
const nodesUnder = (page: Page) => page.getByRole("group", { name: "Nodes under the roof" });

test("shows each node under the roof of this machine", async ({ page }) => {
  const { run, profile } = await profiled(page);
  await page.goto(`/#/profile/digits?run=${run}`);
  await page.getByRole("tab", { name: "Roofline" }).click();
  await expect(roofline(page)).toBeVisible();
  const peaks = (await (await page.request.get("/api/peaks")).json()) as { flops: number; read_bytes: number; threads: number };
  type Named = (typeof nodes)[number];
  const nodes = profile.by_node.filter((row) => row.flops > 0 && row.bytes_read + row.bytes_written > 0).map((row) => ({ ...row, intensity: row.flops / (row.bytes_read + row.bytes_written), rate: row.flops / row.seconds }));
  nodes.sort((a, b) => a.intensity - b.intensity || a.rate - b.rate).sort((a, b) => b.seconds - a.seconds); // as circles are drawn, also where two took as long
  await expect(roofline(page)).toHaveAttribute("data-points", String(nodes.length));
  await expect(page.getByRole("tabpanel")).toContainText(`with ${peaks.threads} thread`);
  await expect(page.getByRole("tabpanel")).toContainText(`${profile.by_node.length - nodes.length} nodes are left out`);
  // Places are linear in the logarithms; the roof bends where its two rates meet.
  const drawn = () => roofline(page).evaluate((svg) => ({
    places: [...svg.querySelectorAll("circle")].map((circle) => [circle.cx.baseVal.value, circle.cy.baseVal.value] as const),
    roof: [...(svg.querySelector("polyline")?.points ?? [])].map(({ x, y }) => [x, y] as const),
  }));
  await settled(async () => JSON.stringify(await drawn())); // in the room that there is
  const { places, roof } = await drawn();
  expect(places.length).toBe(nodes.length);
  for (const [of, axis, bend] of [["intensity", 0, peaks.flops / peaks.read_bytes], ["rate", 1, peaks.flops]] as const) {
    const logs = nodes.map((node) => Math.log10(node[of]));
    const [low, high] = [logs.indexOf(Math.min(...logs)), logs.indexOf(Math.max(...logs))];
    const pixels = (places[high]![axis] - places[low]![axis]) / (logs[high]! - logs[low]!);
    const at = (log: number) => places[low]![axis] + (log - logs[low]!) * pixels;
    logs.forEach((log, i) => expect(places[i]![axis]).toBeCloseTo(at(log), 0));
    expect(roof[1]![axis]).toBeCloseTo(at(Math.log10(bend)), 0);
  }
  const [longest, other] = nodes.filter(({ op_type }) => op_type === "Conv") as [Named, Named]; // no other node has about as many operations per byte
  const place = (node: Named) => ({ x: places[nodes.indexOf(node)]![0], y: places[nodes.indexOf(node)]![1] });
  await roofline(page).hover({ position: place(longest) });
  const share = (100 * longest.rate) / Math.min(peaks.flops, longest.intensity * peaks.read_bytes);
  for (const text of [longest.op_type, longest.node, "FLOP/byte", "GFLOP/s", `${Number(share.toPrecision(2))} % of the roof`]) await expect(page.locator(".tip")).toContainText(text);
  await roofline(page).click({ position: place(other) });
  await expect(said(page)).toContainText(other.node);
  await expect(nodesUnder(page).locator('tr[aria-selected="true"]')).toContainText(other.node);
  await look(page, "profile-roofline");
  await page.reload(); // the address says all of it
  await expect(said(page)).toContainText(other.node);
  await nodesUnder(page).getByRole("cell", { name: longest.node, exact: true }).click();
  await expect(said(page)).toContainText(longest.node);
});

test("goes from node to node under the roof by keyboard alone", async ({ page }) => {
  const { run, profile } = await profiled(page);
  await page.goto(`/#/profile/digits?run=${run}&sums=roofline`);
  await roofline(page).focus();
  const intensity = (row: Row) => row.flops / (row.bytes_read + row.bytes_written);
  const least = profile.by_node.filter((row) => row.flops > 0).reduce((best, row) => (intensity(row) < intensity(best) ? row : best));
  const chosen = nodesUnder(page).locator('tr[aria-selected="true"]');
  await page.keyboard.press("ArrowRight");
  await expect(chosen.getByRole("cell").nth(3)).toHaveText(String(Number(intensity(least).toPrecision(3))));
  const rate = async () => Number(await chosen.getByRole("cell").nth(4).textContent());
  const first = { rate: await rate(), name: await chosen.textContent() };
  for (const key of ["ArrowRight", "ArrowLeft"]) await page.keyboard.press(key);
  await expect(chosen).toHaveText(first.name ?? "");
  await page.keyboard.press("ArrowUp");
  await expect(chosen).not.toHaveText(first.name ?? "");
  expect(await rate()).toBeGreaterThanOrEqual(first.rate);
  const name = (await chosen.getByRole("cell").nth(1).textContent()) ?? "";
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/graph\/digits.*node=\d+/);
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText(name);
  await page.goBack();
  await roofline(page).press("Escape");
  await expect(chosen).toHaveCount(0);
});

test("a click under the roof below the graph selects the node there", async ({ page }) => {
  const { run } = await profiled(page);
  await page.goto(`/#/graph/digits?call=encoder&run=${run}&panel=profile&sums=roofline`);
  const row = nodesUnder(page).getByRole("row").nth(1);
  const name = (await row.getByRole("cell").nth(1).textContent()) ?? "";
  await row.click();
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText(name);
  await expect(roofline(page)).toBeVisible();
  await look(page, "profile-roofline-panel");
});

test("says where there is no roof, or nothing below it", async ({ page, said }) => {
  said.refused = /503/;
  const { run, profile } = await profiled(page);
  await page.route("**/api/peaks", (route) => route.fulfill({ status: 503, json: { error: { message: "too little memory", type: "server_error", param: null, code: null } } }));
  await page.goto(`/#/profile/digits?run=${run}&sums=roofline`);
  await expect(page.getByRole("alert")).toContainText("too little memory");
  await look(page, "profile-roofline-fault");
  await page.unroute("**/api/peaks");
  await page.getByRole("alert").getByRole("button").click();
  await expect(roofline(page)).toBeVisible();
  await page.route("**/api/runs/*/profile*", async (route) => {
    await route.fulfill({ json: { ...profile, by_node: profile.by_node.map((row) => ({ ...row, flops: 0 })) } });
  });
  await page.reload();
  await expect(page.getByRole("tabpanel")).toContainText("No node of this run has operations and bytes that are known.");
  await look(page, "profile-roofline-empty");
});

test("gives a trace for Perfetto", async ({ page }) => {
  const { run, profile } = await profiled(page);
  await page.goto(`/#/profile/digits?run=${run}`);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Trace for Perfetto" }).click()]);
  const { traceEvents } = JSON.parse(readFileSync(await file.path(), "utf8")) as { traceEvents: unknown[] };
  expect(traceEvents.length).toBeGreaterThanOrEqual(profile.total);
});

test("says that there is no profile", async ({ page }) => {
  await page.goto("/#/profile/digits");
  await expect(page.locator("main")).toContainText("No run of this model has a profile.");
  await look(page, "profile-empty");
  await page.goto("/#/profile/digits?run=r999");
  await expect(page.locator("main")).toContainText("The run r999 has no profile.");
});
