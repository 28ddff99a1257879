import { useCallback, useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Comparison, CompareRow, Run, Tolerance } from "../../api/types";
import { formatNumber } from "../../components/format";
import { Plot } from "../../components/plot";
import { Empty, Shown, useAsked, type Asked } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { sessionOfModel } from "../../session/session";
import { goTo, hrefTo, type Address } from "../../state/address";
import { judge } from "../../state/judge";
import { showInGraph } from "../../state/places";
import { attempt, followRuns, refreshRuns, runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { RunDialog } from "../graph/run-form";
import { good, toleranceOf, usualTolerance } from "./tolerance";
import "./compare.css";

const t = texts.compare;
const SHOWN = 500; // rows of the table

type Measure = "max_rel" | "max_abs" | "ulp_max" | "times";
const measuresOf = (judged: Comparison | null): Measure[] => ["max_rel", "max_abs", "ulp_max", ...(judged ? (["times"] as const) : [])];

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

type Show = (row: CompareRow) => void;

/** A value of both runs, and what its node makes of the reference's values. */
interface Row extends CompareRow {
  wrong?: boolean;
}

function withTimes(rows: CompareRow[], judged: Comparison | null): Row[] {
  const known = new Map(judged?.rows.map((row) => [row.name, row]));
  return rows.map((row) => {
    const found = known.get(row.name);
    return found ? { ...row, wrong: !found.within, ...(found.times === undefined ? {} : { times: found.times }) } : row;
  });
}

const figure = (value: number | null | undefined, digits = 4) => (value === undefined ? "–" : value === null ? t.notFinite : <span className="mono">{formatNumber(value, digits)}</span>);
const ordered = (value: number | null | undefined) => (value === null ? Infinity : (value ?? -1));

const columns: Column<Row>[] = [
  { id: "name", title: t.value, cell: (row) => <span className="mono break">{row.name}</span>, sort: (row) => row.name },
  { id: "op", title: t.madeBy, cell: (row) => row.op_type || "–", sort: (row) => row.op_type },
  { id: "within", title: t.state, cell: (row) => <span className={`badge ${row.within ? "good" : "bad"}`} title={row.why ?? undefined}>{row.within ? t.within : row.why === null ? t.over : t.notCompared}</span>, sort: (row) => Number(row.within) },
  { id: "rel", title: t.measures.max_rel, number: true, cell: (row) => figure(row.max_rel), sort: (row) => ordered(row.max_rel) },
  { id: "abs", title: t.measures.max_abs, number: true, cell: (row) => figure(row.max_abs), sort: (row) => ordered(row.max_abs) },
  { id: "ulp", title: t.measures.ulp_max, number: true, cell: (row) => row.ulp_max?.toLocaleString("en") ?? "–", sort: (row) => row.ulp_max ?? -1 },
  { id: "over", title: t.elementsOver, number: true, cell: (row) => (row.n_over === undefined ? "–" : `${row.n_over.toLocaleString("en")} / ${(row.elements ?? 0).toLocaleString("en")}`), sort: (row) => row.n_over ?? -1 },
  { id: "times", title: t.measures.times, number: true, cell: (row) => figure(row.times, 3), sort: (row) => ordered(row.times) },
  { id: "worst", title: t.worst, cell: (row) => (row.worst && row.worst_a !== undefined && row.max_abs !== 0 ? <span className="mono">{`[${row.worst.join(", ")}]`}</span> : "–") },
];

/** The first value out of tolerance, or that its node makes wrong, and what its first such element is in both runs. */
function First({ title, row, onShow }: { title: string; row: CompareRow; onShow: Show }) {
  return (
    <div className="card first">
      <h2>{title}</h2>
      <strong>{row.op_type}</strong> <span className="mono break">{row.name}</span>
      {row.why !== null && <span className="break">{row.why}</span>}
      {row.times !== undefined && <span>{t.timesRounding(row.times === null ? "∞" : formatNumber(row.times, 3))}</span>}
      {row.first && row.first_a !== undefined && (
        <span>
          <span className="mono">[{row.first.join(", ")}]</span>: {figure(row.first_a, 9)} {t.insteadOf} {figure(row.first_b, 9)}
        </span>
      )}
      <button onClick={() => onShow(row)}>{texts.profile.show}</button>
    </div>
  );
}

/** What came of running each node on the reference's values; null: nobody asked. */
function Nodes({ asked, can, onShow }: { asked: Asked<Comparison> | null; can: boolean; onShow: Show }) {
  if (asked === null)
    return !can ? null : (
      <button title={t.judgeHint} onClick={() => goTo({ query: { by: "node" }, replace: true })}>
        {t.judge}
      </button>
    );
  return (
    <Shown asked={asked} waiting={t.judging}>
      {({ first, different, compared, rows }) => {
        const row = rows.find(({ name }) => name === first);
        return (
          <>
            <p>
              {t.nodes}: <span className={`badge ${row ? "bad" : "good"}`}>{row ? t.nodesWrong(different, compared) : t.nodesRight(compared)}</span>
            </p>
            {row && <First title={t.firstNode} row={row} onShow={onShow} />}
          </>
        );
      }}
    </Shown>
  );
}

/** Errors by depth: in the order in which the values were computed. */
function Depth({ rows, measure, onShow }: { rows: Row[]; measure: Measure; onShow: Show }) {
  const { x, y, equal } = useMemo(() => {
    const errors = rows.map((row) => row[measure] ?? null);
    return { x: rows.map((_, i) => i), y: errors.map((error) => (error !== null && error > 0 ? error : null)), equal: errors.filter((error) => error === 0).length };
  }, [rows, measure]);
  const marked = useCallback((i: number) => (measure === "times" ? rows[i]?.wrong === true : rows[i]?.within === false), [rows, measure]);
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

function Result({ comparison, judged, model, call, address }: { comparison: Comparison; judged: Asked<Comparison> | null; model: string; call: string | null; address: Address }) {
  const { first, different, compared, only_a, only_b } = comparison;
  const nodes = judged?.data ?? null;
  const rows = useMemo(() => withTimes(comparison.rows, nodes), [comparison, nodes]);
  const measures = measuresOf(nodes);
  const over = address.query["over"] === "1";
  const measure = measures.find((id) => id === address.query["measure"]) ?? "max_rel";
  const shown = useMemo(() => (over ? rows.filter((row) => !row.within) : rows), [rows, over]);
  const { run = "", with: other = "", rtol = null, atol = null, ulp = null, by = null } = address.query;
  const show = (row: CompareRow) => void attempt(() => showInGraph(model, call, row.node, row.name, { run, with: other, panel: "compare", rtol, atol, ulp, by }));
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
      <Nodes asked={judged} can={sessionOfModel(model) === undefined} onShow={show} />
      {firstRow && <First title={t.first} row={firstRow} onShow={show} />}
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
        <Table label={t.title} rows={shown.slice(0, SHOWN)} columns={nodes ? columns : columns.filter(({ id }) => id !== "times")} id={(row) => row.name} onRow={show} />
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
  const call = all[run ?? ""]?.call ?? null;
  const session = model ? sessionOfModel(model.id) : undefined;
  const tolerance = toleranceOf(address);
  const key = run && other ? JSON.stringify([run, other, tolerance]) : null;
  const asked = useAsked(key, (signal) => api.compare(run ?? "", other ?? "", tolerance, signal));
  const byNode = run !== undefined && other !== undefined && (session ? session.comparison?.nodes != null : address.query["by"] === "node");
  const judged = useAsked(byNode ? JSON.stringify([run, other]) : null, (signal) => judge(run ?? "", other ?? "", signal));
  const [dialog, setDialog] = useState(false);
  return (
    <Shown asked={listed}>
      {() => (
        <div className="compare-view">
          <div className="row wrap">
            <RunChoice label={t.run} member="run" value={run} runs={ended} />
            <RunChoice label={t.reference} member="with" value={other} runs={ended} />
            <span className="grow" />
            {model && !session && (
              <button title={t.backendsHint} onClick={() => setDialog(true)}>
                {t.backends}
              </button>
            )}
            <div className="row">
              {(["rtol", "atol", "ulp"] as const).map((member) => (
                <ToleranceField key={member} member={member} value={tolerance[member]} />
              ))}
            </div>
          </div>
          {key === null ? (
            <Empty title={t.choose}>
              <p>{ended.length < 2 ? t.chooseHint : ""}</p>
            </Empty>
          ) : (
            <Shown asked={asked}>{(comparison) => <Result comparison={comparison} judged={byNode ? judged : null} model={model?.id ?? ""} call={call} address={address} />}</Shown>
          )}
          {dialog && model && <RunDialog compared model={model.id} call={call ?? address.query["call"]} onClose={() => setDialog(false)} />}
        </div>
      )}
    </Shown>
  );
}
