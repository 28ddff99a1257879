// How many numbers of a type lie between two of them.
import { isFloat, type Element } from "./elements";

/** Bits of the fraction, and the exponent of the smallest normal number. */
const formats: Record<string, [number, number]> = { float32: [23, -126], float64: [52, -1022], float16: [10, -14], bfloat16: [7, -126] };

export const hasUlp = (dtype: string): boolean => dtype in formats || !isFloat(dtype);

const bits = new DataView(new ArrayBuffer(8));

function exponentOf(x: number): number {
  bits.setFloat64(0, x);
  return ((bits.getUint32(0) >>> 20) & 0x7ff) - 1023;
}

/** The number of a finite float among those of its type, from 0 on; exact below 2^53. */
function ordinal(x: number, [fraction, least]: [number, number]): number {
  if (x === 0) return 0;
  const exponent = Math.max(exponentOf(x), least);
  const place = (exponent - least) * 2 ** fraction + Math.abs(x) / 2 ** (exponent - fraction);
  return Math.sign(x) * place;
}

/** Two elements that are not numbers of one kind are NaN apart; equal infinities, and NaN and NaN, are 0 apart. */
export function ulpBetween(a: Element, b: Element, dtype: string): number {
  if (Object.is(a, b)) return 0;
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isFinite(x) || !Number.isFinite(y)) return x === y ? 0 : NaN;
  const format = formats[dtype];
  if (format) return Math.abs(ordinal(x, format) - ordinal(y, format));
  return typeof a === "bigint" && typeof b === "bigint" ? Number(a > b ? a - b : b - a) : Math.abs(x - y);
}
