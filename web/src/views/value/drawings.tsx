// The elements as cells, as an image, as a line and as a histogram.
import { useCallback, useMemo } from "react";
import { exactText, type Element } from "../../api/elements";
import { aroundZero, colourOf, type Colour } from "../../components/colours";
import { Plot } from "../../components/plot";
import { Raster } from "../../components/raster";
import { Shown } from "../../components/states";
import { goTo, useAddress } from "../../state/address";
import type { Described } from "../../state/source";
import { texts } from "../../texts";
import { sizeOf, spread, usePlane, useSpread, type Axes, type Plane } from "./plane";

const t = texts.value;
const [MAX_SIDE, MAX_LINE, BINS] = [512, 1 << 17, 64];

export interface DrawingProps {
  value: Described;
  axes: Axes;
}

/** The least and the greatest finite element; null where there is none. */
export function extremes(values: ArrayLike<Element>): [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const x = Number(values[i]);
    if (!Number.isFinite(x)) continue;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  return low <= high ? [low, high] : null;
}

export const index = (plane: Plane, r: number, c: number, axes: Axes) =>
  `[${axes.at.map((at, axis) => (axis === axes.rows ? r * plane.rows.step : axis === axes.columns ? c * plane.columns.step : axis === axes.channel ? ":" : at)).join(", ")}]`;

export function Steps({ plane }: { plane: Plane }) {
  if (plane.rows.step === 1 && plane.columns.step === 1) return null;
  return <p className="muted">{t.steps(plane.rows.step, plane.columns.step)}</p>;
}

/** Where a number is on a logarithmic scale from -1 to 1: 0 has no colour, the smallest other magnitude (at least a millionth of the largest) a faint one. */
export function logPlacer(values: ArrayLike<Element>, most: number): (x: number) => number {
  let least = most;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(Number(values[i]));
    if (size > 0 && size < least) least = size;
  }
  least = Math.max(least, most * 1e-6);
  const span = Math.log(most / least);
  const share = (size: number) => (span > 0 ? Math.min(Math.max(0.1 + (0.9 * Math.log(size / least)) / span, 0.1), 1) : 1);
  return (x) => (x === 0 || !(most > 0) ? 0 : Math.sign(x) * share(Math.abs(x)));
}

function LogChoice({ log }: { log: boolean }) {
  return (
    <label className="row tight">
      <input type="checkbox" checked={log} onChange={(event) => goTo({ query: { log: event.target.checked ? 1 : null }, replace: true })} />
      {t.log}
    </label>
  );
}

function Cells({ plane, axes }: { plane: Plane; axes: Axes }) {
  const range = useMemo(() => extremes(plane.values), [plane]);
  const most = range ? Math.max(Math.abs(range[0]), Math.abs(range[1])) : 0;
  const log = useAddress().query["log"] === "1";
  const place = useMemo(() => (log ? logPlacer(plane.values, most) : (x: number) => (most > 0 ? x / most : 0)), [plane, most, log]);
  const paint = useCallback(
    (style: CSSStyleDeclaration) => {
      const [scale, marked] = [aroundZero(style), colourOf(style, "--cell-marked")];
      return (r: number, c: number) => {
        const x = Number(plane.at(r, c));
        return Number.isFinite(x) ? scale(place(x)) : marked;
      };
    },
    [plane, place],
  );
  const say = (r: number, c: number) => `${index(plane, r, c, axes)} = ${exactText(plane.at(r, c), plane.dtype)}`;
  return (
    <>
      <div className="row wrap">
        <p className="muted">{t.cellsScale(exactText(-most, plane.dtype), exactText(most, plane.dtype))}</p>
        <LogChoice log={log} />
      </div>
      <Steps plane={plane} />
      <Raster label={t.cellsKeys} rows={plane.rows.count} columns={plane.columns.count} paint={paint} describe={say} />
    </>
  );
}

export function HeatMap({ value, axes }: DrawingProps) {
  const plane = useSpread(value, { ...axes, channel: null }, MAX_SIDE);
  return <Shown asked={plane}>{(data) => <Cells plane={data} axes={axes} />}</Shown>;
}

