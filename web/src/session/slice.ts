// A slice of elements in row-major order, as the server makes it.

interface Axis {
  begin: number;
  count: number;
  step: number;
  /** An index, which leaves no axis. */
  gone: boolean;
}

function axisOf(text: string, size: number): Axis {
  const [begin = "", end, step = ""] = text.split(":");
  if (end === undefined) return { begin: Number(begin), count: 1, step: 1, gone: true };
  const [from, to, by] = [Number(begin), end === "" ? size : Math.min(Number(end), size), Number(step) || 1];
  return { begin: from, count: Math.max(Math.ceil((to - from) / by), 0), step: by, gone: false };
}

/** slice: indices and ranges from 0 up, as in NumPy, of the first axes. width: bytes of an element. Throws where it reaches past the shape. */
export function sliced(bytes: Uint8Array, shape: number[], width: number, slice: string): { shape: number[]; bytes: Uint8Array } {
  const parts = slice === "" ? [] : slice.split(",");
  const axes = shape.map((size, k) => axisOf(parts[k] ?? ":", size));
  if (parts.length > shape.length || axes.some(({ begin, count, step }, k) => !(begin >= 0 && step > 0 && (count === 0 || begin + (count - 1) * step < shape[k]!)))) throw new Error(`no slice of [${shape.join(", ")}]: ${slice}`);
  const strides = shape.map((_, k) => shape.slice(k + 1).reduce((product, size) => product * size, width));
  const out = new Uint8Array(axes.reduce((product, { count }) => product * count, width));
  let at = 0;
  const take = (k: number, offset: number) => {
    if (k === axes.length) {
      out.set(bytes.subarray(offset, offset + width), at);
      at += width;
      return;
    }
    const { begin, count, step } = axes[k]!;
    for (let i = 0; i < count; i++) take(k + 1, offset + (begin + i * step) * strides[k]!);
  };
  take(0, 0);
  return { shape: axes.filter(({ gone }) => !gone).map(({ count }) => count), bytes: out };
}
