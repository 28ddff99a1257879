/** Real models through the session, whose outputs onnxruntime gave. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { InferenceSession, libraryInfo, SibylError, Tensor } from "../src/index.js";
import { dataFolder, readCase } from "./support.js";

const models = dataFolder("real-models");
const skip = models ? false : "real-models are missing";
const model = (name) => readFileSync(join(models, name, "model.onnx"));
const inputsOf = (session, name) => {
  const values = readCase(join(models, name, "test_data_set_0"), "input");
  return Object.fromEntries(session.inputs.filter((port) => !port.optional).map((port, i) => [port.name, values[i]]));
};

function near(got, expected, what) {
  assert.equal(got.dtype, expected.dtype, what);
  assert.deepEqual(got.dims, expected.dims, what);
  if (typeof expected.data[0] !== "number") return assert.deepEqual(got.data, expected.data, what);
  const scale = expected.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  got.data.forEach((x, i) =>
    assert.ok(Math.abs(x - expected.data[i]) <= 2e-5 * scale, `${what}[${i}] is ${x}, expected ${expected.data[i]}`),
  );
}

for (const name of ["crepe_tiny", "gtcrn_simple", "mnist_8", "dtln_1", "silero_vad_v6_16k"])
  test(`${name} gives onnxruntime's outputs`, { skip }, async () => {
    const session = await InferenceSession.create(model(name));
    try {
      const outputs = await session.run(inputsOf(session, name));
      const expected = readCase(join(models, name, "test_data_set_0"), "output");
      session.outputs.forEach((port, i) => near(outputs[port.name], expected[i], port.name));
    } finally {
      session.close();
    }
  });

test("ports say names, types and dims", { skip }, async () => {
  const session = await InferenceSession.create(model("mnist_8"));
  const [input] = session.inputs;
  assert.deepEqual(input, { name: "Input3", type: "float32 [1, 1, 28, 28]", dtype: "float32", dims: [1, 1, 28, 28], optional: false });
  assert.deepEqual(session.outputs.map((port) => port.dims), [[1, 10]]);
  session.close();
});

test("what does not fit is an exception with the library's message", { skip }, async () => {
  await assert.rejects(InferenceSession.create(Uint8Array.of(1, 2, 3)), (e) => e instanceof SibylError && e.code === "format");
  await assert.rejects(InferenceSession.create("model.onnx"), TypeError);
  await assert.rejects(InferenceSession.create(model("mnist_8"), { backends: "cuda" }), /cuda/);
  const session = await InferenceSession.create(model("mnist_8"));
  const zeros = (dims) => new Tensor("float32", new Float32Array(dims.reduce((n, d) => n * d, 1)), dims);
  await assert.rejects(session.run({ Input3: zeros([1, 1, 28, 27]) }), (e) => e.code === "argument" && /28, 27/.test(e.message));
  await assert.rejects(session.run({ other: zeros([1]) }), /other/);
  await assert.rejects(session.run({}), /Input3/);
  await assert.rejects(session.run({ Input3: zeros([1, 1, 28, 28]) }, ["nothing"]), /nothing/);
  await assert.rejects(session.run({ Input3: 3 }), TypeError);
  session.close();
  session.close();
  await assert.rejects(session.run({ Input3: zeros([1, 1, 28, 28]) }), /closed/);
  assert.throws(() => new Tensor("float32", new Float32Array(3), [2]), RangeError);
  assert.throws(() => new Tensor("float12", [1]), TypeError);
});

test("a closed session leaves nothing behind", { skip }, async () => {
  const once = async () => {
    const session = await InferenceSession.create(model("mnist_8"));
    await session.run(inputsOf(session, "mnist_8"));
    await session.run({}).catch(() => {});
    session.close();
  };
  await once();
  const before = await libraryInfo();
  for (let i = 0; i < 20; i++) await once();
  const after = await libraryInfo();
  assert.equal(after.bytesHeld, before.bytesHeld);
  assert.equal(after.memory, before.memory);
});

/* ---- Values of other kinds: official cases ---- */

const cases = dataFolder("onnx-conformance");
const official = (name) => {
  const folder = cases && join(cases, "node", name);
  return folder && existsSync(folder) ? readFileSync(join(folder, "model.onnx")) : null;
};
const skipCases = cases ? false : "onnx-conformance is missing";

test("strings go in and out", { skip: skipCases }, async () => {
  const session = await InferenceSession.create(official("test_string_concat_utf8"));
  const text = (data) => new Tensor("string", data, [2]);
  const { result } = await session.run({ x: text(["äb", ""]), y: text(["c", "d€"]) });
  assert.deepEqual(result.data, ["äbc", "d€"]);
  session.close();
});

test("sequences are arrays, int64 is bigint", { skip: skipCases }, async () => {
  const session = await InferenceSession.create(official("test_sequence_insert_at_back"));
  const numbers = (list) => new Tensor("int64", list.map(BigInt), [list.length]);
  const out = await session.run({ sequence: [numbers([1]), numbers([2, 3])], tensor: numbers([4, 5, 6]) });
  assert.deepEqual(Object.values(out)[0].map((t) => Array.from(t.data)), [[1n], [2n, 3n], [4n, 5n, 6n]]);
  session.close();
});
