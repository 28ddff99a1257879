/** Official cases of ONNX and the real models, by a program for WASI that reads them itself. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { dataFolder } from "./support.js";

const program = fileURLToPath(new URL("../scripts/wasi.js", import.meta.url));

/** Runs cases of a folder in a process of their own, within atol + |expected| / 1000; returns [passed, { case: why it did not pass }]. */
function conform(folder, names, atol) {
  const args = ["conform", folder, "cpu,ref", atol, ...names.map((name) => `/cases/${name}`)];
  const done = spawnSync(process.execPath, ["--no-warnings", program, ...args], { encoding: "utf8", maxBuffer: 1 << 26 });
  const lines = done.stdout.trimEnd().split("\n");
  const count = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(lines.pop());
  assert.ok(count, `the program ended with ${done.status ?? done.signal}: ${lines.at(-1)} ${done.stderr}`);
  const others = lines.map((line) => /^(failed|skipped) \/cases\/(\S+): (.*)/.exec(line)).filter(Boolean);
  assert.equal(others.length, Number(count[2]) + Number(count[3]), done.stdout);
  return [Number(count[1]), Object.fromEntries(others.map(([, , name, why]) => [name, why]))];
}

/** What this build refuses by name: regular expressions, letters by Unicode's rules, and formats of images. */
const REFUSED = /: this build has no kernel for it$|: this build reads BMP, PBM, PGM and PPM files alone$/;

for (const room of ["node", "simple", "pytorch-converted", "pytorch-operator"]) {
  const folder = dataFolder(join("onnx-conformance", room));
  test(`official cases: ${room}`, { skip: folder ? false : "onnx-conformance is missing" }, (t) => {
    const names = readdirSync(folder);
    const [passed, others] = conform(folder, names, "1e-7");
    const wrong = Object.entries(others).filter(([, why]) => !REFUSED.test(why));
    assert.deepEqual(wrong, []);
    t.diagnostic(`${passed} of ${names.length} passed; refused by name: ${Object.keys(others).join(" ") || "none"}`);
  });
}

const models = dataFolder("real-models");
test("real models", { skip: models ? false : "real-models are missing" }, (t) => {
  const names = readdirSync(models);
  const [passed, others] = conform(models, names, "1e-4"); // as tests/conform/real-models.sh
  // As natively (tests/conform/passes.manifest): the reference was made without passes.
  const step = others.nano_kws_int8;
  if (step) assert.match(step, /^logits: 1 of 24 elements differ;/);
  assert.deepEqual(Object.keys(others).filter((name) => name !== "nano_kws_int8"), []);
  t.diagnostic(`${passed} of ${names.length} passed${step ? ", and of nano_kws_int8 23 of 24 logits" : ""}`);
});
