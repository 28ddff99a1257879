// A digest as people see it: numbers, a histogram, and the value reduced to at most 32 × 32 cells.
import { useEffect, useRef } from "react";
import type { Seen } from "../../api/digest";
import { formatCount, formatNumber, formatSeconds } from "../../components/format";
import { useThemeCount } from "../../components/size";
import { Facts } from "../../components/table";
import { texts } from "../../texts";
import { drawCells } from "./cells";

const t = texts.digest;
const [WIDTH, HEIGHT] = [256, 64]; // of a histogram

function Histogram({ bins }: { bins: number[] }) {
  const most = Math.max(...bins, 1);
  const width = WIDTH / bins.length;
  return (
    <svg className="histogram" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t.histogram}>
      {bins.map((n, i) => {
        const height = n === 0 ? 0 : Math.max((n / most) * HEIGHT, 1);
        return <rect key={i} x={i * width} y={HEIGHT - height} width={width * 0.9} height={height} />;
      })}
    </svg>
  );
}

function Picture({ seen }: { seen: Seen }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeCount();
  const cell = Math.max(8, Math.min(32, Math.floor(WIDTH / Math.max(seen.columns, seen.rows))));
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context) return;
    canvas.current.width = seen.columns * cell * devicePixelRatio;
    canvas.current.height = seen.rows * cell * devicePixelRatio;
    context.scale(devicePixelRatio, devicePixelRatio);
    drawCells(context, getComputedStyle(canvas.current), seen, 0, 0, cell);
  }, [seen, cell, theme]);
  return <canvas ref={canvas} className="cells" style={{ width: seen.columns * cell, height: seen.rows * cell }} role="img" aria-label={t.cells(seen.rows, seen.columns)} />;
}

const counted = (n: number) => n > 0 && <span className="badge bad">{formatCount(n)}</span>;

export function DigestView({ seen }: { seen: Seen }) {
  if (seen.dtype === "") return <p className="muted">{t.noTensor}</p>;
  const finite = seen.count - seen.nan - seen.plusInf - seen.minusInf;
  const number = (value: number) => (finite > 0 ? <code>{formatNumber(value, 7)}</code> : null);
  return (
    <div className="digest">
      <Facts
        of={[
          [t.value, <code key="v">{`${seen.dtype} [${seen.shape.join(", ")}]`}</code>],
          [t.min, number(seen.min)],
          [t.max, number(seen.max)],
          [t.mean, number(seen.mean)],
          [t.std, number(seen.std)],
          [t.zero, <code key="z">{seen.zero.toLocaleString("en")}</code>],
          ["NaN", counted(seen.nan)],
          ["+Inf", counted(seen.plusInf)],
          ["−Inf", counted(seen.minusInf)],
          [t.time, seen.time === null ? null : t.after(formatSeconds(seen.time))],
        ]}
      />
      {finite > 0 && seen.histogram.length > 0 && (
        <figure>
          <Histogram bins={seen.histogram} />
          <figcaption className="ends">
            <span>{formatNumber(seen.min)}</span>
            <span>{formatNumber(seen.max)}</span>
          </figcaption>
        </figure>
      )}
      {seen.cells.length > 1 && (
        <figure>
          <Picture seen={seen} />
          <figcaption>
            {t.cellsHint}
            {seen.marked.includes(1) && ` ${t.marked}`}
          </figcaption>
        </figure>
      )}
    </div>
  );
}
