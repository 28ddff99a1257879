// A `sibyl serve` of its own for each worker of the tests, with the model that the repository ships.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test as base, type Locator, type Page } from "@playwright/test";
import axe from "axe-core";
import { slow } from "./slow";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const pictures = `${root}build/web-pictures`;
export const models = `${root}build/web-models`;
export const arrays = `${root}build/web-arrays`;
export const command = process.env["SIBYL_COMMAND"] ?? `${root}build/sibyl`;

async function start(args: string[]): Promise<{ process: ChildProcess; url: string }> {
  const process = spawn(command, ["serve", ...args, "--port", "0"], { stdio: ["ignore", "pipe", "pipe"] });
  let [said, errors] = ["", ""];
  process.stderr.on("data", (bytes: Buffer) => (errors += bytes.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    process.stdout.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      const found = /serving at (\S+)\n/.exec(said);
      if (found?.[1]) resolve(found[1]);
    });
    process.on("exit", (code) => reject(new Error(`${command} ended with ${code}: ${errors}`)));
  });
  return { process, url };
}

interface Shared {
  /** The server's address. */
  server: string;
}

/** What the browser said on its console as errors or warnings, and what failed in the page. */
interface Said {
  lines: string[];
  /** What it reports of the answers that a test has the server refuse. */
  refused: RegExp | null;
}

interface Own {
  /** Closes what a test opened, so that the next finds the server as it began. */
  closed: void;
  /** As fast as it is, or slow (slow.ts). */
  paced: void;
  said: Said;
  /** Starts another server, which ends with the test; its address. */
  serve: (...args: string[]) => Promise<string>;
}

export const test = base.extend<Own, Shared>({
  server: [
    async ({}, use) => {
      const { process, url } = await start(["digits", "--models", models]);
      await use(url);
      process.kill("SIGTERM");
      const [code] = (await once(process, "exit")) as [number];
      expect(code).toBe(0);
    },
    { scope: "worker" },
  ],
  baseURL: async ({ server }, use) => use(server),
  paced: [async ({ context }, use) => (await slow(context), await use()), { auto: true }],
  closed: [
    async ({ request, server }, use) => {
      await use();
      const { models } = (await (await request.get(`${server}/api/models`)).json()) as { models: { id: string }[] };
      const { runs } = (await (await request.get(`${server}/api/runs`)).json()) as { runs: { id: string }[] };
      for (const { id } of runs) expect((await request.delete(`${server}/api/runs/${id}`)).status()).toBe(204);
      for (const { id } of models) if (id !== "digits") expect((await request.delete(`${server}/api/models/${id}`)).status()).toBe(204);
    },
    { auto: true },
  ],
  said: [
    async ({ page }, use) => {
      const said: Said = { lines: [], refused: null };
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") said.lines.push(`${message.text()} (${message.location().url})`);
      });
      page.on("pageerror", (fault) => said.lines.push(String(fault)));
      await use(said);
      expect(said.lines.filter((line) => !said.refused?.test(line)), "errors on the console").toEqual([]);
    },
    { auto: true },
  ],
  serve: async ({}, use) => {
    const started: ChildProcess[] = [];
    await use(async (...args) => {
      const { process, url } = await start(args);
      started.push(process);
      return url;
    });
    for (const process of started) process.kill("SIGTERM");
  },
});

export { expect };

export const themes = ["light", "dark"] as const;
export const sizes = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
];

// The page is never as a test wants it at once: what is read of it is read until it is so.

const quick = Boolean(process.env["SIBYL_QUICK"]);
/** Rows and items like those before them, which quick runs leave out: of tables, axe takes longer to read their colours than all else takes. */
const alike = quick ? ["tbody tr:nth-child(n + 7)", "li:nth-child(n + 7)", "tbody td:nth-child(n + 12)"] : [];

