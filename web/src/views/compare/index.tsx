import { useCallback, useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Comparison, CompareRow, Run, Tolerance } from "../../api/types";
import { formatNumber } from "../../components/format";
import { Plot } from "../../components/plot";
import { Empty, Shown, useAsked } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { goTo, hrefTo, type Address } from "../../state/address";
import { showInGraph } from "../../state/places";
import { attempt, followRuns, refreshRuns, runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { good, toleranceOf, usualTolerance } from "./tolerance";
import "./compare.css";

const t = texts.compare;
const SHOWN = 500; // rows of the table

const measures = ["max_rel", "max_abs", "ulp_max"] as const;
type Measure = (typeof measures)[number];

function ToleranceField({ member, value }: { member: keyof Tolerance; value: number }) {
  const [text, setText] = useState(String(value));
  useEffect(() => setText(String(value)), [value]);
  const fine = good(member, text);
  const apply = () => fine && Number(text) !== value && goTo({ query: { [member]: Number(text) === usualTolerance[member] ? null : text.trim() }, replace: true });
  return (
    <label className="row tight">
      <span className="muted">{t.tolerance[member]}</span>
      <input className="tolerance" inputMode="decimal" aria-invalid={!fine} value={text} onChange={(event) => setText(event.target.value)} onBlur={apply} onKeyDown={(event) => event.key === "Enter" && apply()} />
    </label>
  );
}

function RunChoice({ label, member, value, runs }: { label: string; member: "run" | "with"; value: string | undefined; runs: Run[] }) {
  return (
    <label className="row tight">
      <span className="muted">{label}</span>
      <select value={value ?? ""} onChange={(event) => goTo({ query: { [member]: event.target.value || null } })}>
        <option value="">–</option>
        {value !== undefined && !runs.some(({ id }) => id === value) && <option value={value}>{texts.run.name(value)}</option>}
        {runs.map(({ id, call, oracle, backends }) => (
          <option key={id} value={id}>
            {[texts.run.name(id), call, oracle ? texts.run.oracle : backends].filter(Boolean).join(" · ")}
          </option>
        ))}
      </select>
    </label>
  );
}

const figure = (value: number | null | undefined, digits = 4) => (value === undefined ? "–" : value === null ? t.notFinite : <span className="mono">{formatNumber(value, digits)}</span>);
const ordered = (value: number | null | undefined) => (value === null ? Infinity : (value ?? -1));

const columns: Column<CompareRow>[] = [
  { id: "name", title: t.value, cell: (row) => <span className="mono break">{row.name}</span>, sort: (row) => row.name },
  { id: "op", title: t.madeBy, cell: (row) => row.op_type || "–", sort: (row) => row.op_type },
  { id: "within", title: t.state, cell: (row) => <span className={`badge ${row.within ? "good" : "bad"}`} title={row.why ?? undefined}>{row.within ? t.within : row.why === null ? t.over : t.notCompared}</span>, sort: (row) => Number(row.within) },
  { id: "rel", title: t.measures.max_rel, number: true, cell: (row) => figure(row.max_rel), sort: (row) => ordered(row.max_rel) },
  { id: "abs", title: t.measures.max_abs, number: true, cell: (row) => figure(row.max_abs), sort: (row) => ordered(row.max_abs) },
  { id: "ulp", title: t.measures.ulp_max, number: true, cell: (row) => row.ulp_max?.toLocaleString("en") ?? "–", sort: (row) => row.ulp_max ?? -1 },
  { id: "over", title: t.elementsOver, number: true, cell: (row) => (row.n_over === undefined ? "–" : `${row.n_over.toLocaleString("en")} / ${(row.elements ?? 0).toLocaleString("en")}`), sort: (row) => row.n_over ?? -1 },
  { id: "worst", title: t.worst, cell: (row) => (row.worst && row.worst_a !== undefined && row.max_abs !== 0 ? <span className="mono">{`[${row.worst.join(", ")}]`}</span> : "–") },
];

/** The first value out of tolerance, and what its first such element is in both runs. */
function First({ row, onShow }: { row: CompareRow; onShow: (row: CompareRow) => void }) {
  return (
    <div className="card first">
      <h2>{t.first}</h2>
      <strong>{row.op_type}</strong> <span className="mono break">{row.name}</span>
      {row.why !== null && <span className="break">{row.why}</span>}
      {row.first && row.first_a !== undefined && (
        <span>
          <span className="mono">[{row.first.join(", ")}]</span>: {figure(row.first_a, 9)} {t.insteadOf} {figure(row.first_b, 9)}
        </span>
      )}
      <button onClick={() => onShow(row)}>{texts.profile.show}</button>
    </div>
  );
}

/** Errors by depth: in the order in which the values were computed. */
function Depth({ rows, measure, onShow }: { rows: CompareRow[]; measure: Measure; onShow: (row: CompareRow) => void }) {
  const { x, y, equal } = useMemo(() => {
    const errors = rows.map((row) => row[measure] ?? null);
    return { x: rows.map((_, i) => i), y: errors.map((error) => (error !== null && error > 0 ? error : null)), equal: errors.filter((error) => error === 0).length };
  }, [rows, measure]);
  const marked = useCallback((i: number) => !(rows[i]?.within ?? true), [rows]);
  if (y.every((error) => error === null)) return <p className="muted">{t.allEqual}</p>;
  return (
    <>
      <Plot label={t.depth(t.measures[measure])} xLabel={t.order} yLabel={t.measures[measure]} x={x} y={y} log kind="points" marked={marked} onPick={(i) => rows[i] && onShow(rows[i])} />
      <p className="muted">
        {t.depthHint} {equal > 0 && t.equal(equal)}
      </p>
    </>
  );
}

function Result({ comparison, model, call, address }: { comparison: Comparison; model: string; call: string | null; address: Address }) {
  const { rows, first, different, compared, only_a, only_b } = comparison;
  const over = address.query["over"] === "1";
  const measure = measures.find((id) => id === address.query["measure"]) ?? "max_rel";
  const shown = useMemo(() => (over ? rows.filter((row) => !row.within) : rows), [rows, over]);
  const { run = "", with: other = "", rtol, atol, ulp } = address.query;
  const show = (row: CompareRow) =>
    void attempt(() => showInGraph(model, call, row.node, row.name, { run, with: other, panel: "compare", rtol: rtol ?? null, atol: atol ?? null, ulp: ulp ?? null }));
  const firstRow = rows.find((row) => row.name === first);
  if (compared === 0) return <Empty title={t.nothing} />;
  return (
    <>
      <div className="row wrap">
        <p role="status" className="grow">
          <span className={`badge ${different > 0 ? "bad" : "good"}`}>{different > 0 ? t.different(different) : t.same}</span> {t.compared(compared)}{" "}
          <span className="muted">{only_a + only_b > 0 && t.only(only_a, only_b)}</span>
        </p>
        <a className="button" href={hrefTo({ view: "graph", query: { run, with: other, call, panel: "compare", colour: "error" } })}>
          {t.inGraph}
        </a>
      </div>
      {firstRow && <First row={firstRow} onShow={show} />}
      <div className="card depth">
        <div className="row">
          <h2 className="grow">{t.byDepth}</h2>
          <select aria-label={t.measure} value={measure} onChange={(event) => goTo({ query: { measure: event.target.value === "max_rel" ? null : event.target.value }, replace: true })}>
            {measures.map((id) => (
              <option key={id} value={id}>
                {t.measures[id]}
              </option>
            ))}
          </select>
        </div>
        <Depth rows={rows} measure={measure} onShow={show} />
      </div>
      <div className="card">
        <div className="row">
          <label className="row tight grow">
            <input type="checkbox" checked={over} onChange={(event) => goTo({ query: { over: event.target.checked ? 1 : null }, replace: true })} />
            {t.onlyOver}
          </label>
          {shown.length > SHOWN && <span className="muted">{t.firstRows(SHOWN, shown.length)}</span>}
        </div>
        <Table label={t.title} rows={shown.slice(0, SHOWN)} columns={columns} id={(row) => row.name} onRow={show} />
      </div>
    </>
  );
}

export default function CompareView({ model, address }: ViewProps) {
  useEffect(followRuns, []);
  const listed = useAsked("runs", refreshRuns);
  const all = useStore((state) => state.runs);
  const ended = runsOf(all, model?.id).filter((run) => run.ended !== null);
  const { run, with: other } = address.query;
  const tolerance = toleranceOf(address);
  const key = run && other ? JSON.stringify([run, other, tolerance]) : null;
  const asked = useAsked(key, (signal) => api.compare(run ?? "", other ?? "", tolerance, signal));
  return (
    <Shown asked={listed}>
      {() => (
        <div className="compare-view">
          <div className="row wrap">
            <RunChoice label={t.run} member="run" value={run} runs={ended} />
            <RunChoice label={t.reference} member="with" value={other} runs={ended} />
            <span className="grow" />
            {(["rtol", "atol", "ulp"] as const).map((member) => (
              <ToleranceField key={member} member={member} value={tolerance[member]} />
            ))}
          </div>
          {key === null ? (
            <Empty title={t.choose}>
              <p>{ended.length < 2 ? t.chooseHint : ""}</p>
            </Empty>
          ) : (
            <Shown asked={asked}>{(comparison) => <Result comparison={comparison} model={model?.id ?? ""} call={all[run ?? ""]?.call ?? null} address={address} />}</Shown>
          )}
        </div>
      )}
    </Shown>
  );
}
