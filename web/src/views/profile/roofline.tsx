// The nodes of a run under the rates that this machine reaches (Williams, Waterman and Patterson 2009): operations per byte across,
// operations per second up, both on logarithmic scales.
import { memo, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { api } from "../../api/client";
import type { Peaks, ProfileRow } from "../../api/types";
import { formatNumber, formatSeconds } from "../../components/format";
import { useSize, type Size } from "../../components/size";
import { Empty, Shown, useAsked } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { texts } from "../../texts";
import { familyOfType } from "../graph/families";

const t = texts.profile;
const [LEFT, RIGHT, TOP, BOTTOM] = [58, 22, 10, 38]; // pixels around the plot
const REACH = 12; // pixels from a point within which it is meant

interface Point {
  row: ProfileRow;
  /** FLOP per byte. */
  intensity: number;
  /** FLOP per second. */
  rate: number;
  /** Of the roof above it. */
  share: number;
}

/** Of the rows whose operations, bytes and time are known, from few operations per byte to many. */
function pointsOf(rows: ProfileRow[], { flops, read_bytes }: Peaks): Point[] {
  return rows
    .filter((row) => row.flops > 0 && row.bytes_read + row.bytes_written > 0 && row.seconds > 0)
    .map((row) => {
      const intensity = row.flops / (row.bytes_read + row.bytes_written);
      const rate = row.flops / row.seconds;
      return { row, intensity, rate, share: rate / Math.min(flops, intensity * read_bytes) };
    })
    .sort((a, b) => a.intensity - b.intensity || a.rate - b.rate);
}

interface Scale {
  low: number;
  high: number;
  at: (value: number) => number;
  ticks: number[];
}

/** The powers of ten around some numbers as pixels between two. */
function scaleOf(numbers: number[], from: number, to: number): Scale {
  const [least, most] = numbers.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, 0]);
  const low = Math.floor(Math.log10(least));
  const high = Math.max(Math.ceil(Math.log10(most)), low + 1);
  const every = Math.ceil(((high - low) * 40) / Math.abs(to - from)); // of the powers: 40 pixels from one to the next
  return {
    low: 10 ** low,
    high: 10 ** high,
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: Math.floor((high - low) / every) + 1 }, (_, k) => 10 ** (low + k * every)),
  };
}

/** A power of ten. */
const tick = (value: number) => (value >= 1e5 || value < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(1))));
const gigaFlops = (rate: number) => `${formatNumber(rate * 1e-9, 3)} GFLOP/s`;
const percent = (share: number) => `${formatNumber(100 * share, 2)} %`;

interface Scales {
  x: Scale;
  y: Scale;
  size: Size;
}

function scalesOf(points: Point[], peaks: Peaks, size: Size): Scales {
  const ridge = peaks.flops / peaks.read_bytes;
  return {
    x: scaleOf([ridge / 2, 2 * ridge, ...points.map(({ intensity }) => intensity)], LEFT, size.width - RIGHT),
    y: scaleOf([peaks.flops, ...points.map(({ rate }) => rate)], size.height - BOTTOM, TOP),
    size,
  };
}

/** The larger the longer it took. */
const radiusOf = (row: ProfileRow, longest: number) => 3 + 6 * Math.sqrt(row.seconds / longest);

/** What the pointer doesn't change. */
const Drawing = memo(function Drawing({ points, peaks, scales: { x, y, size } }: { points: Point[]; peaks: Peaks; scales: Scales }) {
  const ridge = peaks.flops / peaks.read_bytes;
  const begin = Math.max(x.low, y.low / peaks.read_bytes); // where the slope comes into the plot
  const longest = points.reduce((most, { row }) => Math.max(most, row.seconds), 0);
  const [right, floor] = [size.width - RIGHT, size.height - BOTTOM];
  return (
    <>
      {x.ticks.map((value) => (
        <g key={`x${value}`}>
          <line x1={x.at(value)} x2={x.at(value)} y1={TOP} y2={floor} />
          <text x={x.at(value)} y={floor + 14} textAnchor="middle">
            {tick(value)}
          </text>
        </g>
      ))}
      {y.ticks.map((value) => (
        <g key={`y${value}`}>
          <line x1={LEFT} x2={right} y1={y.at(value)} y2={y.at(value)} />
          <text x={LEFT - 6} y={y.at(value) + 4} textAnchor="end">
            {tick(value * 1e-9)}
          </text>
        </g>
      ))}
      <text x={(LEFT + right) / 2} y={size.height - 6} textAnchor="middle">
        {t.intensity}
      </text>
      <text transform={`translate(12 ${(TOP + floor) / 2}) rotate(-90)`} textAnchor="middle">
        {t.gigaFlops}
      </text>
      <polyline className="roof" points={`${x.at(begin)},${y.at(begin * peaks.read_bytes)} ${x.at(ridge)},${y.at(peaks.flops)} ${right},${y.at(peaks.flops)}`} />
      {[...points]
        .sort((a, b) => b.row.seconds - a.row.seconds)
        .map(({ row, intensity, rate }, k) => (
          <circle key={k} cx={x.at(intensity)} cy={y.at(rate)} r={radiusOf(row, longest)} style={{ fill: `var(--op-${familyOfType(row.op_type)})` }} />
        ))}
    </>
  );
});

/** Below a point in the upper half, above one in the lower half. */
const besides = (y: number, height: number) => (2 * y < height ? { top: y + 12 } : { bottom: height - y + 12 });

interface PlotProps {
  points: Point[];
  peaks: Peaks;
  selected: number;
  onSelect: (row: ProfileRow | null) => void;
  /** Enter on the selected node. */
  onOpen: (row: ProfileRow) => void;
}