/** axe finds nothing in what is shown; rules: those that are looked at, where not all. */
export async function checkAccess(page: Page, rules: string[] | null = null): Promise<void> {
  await expect(async () => {
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source); // once for each page, since reading it takes longer than most rules
    const found = await page.evaluate(
      async ([rules, exclude]) => {
        const { violations } = await (window as unknown as { axe: typeof axe }).axe.run({ exclude }, { resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }) });
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join("; ")}`);
      },
      [rules, alike] as const,
    );
    expect(found).toEqual([]);
  }).toPass({ timeout: 60_000 });
}

/** Nothing reaches past the window. */
export async function checkFits(page: Page): Promise<void> {
  await expect.poll(() => page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight])).toEqual([0, 0]);
}

/** Looks at what is shown in both themes: axe and a picture in each of the sizes, in quick runs in one of them. */
export async function look(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  for (const [i, theme] of themes.entries()) {
    await page.emulateMedia({ colorScheme: theme });
    await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
    for (const size of quick ? sizes.slice(i, i + 1) : sizes) {
      await page.setViewportSize(size);
      await checkFits(page);
      await page.screenshot({ path: `${pictures}/${name}-${size.width}-${theme}.png` });
    }
    await checkAccess(page, quick && i > 0 ? ["color-contrast"] : null); // a theme changes colours alone
  }
}

/** Drops a file on the page or a part of it, as the browser does it. */
export async function drop(page: Page, name: string, data: Buffer, target = "body"): Promise<void> {
  await expect(page.locator(".shell")).toBeVisible(); // which takes files
  const transfer = await page.evaluateHandle(
    ([file, bytes]) => {
      const made = new DataTransfer();
      made.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], file));
      return made;
    },
    [name, data.toString("base64")] as const,
  );
  for (const event of ["dragenter", "dragover", "drop"]) await page.dispatchEvent(target, event, { dataTransfer: transfer });
}

/** Opens a file of the server's folder of models. */
export async function opened(page: Page, file: string): Promise<void> {
  expect((await page.request.post("/api/models", { data: { loader: "file", options: { file } } })).status()).toBe(201);
}

/** Runs a graph through the server, and waits for its end; the run's id. */
export async function finished(page: Page, body: object): Promise<string> {
  const { id } = (await (await page.request.post("/api/runs", { data: { kind: "graph", keep: ["*"], ...body } })).json()) as { id: string };
  await expect.poll(async () => ((await (await page.request.get(`/api/runs/${id}`)).json()) as { state: string }).state).toBe("done");
  return id;
}

/** Sends the form of a run; the run's id. */
export async function send(page: Page): Promise<string> {
  const dialog = page.getByRole("dialog");
  const [answer] = await Promise.all([page.waitForResponse((response) => response.request().method() === "POST" && /\/api\/runs$/.test(response.url())), dialog.getByRole("button", { name: "Start" }).click()]);
  const { id } = (await answer.json()) as { id: string };
  await expect(dialog).toHaveCount(0);
  await expect(page).toHaveURL(new RegExp(`run=${id}\\b`));
  return id;
}

/** No request is under way: what was cancelled has ended on the server too. */
export const idle = (page: Page) => expect.poll(async () => /^sibyl_queue_running\S* 0$/m.test(await (await page.request.get("/metrics")).text())).toBe(true);

/** Goes down from item to item of the graph that has the focus, until the inspector has this title. */
export async function walkTo(page: Page, title: RegExp): Promise<void> {
  const shown = page.getByRole("region", { name: "Inspector" }).getByRole("heading", { level: 2 }).nth(1);
  for (let k = 0; k < 40; k++) {
    const before = page.url();
    await page.keyboard.press("ArrowDown");
    await expect(page).not.toHaveURL(before);
    if (title.test((await shown.textContent()) ?? "")) return;
  }
  throw new Error(`no item has the title ${title}`);
}

/** The percentage that is shown is that of a logarithm. */
export const expectPercent = (shown: Locator, logprob: number) =>
  expect.poll(async () => Math.abs(Number.parseFloat((await shown.textContent()) ?? "") - Math.exp(logprob) * 100)).toBeLessThan(0.06);

/** What is read once it is the same twice: a drawing that goes on is not. */
export async function settled(read: () => Promise<string>): Promise<string> {
  let last = "";
  await expect.poll(async () => last === (last = await read())).toBe(true);
  return last;
}
