import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useSize, useThemeCount } from "./size";

export interface PlotProps {
  label: string;
  xLabel: string;
  yLabel: string;
  x: ArrayLike<number>;
  y: ArrayLike<number | null>;
  /** y on a logarithmic scale: only numbers above 0. */
  log?: boolean;
  kind?: "line" | "bars" | "points";
  /** Points in the colour of what is wrong. */
  marked?: (i: number) => boolean;
  /** A point was clicked: its number. */
  onPick?: (i: number) => void;
}

function tick(at: number | null): string {
  if (at === null) return ""; // of a logarithmic axis, between the powers of ten
  return at !== 0 && (Math.abs(at) >= 1e5 || Math.abs(at) < 1e-3) ? at.toExponential(0) : String(Number(at.toPrecision(6)));
}

function options(props: PlotProps, style: CSSStyleDeclaration, width: number, height: number): uPlot.Options {
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = (label: string): uPlot.Axis => ({
    label,
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    values: (_, splits) => splits.map(tick),
    ticks: { stroke: colour("--line"), width: 1 },
    font: '11px "DejaVu Sans", sans-serif',
    labelFont: '12px "DejaVu Sans", sans-serif',
    labelSize: 20,
  });
  const kind = props.kind ?? "line";
  const paths = { line: uPlot.paths.linear?.(), bars: uPlot.paths.bars?.({ size: [0.9] }), points: () => null }[kind];
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 8 } },
    scales: { x: { time: false }, y: { ...(props.log ? { distr: 3 } : {}), ...(kind === "bars" ? { range: (_, __, max) => (props.log ? [0.5, 2 * max] : [0, 1.05 * max || 1]) } : {}) } },
    axes: [axis(props.xLabel), { ...axis(props.yLabel), size: 64 }],
    series: [
      {},
      {
        stroke: colour("--accent"),
        width: 1,
        ...(kind === "bars" ? { fill: colour("--accent") } : {}),
        ...(paths ? { paths } : {}),
        points: { show: kind === "points", size: 6, fill: colour("--accent") },
      },
      ...(props.marked ? [{ stroke: colour("--bad"), paths: () => null, points: { show: true, size: 7, fill: colour("--bad") } }] : []),
    ],
  };
}

/** A plot of one series; the pointer drags to enlarge, a double click shows all again. */
export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const size = useSize(box);
  const theme = useThemeCount();
  const pick = useRef(props.onPick);
  pick.current = props.onPick;
  const { x, y, log, kind, label, xLabel, yLabel, marked } = props;
  useEffect(() => {
    if (!box.current || !size || size.width < 50 || size.height < 50) return;
    const wrong = marked ? [Array.from(y, (value, i) => (marked(i) ? value : null))] : [];
    const data = [Array.from(x), Array.from(y), ...wrong] as uPlot.AlignedData;
    const made = new uPlot(options(props, getComputedStyle(box.current), size.width, size.height), data, box.current);
    const click = () => made.cursor.idx !== null && made.cursor.idx !== undefined && pick.current?.(made.cursor.idx);
    made.over.addEventListener("click", click);
    return () => made.destroy();
  }, [x, y, log, kind, marked, xLabel, yLabel, size?.width, size?.height, theme]);
  return <div ref={box} className={props.onPick ? "plot picks" : "plot"} role="img" aria-label={label} />;
}
