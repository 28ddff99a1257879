/** What tests share: shared data, the native command, .npy files, and the values of ONNX's test data. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Tensor } from "../src/index.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** The folder of shared data that is called so; null where it is missing. */
export function dataFolder(name) {
  for (const base of [process.env.SIBYL_DATA, join(root, "../shared/data")])
    if (base && existsSync(join(base, name))) return join(base, name);
  return null;
}

/** Runs the native command in a folder of its own, which `use` reads. */
export function withCommand(args, input, use) {
  const command = process.env.SIBYL_COMMAND ?? join(root, "build/release/cli/sibyl");
  const folder = mkdtempSync(join(tmpdir(), "sibyl-js-"));
  try {
    const done = spawnSync(command, args, { cwd: folder, input, maxBuffer: 1 << 28 });
    if (done.error) throw done.error;
    if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr}`);
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A .npy file of float32. */
export function readNpy(path) {
  const file = readFileSync(path);
  const end = 10 + file.readUInt16LE(8);
  const header = file.toString("latin1", 10, end);
  if (!header.includes("'<f4'") || header.includes("'fortran_order': True")) throw new Error(`${path}: ${header}`);
  const dims = /\(([^)]*)\)/.exec(header)[1].split(",").filter((d) => d.trim()).map(Number);
  return { dims, data: new Float32Array(new Uint8Array(file.subarray(end)).buffer) };
}

/* ---- TensorProto (onnx.proto3) ---- */

/** Yields [field, wire type, number or bytes] of a protobuf message. */
function* fieldsOf(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wire = key & 7;
    const size = wire === 0 ? 0 : wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
    yield [key >> 3, wire, wire === 0 ? varint() : bytes.subarray(at, at + size)];
    at += size;
  }
}

const NUMBERS = [
  "", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64", "uint32", "uint64",
];

/** A tensor with raw_data, as those of the real models have; others are refused. */
export function readTensorProto(path) {
  const dims = [];
  let dtype, raw;
  for (const [field, wire, value] of fieldsOf(readFileSync(path))) {
    if (field === 1 && wire === 0) dims.push(Number(value));
    else if (field === 1) dims.push(...Array.from(varintsOf(value), Number));
    else if (field === 2) dtype = NUMBERS[Number(value)];
    else if (field === 9) raw = value;
    else if (field !== 8) throw new Error(`${path}: field ${field} of TensorProto`);
  }
  if (!dtype || !raw) throw new Error(`${path}: no raw data of a known type`);
  const empty = new Tensor(dtype, [], [0]);
  return new Tensor(dtype, new empty.data.constructor(new Uint8Array(raw).buffer), dims);
}

function* varintsOf(bytes) {
  for (let at = 0; at < bytes.length; ) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    yield value;
  }
}

/** The values of input_N.pb or output_N.pb in order. */
export function readCase(folder, what) {
  const count = readdirSync(folder).filter((name) => name.startsWith(`${what}_`)).length;
  return Array.from({ length: count }, (_, i) => readTensorProto(join(folder, `${what}_${i}.pb`)));
}
