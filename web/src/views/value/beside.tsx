// Two values beside each other, cell by cell, with how far they are apart.
import { useCallback, useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import { exactText, type Element } from "../../api/elements";
import { hasUlp, ulpBetween } from "../../api/ulp";
import { aroundZero, colourOf } from "../../components/colours";
import { formatNumber } from "../../components/format";
import { Raster, type Cell } from "../../components/raster";
import { Shown, useAsked } from "../../components/states";
import { goTo, useAddress, type Address } from "../../state/address";
import { describe, type Described, type Source } from "../../state/source";
import { followRuns, refreshRuns, runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";
import { extremes, index, logPlacer, Steps, type DrawingProps } from "./drawings";
import { useSpread, type Axes, type Plane } from "./plane";

const t = texts.value.beside;
const [MAX_SIDE, MAX_NAMES] = [256, 10_000];
const measures = ["difference", "relative", "ulp"] as const;
type Measure = (typeof measures)[number];

/** Values that may stand beside: the key in the address, and the name. */
interface Other {
  key: string;
  name: string;
}

const same = (a: number[], b: number[]) => a.length === b.length && a.every((size, i) => size === b[i]);

async function othersIn(where: string, value: Described, model: string, address: Address): Promise<Other[]> {
  if (where !== "weights") {
    const { values } = await api.runValues(where, { count: MAX_NAMES });
    return values.filter(({ shape }) => same(shape, value.shape)).map(({ name }) => ({ key: name, name }));
  }
  const values = await api.values(model, Number(address.query["g"] ?? 0), { call: address.query["call"] });
  return values
    .filter(({ role, dims }) => role === "initializer" && same(dims.map(Number), value.shape))
    .map(({ i, name }) => ({ key: String(i), name }));
}

/** Which value stands beside: `with` is a run or "weights", `other` a name in the run or the number of a weight. */
function useChoice(value: Described, address: Address) {
  useEffect(followRuns, []);
  useAsked("runs", refreshRuns);
  const all = useStore((state) => state.runs);
  const { source } = value;
  const own = source.of === "run" ? source.run : "weights";
  const model = source.of === "run" ? (all[source.run]?.model ?? address.model ?? "") : source.model;
  const runs = runsOf(all, model).filter(({ ended }) => ended !== null);
  const call = source.of === "run" ? all[source.run]?.call : source.view.call;
  const where = address.query["with"] ?? (source.of === "run" ? runs.find((run) => run.id !== own && run.call === call)?.id : undefined) ?? own;
  const others = useAsked(JSON.stringify([where, value.name, value.shape, model]), () => othersIn(where, value, model, address));
  const offered = (others.data ?? []).filter(({ name }) => where !== own || name !== value.name);
  const other = offered.find(({ key }) => key === address.query["other"]) ?? offered.find(({ name }) => name === value.name) ?? offered[0];
  return { model, runs, where, others, offered, other };
}

function Choice({ runs, where, offered, other }: Pick<ReturnType<typeof useChoice>, "runs" | "where" | "offered" | "other">) {
  return (
    <>
      <label className="row tight">
        <span className="muted">{t.of}</span>
        <select value={where} onChange={(event) => goTo({ query: { with: event.target.value, other: null }, replace: true })}>
          <option value="weights">{texts.value.weights}</option>
          {runs.map(({ id, oracle, backends }) => (
            <option key={id} value={id}>
              {[texts.run.name(id), oracle ? texts.run.oracle : backends].filter(Boolean).join(" · ")}
            </option>
          ))}
        </select>
      </label>
      <select className="other" aria-label={t.other} value={other?.key ?? ""} onChange={(event) => goTo({ query: { other: event.target.value }, replace: true })}>
        {offered.length === 0 && <option value="">–</option>}
        {offered.map(({ key, name }) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
      </select>
    </>
  );
}

/** The type in which two are compared: doubles, as definitions give them, are rounded to the other's floats. */
function commonType(a: string, b: string): string | null {
  if (a === b) return a;
  return [a, b].sort().join() === "float32,float64" ? "float32" : null;
}

interface Apart {
  values: Float64Array;
  /** Of the cells shown: how many differ, where the largest is, and how large. */
  different: number;
  worst: number;
}

function apartBy(measure: Measure, a: Plane, b: Plane): Apart {
  const [rows, columns] = [a.rows.count, a.columns.count];
  const values = new Float64Array(rows * columns);
  const dtype = commonType(a.dtype, b.dtype) ?? a.dtype;
  const round = dtype === "float32" ? (x: Element) => Math.fround(Number(x)) : (x: Element) => x;
  let [different, worst] = [0, -1];
  for (let i = 0; i < values.length; i++) {
    const [x, y] = [round(a.at(Math.floor(i / columns), i % columns)), round(b.at(Math.floor(i / columns), i % columns))];
    if (Object.is(x, y) || x === y) continue; // NaN and NaN are equal, as in comparisons of runs
    different++;
    const off = typeof x === "bigint" && typeof y === "bigint" ? Number(x - y) : Number(x) - Number(y);
    values[i] = measure === "difference" ? off : measure === "ulp" ? ulpBetween(x, y, dtype) : Math.abs(off / Number(y));
    if (Number.isNaN(values[i])) worst = Number.isNaN(values[worst]) ? worst : i;
    else if (!Number.isNaN(values[worst]) && (worst < 0 || Math.abs(values[i]!) > Math.abs(values[worst]!))) worst = i;
  }
  return { values, different, worst };
}

interface CellsProps {
  title: string;
  label: string;
  plane: Plane;
  read: (r: number, c: number) => number;
  place: (x: number) => number;
  say: (r: number, c: number) => string;
  shared: [Cell | null, (cell: Cell | null) => void];
}

function Side({ title, label, plane, read, place, say, shared }: CellsProps) {
  const paint = useCallback(
    (style: CSSStyleDeclaration) => {
      const [scale, marked] = [aroundZero(style), colourOf(style, "--cell-marked")];
      return (r: number, c: number) => {
        const x = read(r, c);
        return Number.isNaN(x) ? marked : scale(place(x));
      };
    },
    [read, place],
  );
  return (
    <section className="beside-side">
      <h3 className="break">{title}</h3>
      <Raster label={label} rows={plane.rows.count} columns={plane.columns.count} paint={paint} describe={say} shared={shared} />
    </section>
  );
}

function Sides({ a, b, names, axes, measure }: { a: Plane; b: Plane; names: [string, string]; axes: Axes; measure: Measure }) {
  const shared = useState<Cell | null>(null);
  const apart = useMemo(() => apartBy(measure, a, b), [measure, a, b]);
  const most = useMemo(() => Math.max(...[a, b].flatMap(({ values }) => (extremes(values) ?? [0]).map(Math.abs))), [a, b]);
  const far = useMemo(() => Math.max(...(extremes(apart.values) ?? [0]).map(Math.abs)), [apart]);
  const both = useCallback((x: number) => (most > 0 ? x / most : 0), [most]);
  const placeApart = useMemo(() => (measure === "difference" ? (x: number) => (far > 0 ? x / far : 0) : logPlacer(apart.values, far)), [measure, apart, far]);
  const readA = useCallback((r: number, c: number) => Number(a.at(r, c)), [a]);
  const readB = useCallback((r: number, c: number) => Number(b.at(r, c)), [b]);
  const readApart = useCallback((r: number, c: number) => apart.values[r * a.columns.count + c]!, [apart, a]);
  const at = (r: number, c: number) => index(a, r, c, axes);
  const { worst, different } = apart;
  const [row, column] = [Math.floor(worst / a.columns.count), worst % a.columns.count];
  return (
    <>
      <Steps plane={a} />
      <p role="status">
        {different === 0
          ? t.equal(apart.values.length)
          : `${t.different(different, apart.values.length)} ${t.worst(t.measures[measure], formatNumber(apart.values[worst]!), at(row, column), exactText(a.at(row, column), a.dtype), exactText(b.at(row, column), b.dtype))}`}
      </p>
      <div className="beside">
        <Side title={names[0]} label={t.cells(names[0])} plane={a} read={readA} place={both} say={(r, c) => `${at(r, c)} = ${exactText(a.at(r, c), a.dtype)}`} shared={shared} />
        <Side title={names[1]} label={t.cells(names[1])} plane={b} read={readB} place={both} say={(r, c) => `${at(r, c)} = ${exactText(b.at(r, c), b.dtype)}`} shared={shared} />
        <Side title={t.measures[measure]} label={t.cells(t.measures[measure])} plane={a} read={readApart} place={placeApart} say={(r, c) => `${at(r, c)}: ${formatNumber(readApart(r, c), 9)}`} shared={shared} />
      </div>
    </>
  );
}

function Pair({ value, other, axes, measure, names }: DrawingProps & { other: Described; measure: Measure; names: [string, string] }) {
  const all = { ...axes, channel: null };
  const [a, b] = [useSpread(value, all, MAX_SIDE), useSpread(other, all, MAX_SIDE)];
  return <Shown asked={a}>{(first) => <Shown asked={b}>{(second) => <Sides a={first} b={second} names={names} axes={axes} measure={measure} />}</Shown>}</Shown>;
}

export function Beside({ value, axes }: DrawingProps) {
  const address = useAddress();
  const { model, runs, where, others, offered, other } = useChoice(value, address);
  const source: Source | null =
    other === undefined
      ? null
      : where === "weights"
        ? { of: "weight", model, graph: Number(address.query["g"] ?? 0), value: Number(other.key), view: { call: address.query["call"] } }
        : { of: "run", run: where, name: other.key };
  const asked = useAsked(source && JSON.stringify(source), () => describe(source!, null));
  const dtype = asked.data ? commonType(value.dtype, asked.data.dtype) : null;
  const usable = measures.filter((id) => id !== "ulp" || (dtype !== null && hasUlp(dtype)));
  const measure = usable.find((id) => id === address.query["measure"]) ?? "difference";
  const placeName = (source: Source) => (source.of === "run" ? texts.run.name(source.run) : texts.value.weights);
  return (
    <>
      <div className="row wrap">
        <Choice runs={runs} where={where} offered={offered} other={other} />
        <select aria-label={t.measure} value={measure} onChange={(event) => goTo({ query: { measure: event.target.value === "difference" ? null : event.target.value }, replace: true })}>
          {usable.map((id) => (
            <option key={id} value={id}>
              {t.measures[id]}
            </option>
          ))}
        </select>
      </div>
      <Shown asked={others}>
        {() =>
          source === null ? (
            <p className="muted">{t.none(value.shape.join(", "))}</p>
          ) : (
            <Shown asked={asked}>
              {(found) => found && <Pair value={value} other={found} axes={axes} measure={measure} names={[`${value.name} · ${placeName(value.source)}`, `${found.name} · ${placeName(found.source)}`]} />}
            </Shown>
          )
        }
      </Shown>
    </>
  );
}
