// A `sibyl serve` of its own for each worker of the tests, with the model that the repository ships.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test as base, type Page } from "@playwright/test";
import axe from "axe-core";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const pictures = `${root}build/web-pictures`;
export const models = `${root}build/web-models`;
export const arrays = `${root}build/web-arrays`;
export const command = process.env["SIBYL_COMMAND"] ?? `${root}build/sibyl`;

export async function start(args: string[]): Promise<{ process: ChildProcess; url: string }> {
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

interface Own {
  /** Closes what a test opened, so that the next finds the server as it began. */
  closed: void;
  /** What the browser said on its console as errors or warnings, and what failed in the page. */
  said: string[];
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
      const said: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") said.push(`${message.text()} (${message.location().url})`);
      });
      page.on("pageerror", (fault) => said.push(String(fault)));
      await use(said);
      expect(said, "errors on the console").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

export const themes = ["light", "dark"] as const;
export const sizes = [
  { width: 1280, height: 800 },
  { width: 1920, height: 1080 },
];

/** axe finds nothing in what is shown now. */
export async function checkAccess(page: Page): Promise<void> {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source); // once for each page, since reading it takes longer than most rules
  const found = await page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join("; ")}`);
  });
  expect(found).toEqual([]);
}

/** Nothing reaches past the window. */
export async function checkFits(page: Page): Promise<void> {
  const over = await page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]);
  expect(over).toEqual([0, 0]);
}

/** Looks at what is shown in both themes: axe and a picture in each of the sizes, in quick runs in one of them. */
export async function look(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  for (const [i, theme] of themes.entries()) {
    await page.emulateMedia({ colorScheme: theme });
    await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
    for (const size of process.env["SIBYL_QUICK"] ? sizes.slice(i, i + 1) : sizes) {
      await page.setViewportSize(size);
      await checkFits(page);
      await page.screenshot({ path: `${pictures}/${name}-${size.width}-${theme}.png` });
    }
    await checkAccess(page);
  }
}

/** Drops a file on the page or a part of it, as the browser does it. */
export async function drop(page: Page, name: string, data: Buffer, target = "body"): Promise<void> {
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
