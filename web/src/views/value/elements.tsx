// The elements as a table that holds as many as there is room for.
import { useMemo, useRef, type KeyboardEvent } from "react";
import { exactText, isFloat, type Element } from "../../api/elements";
import { formatNumber } from "../../components/format";
import { useSize } from "../../components/size";
import { Shown } from "../../components/states";
import { copyText } from "../../state/files";
import type { Described } from "../../state/source";
import { texts } from "../../texts";
import { setAt, sizeOf, usePlane, withIndex, type Axes, type Plane, type Range } from "./plane";

const t = texts.value;
const [ROW, HEAD] = [23, 26]; // pixels
const [WIDTH, DIGIT, ROW_HEAD] = [94, 7.3, 64];

/** "": short; "exact"; or digits after the point. */
export type Precision = string;
export const precisions: Precision[] = ["", "exact", ...Array.from({ length: 13 }, (_, n) => String(n))];

export function elementText(value: Element, dtype: string, precision: Precision): string {
  if (precision === "exact" || typeof value === "bigint" || !isFloat(dtype)) return exactText(value, dtype);
  if (precision === "" || !Number.isFinite(value)) return formatNumber(value);
  return Math.abs(value) < 1e9 ? value.toFixed(Number(precision)) : value.toExponential(Number(precision));
}

const widthOf = (dtype: string, precision: Precision): number =>
  precision === "exact" || dtype.endsWith("64") ? 150 : precision === "" ? WIDTH : Math.max(WIDTH, (Number(precision) + 9) * DIGIT);

/** What of an axis fits, from its index in `at` on. */
function page(size: number, begin: number, room: number): Range {
  return { begin, count: Math.max(Math.min(room, size - begin), 1), step: 1 };
}

export const planeText = (plane: Plane, precision: Precision, separator: string): string =>
  Array.from({ length: plane.rows.count }, (_, r) =>
    Array.from({ length: plane.columns.count }, (_, c) => elementText(plane.at(r, c), plane.dtype, precision)).join(separator),
  ).join("\n");

/** "rows 0 to 19 of 1,500", with the ways to the others. */
function Pager({ name, range, size, onGo }: { name: string; range: Range; size: number; onGo: (begin: number) => void }) {
  if (range.count >= size) return <span className="muted">{t.all(name, size)}</span>;
  const last = Math.max(size - range.count, 0);
  return (
    <span className="row tight" role="group" aria-label={name}>
      <button className="plain" aria-label={t.before(name)} disabled={range.begin === 0} onClick={() => onGo(Math.max(range.begin - range.count, 0))}>
        ‹
      </button>
      <span className="muted">{t.range(name, range.begin, range.begin + range.count - 1, size)}</span>
      <button className="plain" aria-label={t.after(name)} disabled={range.begin >= last} onClick={() => onGo(Math.min(range.begin + range.count, last))}>
        ›
      </button>
    </span>
  );
}

function Cells({ plane, precision, width }: { plane: Plane; precision: Precision; width: number }) {
  return (
    <table className="elements">
      <thead>
        <tr>
          <td className="corner" />
          {Array.from({ length: plane.columns.count }, (_, c) => (
            <th key={c} scope="col" style={{ width, minWidth: width }}>
              {plane.columns.begin + c}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: plane.rows.count }, (_, r) => (
          <tr key={r}>
            <th scope="row">{plane.rows.begin + r}</th>
            {Array.from({ length: plane.columns.count }, (_, c) => {
              const value = plane.at(r, c);
              const text = elementText(value, plane.dtype, precision);
              return (
                <td key={c} title={exactText(value, plane.dtype)} className={typeof value === "number" && !Number.isFinite(value) ? "marked" : ""}>
                  {text}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function ElementTable({ value, axes, precision }: { value: Described; axes: Axes; precision: Precision }) {
  const box = useRef<HTMLDivElement>(null);
  const size = useSize(box);
  const width = widthOf(value.dtype, precision);
  const [height, across] = [sizeOf(value.shape, axes.rows), sizeOf(value.shape, axes.columns)];
  const begins = (axis: number | null) => (axis === null ? 0 : (axes.at[axis] ?? 0));
  const [top, left] = [begins(axes.rows), begins(axes.columns)];
  const rows = useMemo(() => (size ? page(height, top, Math.floor((size.height - HEAD - 2) / ROW)) : null), [size, height, top]);
  const columns = useMemo(() => (size ? page(across, left, Math.floor((size.width - ROW_HEAD) / width)) : null), [size, across, left, width]);
  const plane = usePlane(value, { ...axes, channel: null }, rows, columns);
  const go = (axis: number | null, begin: number) => axis !== null && setAt(withIndex(axes.at, axis, begin));
  const key = (event: KeyboardEvent) => {
    if (!rows || !columns) return;
    const move = (axis: number | null, range: Range, size: number, by: number) => go(axis, Math.min(Math.max(range.begin + by, 0), Math.max(size - range.count, 0)));
    const down = (by: number) => move(axes.rows, rows, height, by);
    const right = (by: number) => move(axes.columns, columns, across, by);
    const actions: Record<string, () => void> = {
      ArrowDown: () => down(1),
      ArrowUp: () => down(-1),
      ArrowRight: () => right(1),
      ArrowLeft: () => right(-1),
      PageDown: () => down(rows.count),
      PageUp: () => down(-rows.count),
      Home: () => down(-height),
      End: () => down(height),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]?.();
  };
  return (
    <>
      <div className="row wrap">
        {rows && axes.rows !== null && <Pager name={t.rows} range={rows} size={height} onGo={(begin) => go(axes.rows, begin)} />}
        {columns && axes.columns !== null && <Pager name={t.columns} range={columns} size={across} onGo={(begin) => go(axes.columns, begin)} />}
        <span className="grow" />
        <button disabled={plane.data === null} onClick={() => plane.data && void copyText(planeText(plane.data, precision, "\t"))}>
          {t.copyPage}
        </button>
      </div>
      <div ref={box} className="elements-box" tabIndex={0} role="group" aria-label={t.tableKeys} onKeyDown={key}>
        <Shown asked={plane}>{(data) => <Cells plane={data} precision={precision} width={width} />}</Shown>
      </div>
    </>
  );
}
