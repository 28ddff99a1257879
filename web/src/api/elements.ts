// Elements of values: the server sends them raw, little-endian in row-major order.
import { address, request } from "./client";

export type Element = number | bigint;

export interface Elements {
  dtype: string;
  shape: number[];
  values: ArrayLike<Element>;
}

/** A number of a format of at most 16 bits: sign, exponent and fraction from the highest bit down. */
function smallFloat(bits: number, exponentBits: number, fractionBits: number, bias: number, special: "ieee" | "nan-only" | "unsigned-zero" | "finite"): number {
  const sign = bits >> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1);
  const fraction = bits & ((1 << fractionBits) - 1);
  const top = (1 << exponentBits) - 1;
  if (special === "ieee" && exponent === top) return fraction ? NaN : sign * Infinity;
  if (special === "nan-only" && exponent === top && fraction === (1 << fractionBits) - 1) return NaN;
  if (special === "unsigned-zero" && bits === 1 << (exponentBits + fractionBits)) return NaN;
  const scale = 2 ** ((exponent || 1) - bias - fractionBits);
  return sign * (exponent ? fraction + (1 << fractionBits) : fraction) * scale;
}

const bfloat = new DataView(new ArrayBuffer(4));

/** Types of less than 32 bits that the browser has no array for: bits of an element, and what they mean. */
const small: Record<string, [number, (bits: number) => number]> = {
  float16: [16, (bits) => smallFloat(bits, 5, 10, 15, "ieee")],
  bfloat16: [16, (bits) => (bfloat.setUint32(0, bits << 16), bfloat.getFloat32(0))],
  float8e4m3fn: [8, (bits) => smallFloat(bits, 4, 3, 7, "nan-only")],
  float8e4m3fnuz: [8, (bits) => smallFloat(bits, 4, 3, 8, "unsigned-zero")],
  float8e5m2: [8, (bits) => smallFloat(bits, 5, 2, 15, "ieee")],
  float8e5m2fnuz: [8, (bits) => smallFloat(bits, 5, 2, 16, "unsigned-zero")],
  float8e8m0: [8, (bits) => (bits === 255 ? NaN : 2 ** (bits - 127))],
  float4e2m1: [4, (bits) => smallFloat(bits, 2, 1, 1, "finite")],
  uint4: [4, (bits) => bits],
  int4: [4, (bits) => (bits ^ 8) - 8],
  uint2: [2, (bits) => bits],
  int2: [2, (bits) => (bits ^ 2) - 2],
};

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** Whether elements of the type can be shown as numbers. */
export const isNumeric = (dtype: string): boolean => dtype in arrays || dtype in small;
export const isFloat = (dtype: string): boolean => dtype.includes("float");

export function decodeElements(dtype: string, bytes: ArrayBuffer, count: number): ArrayLike<Element> {
  if (dtype in arrays) return new arrays[dtype as keyof typeof arrays](bytes);
  const [bits, meaning] = small[dtype] ?? [8, (value: number) => value];
  const from = new Uint8Array(bytes);
  const known = Float64Array.from({ length: 1 << Math.min(bits, 16) }, (_, i) => meaning(i));
  return Float64Array.from({ length: count }, (_, i) => {
    if (bits === 16) return known[from[2 * i]! | (from[2 * i + 1]! << 8)]!;
    const at = i * bits;
    return known[(from[at >> 3]! >> at % 8) & ((1 << bits) - 1)]!;
  });
}

export async function fetchElements(path: string, query: Record<string, string | undefined>, signal: AbortSignal): Promise<Elements> {
  const answer = await request(address(path, { ...query, format: "raw" }), { signal });
  const dtype = answer.headers.get("X-Dtype") ?? "";
  const text = answer.headers.get("X-Shape") ?? "";
  const shape = text === "" ? [] : text.split(",").map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  return { dtype, shape, values: decodeElements(dtype, await answer.arrayBuffer(), count) };
}

/** The shortest text that is this element and no other of its type. */
export function exactText(value: Element, dtype: string): string {
  if (typeof value === "bigint") return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  if (dtype === "float32") for (let digits = 1; digits < 9; digits++) if (Math.fround(Number(value.toPrecision(digits))) === value) return String(Number(value.toPrecision(digits)));
  return dtype === "float32" ? String(Number(value.toPrecision(9))) : String(value);
}