function RooflinePlot({ points, peaks, selected, onSelect, onOpen }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const size = useSize(box);
  const [pointed, setPointed] = useState<number | null>(null);
  const scales = useMemo(() => size && size.width > LEFT + RIGHT && scalesOf(points, peaks, size), [points, peaks, size?.width, size?.height]);
  const byRate = useMemo(() => points.map((_, i) => i).sort((a, b) => points[a]!.rate - points[b]!.rate), [points]);
  const nearest = ({ nativeEvent: { offsetX, offsetY } }: { nativeEvent: { offsetX: number; offsetY: number } }): number | null => {
    if (!scales) return null;
    const far = points.map(({ intensity, rate }) => Math.hypot(scales.x.at(intensity) - offsetX, scales.y.at(rate) - offsetY));
    const best = far.reduce((least, distance, i) => (distance < far[least]! ? i : least), 0);
    return far[best]! <= REACH ? best : null;
  };
  const key = (event: KeyboardEvent) => {
    const ways: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 };
    const way = ways[event.key];
    const chosen = points[selected];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way !== undefined) {
      const upright = event.key === "ArrowUp" || event.key === "ArrowDown";
      const to = !chosen ? 0 : upright ? byRate[byRate.indexOf(selected) + way] : selected + way;
      if (to !== undefined && points[to]) onSelect(points[to].row);
    } else if (event.key === "Enter" && chosen) onOpen(chosen.row);
    else if (event.key === "Escape") onSelect(null);
    else return;
    event.preventDefault();
  };
  const shown = pointed === null ? undefined : points[pointed];
  const chosen = points[selected];
  return (
    <div className="roofline-plot" ref={box}>
      {scales && (
        <svg
          width={scales.size.width}
          height={scales.size.height}
          tabIndex={0}
          role="application"
          aria-label={t.roofline}
          aria-describedby="roofline-keys"
          data-points={points.length}
          className={shown ? "pointed" : ""}
          onKeyDown={key}
          onPointerMove={(event: PointerEvent) => setPointed(nearest(event))}
          onPointerLeave={() => setPointed(null)}
          onClick={(event) => {
            const at = nearest(event);
            if (at !== null) onSelect(points[at]!.row);
          }}
        >
          <Drawing points={points} peaks={peaks} scales={scales} />
          {chosen && <circle className="chosen" cx={scales.x.at(chosen.intensity)} cy={scales.y.at(chosen.rate)} r={11} />}
        </svg>
      )}
      {scales && shown && (
        <div
          className="tip"
          style={{ left: Math.min(scales.x.at(shown.intensity) + 14, scales.size.width - 250), ...besides(scales.y.at(shown.rate), scales.size.height) }}
        >
          <strong>{shown.row.op_type}</strong> {formatSeconds(shown.row.seconds)}
          <div className="mono break">{shown.row.node}</div>
          <div className="muted">{t.underRoof(formatNumber(shown.intensity, 3), gigaFlops(shown.rate), percent(shown.share))}</div>
        </div>
      )}
      <p id="roofline-keys" className="sr">
        {t.rooflineKeys}
      </p>
    </div>
  );
}

const columns: Column<Point>[] = [
  { id: "op", title: t.operator, cell: ({ row }) => row.op_type, sort: ({ row }) => row.op_type },
  { id: "node", title: t.node, cell: ({ row }) => <span className="mono break">{row.node}</span>, sort: ({ row }) => row.node },
  { id: "seconds", title: t.time, number: true, cell: ({ row }) => formatSeconds(row.seconds), sort: ({ row }) => row.seconds },
  { id: "intensity", title: t.intensity, number: true, cell: ({ intensity }) => formatNumber(intensity, 3), sort: ({ intensity }) => intensity },
  { id: "rate", title: t.gigaFlops, number: true, cell: ({ rate }) => formatNumber(rate * 1e-9, 3), sort: ({ rate }) => rate },
  { id: "share", title: t.roofShare, number: true, cell: ({ share }) => percent(share), sort: ({ share }) => share },
];

interface Props extends Pick<PlotProps, "onSelect" | "onOpen"> {
  rows: ProfileRow[];
  selected: ProfileRow | null;
  /** Rows of the table at most: those that took longest. */
  shown: number;
}

function Under({ peaks, rows, selected, shown, onSelect, onOpen }: Props & { peaks: Peaks }) {
  const points = useMemo(() => pointsOf(rows, peaks), [rows, peaks]);
  const longest = useMemo(() => [...points].sort((a, b) => b.row.seconds - a.row.seconds).slice(0, shown), [points, shown]);
  if (points.length === 0) return <Empty title={t.noPoints} />;
  const id = (row: ProfileRow) => `${row.node} ${row.op_type} ${row.backend}`;
  return (
    <>
      <p className="muted">
        {t.roofs(gigaFlops(peaks.flops), `${formatNumber(peaks.read_bytes * 1e-9, 3)} GB/s`, peaks.threads)} {points.length < rows.length && t.left(rows.length - points.length)}
      </p>
      <RooflinePlot points={points} peaks={peaks} selected={points.findIndex(({ row }) => row === selected)} onSelect={onSelect} onOpen={onOpen} />
      {points.length > shown && <p className="muted">{t.first(shown, points.length)}</p>}
      <Table label={t.rooflineTable} rows={longest} columns={columns} id={({ row }) => id(row)} selected={selected && id(selected)} sortBy={{ column: "seconds", down: true }} onRow={({ row }) => onSelect(row)} />
    </>
  );
}

export function Roofline(props: Props) {
  const asked = useAsked("peaks", api.peaks);
  return (
    <Shown asked={asked} waiting={t.measuring}>
      {(peaks) => <Under peaks={peaks} {...props} />}
    </Shown>
  );
}
