// The part of a tensor that is looked at: two axes as rows and columns, the others at an index.
import { useEffect, useMemo, useRef } from "react";
import type { Element } from "../../api/elements";
import { useAsked, type Asked } from "../../components/states";
import { goTo, type Address } from "../../state/address";
import { elementsOf, type Described, type Source } from "../../state/source";

/** Axes are null where the tensor has too few. */
export interface Axes {
  rows: number | null;
  columns: number | null;
  /** Of images with colours. */
  channel: number | null;
  /** An index for each axis; of rows and columns that of the first in the table. */
  at: number[];
}

/** [..., C, H, W] or [..., H, W, C] with 3 or 4 colours. */
export function channelOf(shape: number[]): number | null {
  const n = shape.length;
  const colours = (axis: number) => shape[axis] === 3 || shape[axis] === 4;
  if (n < 3) return null;
  return colours(n - 3) ? n - 3 : colours(n - 1) ? n - 1 : null;
}

function usual(shape: number[], image: boolean): [number | null, number | null] {
  const n = shape.length;
  if (n === 0) return [null, null];
  if (n === 1) return [0, null];
  return image && channelOf(shape) === n - 1 ? [n - 3, n - 2] : [n - 2, n - 1];
}

/** The axes that an address names (`axes=ROWS.COLUMNS`, `at=I.J.K`), as far as the shape has them. */
export function axesInAddress({ query }: Address, shape: number[], image: boolean): Axes {
  const numbers = (text: string | undefined) => (text ?? "").split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : NaN));
  const named = numbers(query["axes"]);
  const good = shape.length > 1 && named.length === 2 && named.every((axis) => axis < shape.length) && named[0] !== named[1];
  const [rows, columns] = good ? [named[0]!, named[1]!] : usual(shape, image);
  const given = numbers(query["at"]);
  const at = shape.map((size, axis) => (given.length === shape.length && given[axis]! < size ? given[axis]! : 0));
  const channel = image ? channelOf(shape) : null;
  return { rows, columns, channel: channel === rows || channel === columns ? null : channel, at };
}

export const setAxes = (rows: number, columns: number) => goTo({ query: { axes: `${rows}.${columns}`, at: null }, replace: true });
export const setAt = (at: number[]) => goTo({ query: { at: at.some((index) => index > 0) ? at.join(".") : null }, replace: true });
export const withIndex = (at: number[], axis: number, index: number): number[] => at.map((old, k) => (k === axis ? index : old));

export interface Range {
  begin: number;
  count: number;
  step: number;
}

/** All of an axis, or where that is too much every step-th index. */
export function spread(size: number, most: number): Range {
  const step = Math.max(Math.ceil(size / most), 1);
  return { begin: 0, count: Math.ceil(size / step), step };
}

/** As NumPy writes it: ranges of some axes, an index of the others. */
export function sliceText(at: number[], ranges: Map<number, Range>): string {
  return at
    .map((index, axis) => {
      const range = ranges.get(axis);
      if (!range) return String(index);
      const { begin, count, step } = range;
      return `${begin}:${begin + (count - 1) * step + 1}${step > 1 ? `:${step}` : ""}`;
    })
    .join(",");
}

export interface Plane {
  rows: Range;
  columns: Range;
  values: ArrayLike<Element>;
  dtype: string;
  at: (row: number, column: number, channel?: number) => Element;
}

const one: Range = { begin: 0, count: 1, step: 1 };

async function readPlane(source: Source, axes: Axes, rows: Range, columns: Range, channels: number, signal: AbortSignal): Promise<Plane> {
  const ranges = new Map<number, Range>();
  if (axes.rows !== null) ranges.set(axes.rows, rows);
  if (axes.columns !== null) ranges.set(axes.columns, columns);
  if (axes.channel !== null && channels > 1) ranges.set(axes.channel, { begin: 0, count: channels, step: 1 });
  const { values, dtype } = await elementsOf(source, sliceText(axes.at, ranges), signal);
  const strides = new Map<number, number>(); // the answer has the axes of the tensor, in their order
  let stride = 1;
  for (const axis of [...ranges.keys()].sort((a, b) => b - a)) {
    strides.set(axis, stride);
    stride *= ranges.get(axis)!.count;
  }
  const of = (axis: number | null) => (axis === null ? 0 : (strides.get(axis) ?? 0));
  const [row, column, channel] = [of(axes.rows), of(axes.columns), of(axes.channel)];
  return { rows, columns, values, dtype, at: (r, c, k = 0) => values[r * row + c * column + k * channel] ?? NaN };
}

export const sizeOf = (shape: number[], axis: number | null): number => (axis === null ? 1 : (shape[axis] ?? 1));

/** Reads the ranges of rows and columns; null: nothing yet. `channels`: how many of the axis of colours. */
export function usePlane(value: Described, axes: Axes, rows: Range | null, columns: Range | null, channels = 1): Asked<Plane> {
  const key = rows && columns ? JSON.stringify([value.source, axes, rows, columns, channels]) : null;
  const asked = useAsked(key, (signal) => readPlane(value.source, axes, rows ?? one, columns ?? one, channels, signal));
  const { again } = asked;
  const { count, min, max, mean } = value.seen;
  const version = `${count} ${min} ${max} ${mean}`; // a run that goes on may compute the value once more
  const shown = useRef(version);
  useEffect(() => {
    if (shown.current !== version) again();
    shown.current = version;
  }, [version, again]);
  return asked;
}

/** The plane of a value, of long axes every step-th index: at most `most` along each. */
export function useSpread(value: Described, axes: Axes, most: number, channels = 1): Asked<Plane> {
  const { shape } = value;
  const rows = useMemo(() => spread(sizeOf(shape, axes.rows), most), [shape, axes.rows, most]);
  const columns = useMemo(() => spread(sizeOf(shape, axes.columns), most), [shape, axes.columns, most]);
  return usePlane(value, axes, rows, columns, channels);
}

/** All of the plane, for copying and files. */
export function readAll(value: Described, axes: Axes): Promise<Plane> {
  const range = (axis: number | null): Range => ({ begin: 0, count: sizeOf(value.shape, axis), step: 1 });
  return readPlane(value.source, { ...axes, channel: null }, range(axes.rows), range(axes.columns), 1, new AbortController().signal);
}
