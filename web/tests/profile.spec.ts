import { readFileSync } from "node:fs";
import { expect, look, test } from "./server";
import type { Page } from "@playwright/test";

interface Span {
  kind: string;
  name: string;
  op_type: string;
  begin: number;
  end: number;
  depth: number;
  parent: number;
}

interface Answer {
  total: number;
  spans: Span[];
  by_operator: { op_type: string; calls: number }[];
  by_node: { node: string }[];
}

const timeline = (page: Page) => page.getByRole("application", { name: "Timeline" });
const said = (page: Page) => page.locator(".span-facts");

async function profiled(page: Page): Promise<{ run: string; profile: Answer }> {
  const { id: run } = (await (await page.request.post("/api/runs", { data: { model: "digits", kind: "graph", call: "encoder", dims: { B: 1 }, keep: ["*"], profile: true } })).json()) as { id: string };
  await expect.poll(async () => ((await (await page.request.get(`/api/runs/${run}`)).json()) as { state: string }).state).toBe("done");
  return { run, profile: (await (await page.request.get(`/api/runs/${run}/profile`)).json()) as Answer };
}

/** Clicks the middle of a span while all of the time is shown. */
async function click(page: Page, { spans }: Answer, span: Span): Promise<void> {
  const box = await timeline(page).boundingBox();
  if (!box) throw new Error("the timeline is not shown");
  const last = Math.max(...spans.map(({ end }) => end));
  await timeline(page).click({ position: { x: (((span.begin + span.end) / 2) * box.width) / last, y: 20 + 19 * span.depth + 8 } });
}

const longest = ({ spans }: Answer, kind: string) => spans.filter((span) => span.kind === kind).reduce((best, span) => (span.end - span.begin > best.end - best.begin ? span : best));

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
  while (profile.spans[Number(new URL(page.url().replace("#", "")).searchParams.get("span"))]?.kind !== "node") await page.keyboard.press("ArrowRight");
  const span = profile.spans[Number(new URL(page.url().replace("#", "")).searchParams.get("span"))];
  await expect(said(page)).toContainText(span?.name ?? "");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/graph\/digits.*node=\d+/);
  await expect(page.getByRole("region", { name: "Inspector" })).toContainText(span?.name ?? "");
});

test("leads to nodes in graphs inside, and to nodes without names", async ({ page }) => {
  for (const file of ["branch.onnx", "plain.onnx"]) expect((await page.request.post("/api/models", { data: { loader: "file", options: { file } } })).status()).toBe(201);
  for (const [file, inputs, row, type] of [
    ["branch", { c: { data: true }, x: { data: [1, 2] } }, /Exp_node/, "Exp"],
    ["plain", { x: { data: [1, 2] } }, /^Neg/, "Neg"],
  ] as const) {
    const { id } = (await (await page.request.post("/api/runs", { data: { model: file, kind: "graph", inputs, profile: true, keep: ["*"] } })).json()) as { id: string };
    await expect.poll(async () => ((await (await page.request.get(`/api/runs/${id}`)).json()) as { state: string }).state).toBe("done");
    await page.goto(`/#/profile/${file}?run=${id}&sums=nodes`);
    await page.getByRole("row", { name: row }).click();
    await expect(page.getByRole("region", { name: "Inspector" }).getByRole("heading", { name: type, exact: true })).toBeVisible();
  }
  await page.getByRole("combobox", { name: "Colour by" }).selectOption("Time");
  await expect(page.getByRole("group", { name: "Colour by" })).toContainText("Selected:");
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
