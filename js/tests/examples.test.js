/** The examples in JavaScript, in a folder where the package is installed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readNpy, root, withCommand } from "./support.js";

/** A second of a tone, 16 bits at 16 kHz, in a WAV file. */
function tone() {
  const file = Buffer.alloc(44 + 32000);
  file.write("RIFF    WAVEfmt ", "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  [16, 1 | (1 << 16), 16000, 32000, 2 | (16 << 16)].forEach((number, i) => file.writeUInt32LE(number, 16 + 4 * i));
  file.write("data", 36, "latin1");
  file.writeUInt32LE(32000, 40);
  for (let i = 0; i < 16000; i++) file.writeInt16LE(Math.round(9000 * Math.sin(i / 7)), 44 + 2 * i);
  return file;
}

test("features.mjs", () => {
  const folder = mkdtempSync(join(tmpdir(), "sibyl-js-"));
  try {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(join(root, "js"), join(folder, "node_modules", "sibyl"));
    cpSync(join(root, "examples", "features.mjs"), join(folder, "features.mjs"));
    writeFileSync(join(folder, "speech.wav"), tone());
    const said = execFileSync(process.execPath, ["features.mjs", "speech.wav"], { cwd: folder, encoding: "utf8" });
    const native = withCommand(["features", "-", "-o", "out.npy"], tone(), (made) => readNpy(join(made, "out.npy")));
    const found = new Float32Array(new Uint8Array(readFileSync(join(folder, "features.f32"))).buffer);
    assert.equal(said, `features.f32: ${native.dims[0]} bands, ${native.dims[1]} frames\n`);
    assert.equal(found.length, native.data.length);
    found.forEach((x, i) => assert.ok(Math.abs(x - native.data[i]) < 1e-4, `element ${i}: ${x}, ${native.data[i]}`));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
