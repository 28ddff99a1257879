/** The words of vectors that compute with bits, by a program for WASI. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("words of vectors are those of the library in C", () => {
  const run = fileURLToPath(new URL("../scripts/wasi.js", import.meta.url));
  const done = spawnSync(process.execPath, ["--no-warnings", run, "words"], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stdout + done.stderr);
});
