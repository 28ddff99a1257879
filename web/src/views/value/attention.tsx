// Attention: every head as a small drawing, the chosen one large. Of [..., heads, queries, keys].
import { useEffect, useMemo, useRef } from "react";
import { aroundZero, colourOf } from "../../components/colours";
import { useThemeCount } from "../../components/size";
import { Shown } from "../../components/states";
import { texts } from "../../texts";
import { extremes, HeatMap, type DrawingProps } from "./drawings";
import { setAt, sizeOf, useSpread, withIndex, type Axes, type Plane } from "./plane";

const t = texts.value;
export const MAX_HEADS = 64;
const SMALL = 96; // cells along a side of a small drawing

/** The axis of the heads: the last that is neither rows nor columns; null where it is no such tensor. */
export function headsOf(shape: number[], { rows, columns }: Pick<Axes, "rows" | "columns">): number | null {
  const axis = shape.map((_, i) => i).filter((i) => i !== rows && i !== columns).at(-1) ?? null;
  return axis !== null && shape[axis]! >= 2 && shape[axis]! <= MAX_HEADS ? axis : null;
}

function Head({ plane, head, most, chosen, onChoose }: { plane: Plane; head: number; most: number; chosen: boolean; onChoose: () => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeCount();
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context) return;
    const style = getComputedStyle(canvas.current);
    const [scale, marked] = [aroundZero(style), colourOf(style, "--cell-marked")];
    const image = context.createImageData(plane.columns.count, plane.rows.count);
    for (let r = 0, i = 0; r < plane.rows.count; r++)
      for (let c = 0; c < plane.columns.count; c++, i += 4) {
        const x = Number(plane.at(r, c, head));
        image.data.set(Number.isFinite(x) ? scale(most > 0 ? x / most : 0) : marked, i);
        image.data[i + 3] = 255;
      }
    context.putImageData(image, 0, 0);
  }, [plane, head, most, theme]);
  return (
    <button className="head" aria-pressed={chosen} aria-label={t.head(head)} title={t.head(head)} onClick={onChoose}>
      <canvas ref={canvas} width={plane.columns.count} height={plane.rows.count} />
      <span>{head}</span>
    </button>
  );
}

function Heads({ plane, axes, axis, count }: { plane: Plane; axes: Axes; axis: number; count: number }) {
  const most = useMemo(() => Math.max(...(extremes(plane.values) ?? [0]).map(Math.abs)), [plane]);
  return (
    <div className="heads" role="group" aria-label={t.heads(count)}>
      {Array.from({ length: count }, (_, head) => (
        <Head key={head} plane={plane} head={head} most={most} chosen={axes.at[axis] === head} onChoose={() => setAt(withIndex(axes.at, axis, head))} />
      ))}
    </div>
  );
}

export function Attention({ value, axes }: DrawingProps) {
  const axis = headsOf(value.shape, axes);
  const count = sizeOf(value.shape, axis);
  const plane = useSpread(value, { ...axes, channel: axis, at: axis === null ? axes.at : withIndex(axes.at, axis, 0) }, SMALL, count);
  if (axis === null) return <p className="muted">{t.noHeads(MAX_HEADS)}</p>;
  return (
    <>
      <Shown asked={plane}>{(data) => <Heads plane={data} axes={axes} axis={axis} count={count} />}</Shown>
      <p className="muted">{t.headShown(axes.at[axis] ?? 0)}</p>
      <HeatMap value={value} axes={{ ...axes, channel: null }} />
    </>
  );
}
