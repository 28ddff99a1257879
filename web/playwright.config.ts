import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  outputDir: "../build/web-results",
  globalSetup: "./tests/setup.ts",
  // Ends what hangs, also on a machine that is busy with something else; no test is judged by its time.
  timeout: 300_000,
  expect: { timeout: 60_000 },
  // Each has a server of its own, and a page waits for its server: with two, two processors are idle for a fifth of the time.
  workers: 3,
  reporter: "list",
  use: {
    // Chromium without its own windows: the same pages for two thirds of the processors' time.
    launchOptions: { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium-headless-shell", args: ["--no-sandbox", "--use-fake-device-for-media-stream"] },
    viewport: { width: 1280, height: 800 },
  },
});
