/** Features beside those of the native library. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { libraryInfo, logMelSpectrogram, SibylError } from "../src/index.js";
import { readNpy, withCommand } from "./support.js";

/** Three seconds of a rising tone, and noise of a counting generator that becomes louder. */
function recording(n = 48000) {
  let state = 1;
  return Float32Array.from({ length: n }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const seconds = i / 16000;
    return 0.4 * Math.sin(2 * Math.PI * (100 + 900 * seconds) * seconds) + (0.2 * i * (state / 2 ** 32 - 0.5)) / n;
  });
}

function native(samples, options) {
  const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
  return withCommand(["features", "-", "--pcm", "f32le", "--float", "-o", "out.npy", ...options], bytes, (folder) =>
    readNpy(join(folder, "out.npy")),
  );
}

function worst(a, b) {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i])), 0);
}

const fronts = [
  [{}, []],
  [{ nMels: 128 }, ["--bands", "128"]],
  [{ smooth: "valid" }, ["--smooth", "valid"]],
  [{ preset: "librosa" }, ["--preset", "librosa"]],
  [{ preset: "kaldi" }, ["--preset", "kaldi"]],
];

for (const [options, args] of fronts)
  test(`features of ${JSON.stringify(options)} are the native library's`, async () => {
    const samples = recording();
    const precise = await logMelSpectrogram(samples, { ...options, precise: true });
    const exact = native(samples, [...args, "--precise"]);
    assert.deepEqual(precise.dims, exact.dims);
    const scale = exact.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    assert.ok(worst(precise.data, exact.data) <= 2 ** -23 * scale, `${worst(precise.data, exact.data)} in double`);
    const fast = await logMelSpectrogram(samples, options);
    assert.deepEqual(fast.dims, exact.dims);
    const budget = 2 * worst(native(samples, args).data, exact.data) + 2 ** -22 * scale; // what float takes natively
    assert.ok(worst(fast.data, exact.data) <= budget, `${worst(fast.data, exact.data)} in float, ${budget} allowed`);
  });

test("a padded recording is that with zeros behind it", async () => {
  const samples = recording(8000);
  const longer = new Float32Array(12000);
  longer.set(samples);
  assert.deepEqual(await logMelSpectrogram(samples, { padding: 4000 }), await logMelSpectrogram(longer));
});

test("what cannot be computed is refused with the library's message", async () => {
  await assert.rejects(logMelSpectrogram(new Float32Array(10)), (e) => e instanceof SibylError && e.code === "value");
  const bad = recording(1600);
  bad[7] = NaN;
  await assert.rejects(logMelSpectrogram(bad), /7/);
  await assert.rejects(logMelSpectrogram(recording(1600), { preset: "mfcc" }), /mfcc/);
  await assert.rejects(logMelSpectrogram(recording(1600), { hop: 3 }), /option hop/);
  await assert.rejects(logMelSpectrogram(recording(1600), { window: "kaiser" }), /kaiser/);
  await assert.rejects(logMelSpectrogram(recording(1600), { hopLength: 0 }), /hop_length/);
  await assert.rejects(logMelSpectrogram([1, 2, 3]), TypeError);
});

test("nothing stays behind", async () => {
  const samples = recording(16000);
  await logMelSpectrogram(samples);
  const before = await libraryInfo();
  for (let i = 0; i < 50; i++) await logMelSpectrogram(samples);
  const after = await libraryInfo();
  assert.equal(after.bytesHeld, before.bytesHeld);
  assert.equal(after.memory, before.memory);
});