function Pixels({ plane, axes, channels }: { plane: Plane; axes: Axes; channels: number }) {
  const range = useMemo(() => extremes(plane.values), [plane]);
  const paint = useCallback(
    (style: CSSStyleDeclaration) => {
      const [low, high] = range ?? [0, 1];
      const marked = colourOf(style, "--cell-marked");
      return (r: number, c: number): Colour => {
        const all = [0, 1, 2].map((k) => (Number(plane.at(r, c, channels > 1 ? k : 0)) - low) / (high - low || 1));
        return all.every(Number.isFinite) ? (all.map((share) => Math.round(255 * share)) as Colour) : marked;
      };
    },
    [plane, range, channels],
  );
  const say = (r: number, c: number) => `${index(plane, r, c, axes)} = ${Array.from({ length: channels }, (_, k) => exactText(plane.at(r, c, k), plane.dtype)).join(", ")}`;
  return (
    <>
      <p className="muted">{range ? t.imageScale(exactText(range[0], plane.dtype), exactText(range[1], plane.dtype), channels) : ""}</p>
      <Steps plane={plane} />
      <Raster square label={t.imageKeys} rows={plane.rows.count} columns={plane.columns.count} paint={paint} describe={say} />
    </>
  );
}

export function Picture({ value, axes }: DrawingProps) {
  const channels = axes.channel === null ? 1 : Math.min(sizeOf(value.shape, axes.channel), 3);
  const plane = useSpread(value, axes, MAX_SIDE, axes.channel === null ? 1 : channels);
  return <Shown asked={plane}>{(data) => <Pixels plane={data} axes={axes} channels={channels} />}</Shown>;
}

/** Along the columns, or the rows where there are none; the other axes at their index. */
export function Line({ value, axes }: DrawingProps) {
  const along = axes.columns ?? axes.rows;
  const range = useMemo(() => spread(sizeOf(value.shape, along), MAX_LINE), [value, along]);
  const plane = usePlane(value, { rows: null, columns: along, channel: null, at: axes.at }, { begin: 0, count: 1, step: 1 }, range);
  return (
    <Shown asked={plane}>
      {(data) => <Curve plane={data} label={t.lineOf(along ?? 0)} />}
    </Shown>
  );
}

function Curve({ plane, label }: { plane: Plane; label: string }) {
  const { x, y } = useMemo(() => {
    const numbers = Array.from(plane.values, Number);
    return { x: numbers.map((_, i) => i * plane.columns.step), y: numbers.map((value) => (Number.isFinite(value) ? value : null)) };
  }, [plane]);
  return (
    <>
      <Steps plane={plane} />
      <Plot label={label} xLabel={t.index} yLabel={t.element} x={x} y={y} />
    </>
  );
}

function counted(values: ArrayLike<Element>): { bins: number[]; low: number; high: number } | null {
  const range = extremes(values);
  if (!range) return null;
  const [low, high] = range;
  const bins = new Array<number>(BINS).fill(0);
  for (let i = 0; i < values.length; i++) {
    const x = Number(values[i]);
    if (Number.isFinite(x)) bins[Math.min(Math.floor(((x - low) / (high - low || 1)) * BINS), BINS - 1)]!++;
  }
  return { bins, low, high };
}

function Bars({ of, log }: { of: { bins: number[]; low: number; high: number } | null; log: boolean }) {
  const { x, y } = useMemo(() => {
    const { bins, low, high } = of ?? { bins: [], low: 0, high: 0 };
    const width = (high - low || 1) / Math.max(bins.length, 1);
    return { x: bins.map((_, i) => low + (i + 0.5) * width), y: bins.map((n) => (log && n === 0 ? null : n)) };
  }, [of, log]);
  if (!of) return <p className="muted">{t.noneFinite}</p>;
  return <Plot label={t.histogramOf(of.low, of.high)} xLabel={t.element} yLabel={t.count} x={x} y={y} log={log} kind="bars" />;
}

function SliceBars({ value, axes, log }: DrawingProps & { log: boolean }) {
  const plane = useSpread(value, { ...axes, channel: null }, 1024);
  const bins = useMemo(() => plane.data && counted(plane.data.values), [plane.data]);
  return (
    <Shown asked={plane}>
      {(data) => (
        <>
          <Steps plane={data} />
          <Bars of={bins} log={log} />
        </>
      )}
    </Shown>
  );
}

export function Histogram({ value, axes }: DrawingProps) {
  const { query } = useAddress();
  const [slice, log] = [query["of"] === "slice", query["log"] === "1"];
  const { histogram, min, max } = value.seen;
  const all = useMemo(() => (Number.isFinite(min) ? { bins: histogram, low: min, high: max } : null), [histogram, min, max]);
  return (
    <>
      <div className="row">
        <select aria-label={t.histogramScope} value={slice ? "slice" : ""} onChange={(event) => goTo({ query: { of: event.target.value || null }, replace: true })}>
          <option value="">{t.ofAll}</option>
          <option value="slice">{t.ofSlice}</option>
        </select>
        <LogChoice log={log} />
      </div>
      {slice ? <SliceBars value={value} axes={axes} log={log} /> : <Bars of={all} log={log} />}
    </>
  );
}
