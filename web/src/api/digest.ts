// A digest of a value in one form, whether it came over the WebSocket or as an answer.
import { cellsOf, type LiveFrame } from "./socket";
import type { Digest } from "./types";

export interface Seen {
  dtype: string;
  shape: number[];
  count: number;
  nan: number;
  plusInf: number;
  minusInf: number;
  zero: number;
  /** Of the finite elements; NaN where there are none. */
  min: number;
  max: number;
  mean: number;
  std: number;
  /** 64 bins from min to max. */
  histogram: number[];
  rows: number;
  columns: number;
  /** rows × columns means; NaN where a cell has no finite element. */
  cells: Float32Array;
  /** 1: the cell has elements that are not finite. */
  marked: Uint8Array;
  /** Seconds since the run began; null where the answer has none. */
  time: number | null;
}

export function seenInFrame({ header: h, payload }: LiveFrame): Seen {
  const [rows, columns] = [h.rows ?? 0, h.columns ?? 0];
  const marked = new Uint8Array(rows * columns);
  for (let i = 0; i < marked.length; i++) marked[i] = ((h.not_finite?.[Math.floor(i / columns)] ?? 0) >>> i % columns) & 1;
  return {
    dtype: h.dtype,
    shape: h.shape,
    count: h.count ?? 0,
    nan: h.nan ?? 0,
    plusInf: h.plus_inf ?? 0,
    minusInf: h.minus_inf ?? 0,
    zero: h.zero ?? 0,
    min: h.min ?? NaN,
    max: h.max ?? NaN,
    mean: h.mean ?? NaN,
    std: h.std ?? NaN,
    histogram: h.histogram ?? [],
    rows,
    columns,
    cells: cellsOf({ header: h, payload }),
    marked,
    time: h.time,
  };
}

export function seenInAnswer(digest: Digest, dtype: string, shape: number[]): Seen {
  const [rows, columns] = [digest.rows ?? 0, digest.columns ?? 0];
  const marked = new Uint8Array(rows * columns);
  for (const [r, c] of digest.not_finite ?? []) marked[r * columns + c] = 1;
  const { count, nan, zero } = digest;
  return {
    dtype,
    shape,
    count,
    nan,
    plusInf: digest.plus_inf,
    minusInf: digest.minus_inf,
    zero,
    min: digest.min ?? NaN,
    max: digest.max ?? NaN,
    mean: digest.mean ?? NaN,
    std: digest.std ?? NaN,
    histogram: digest.histogram ?? [],
    rows,
    columns,
    cells: Float32Array.from(digest.cells ?? [], (cell) => cell ?? NaN),
    marked,
    time: null,
  };
}
