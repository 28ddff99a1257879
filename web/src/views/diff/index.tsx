import { useLayoutEffect, useMemo } from "react";
import type { Model } from "../../api/types";
import { Panel } from "../../components/panel";
import { Empty, Progress, Shown, useAsked } from "../../components/states";
import { canPlan } from "../../session/session";
import { goTo, hrefTo, type Address } from "../../state/address";
import { modelAt, modelDetail, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import "../graph/graph.css";
import { countStates, withWeights, type Row } from "./differences";
import "./diff.css";
import { Filters, List } from "./list";
import { inGraphs, load, placesOf, rowIn, selectRow, shownStates, type Compared } from "./load";
import { GraphsFacts, PairFacts } from "./pair";
import { Panes } from "./panes";
import { useWeights, type Weights } from "./weights";

const t = texts.diff;

function OtherChoice({ model, other, models }: { model: Model; other: string | undefined; models: Model[] }) {
  return (
    <label className="row tight">
      <span className="muted">{t.other}</span>
      <select value={other ?? ""} onChange={(event) => goTo({ query: { with: event.target.value || null, "with-call": null, "with-show": null, states: null, weights: null, ...inGraphs(0, 0) } })}>
        <option value="">–</option>
        {models.map(({ id, name }) => (
          <option key={id} value={id}>
            {id === model.id ? `${name} =` : name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Which of a job's calls. */
function CallChoice({ model, member, value }: { model: Model; member: "call" | "with-call"; value: string | undefined }) {
  const asked = useAsked(model.id, () => modelDetail(model.id));
  const calls = asked.data?.calls ?? [];
  if (calls.length < 2) return null;
  return (
    <select aria-label={t.call(model.name)} value={value ?? calls[0]} onChange={(event) => goTo({ query: { [member]: event.target.value, ...inGraphs(0, 0) } })}>
      {calls.map((call) => (
        <option key={call}>{call}</option>
      ))}
    </select>
  );
}

/** The graph of the file, or the one that passes left of it. */
function ShowChoice({ model, member, value }: { model: Model; member: "show" | "with-show"; value: string | undefined }) {
  return (
    <select aria-label={t.show(model.name)} value={value ?? "file"} onChange={(event) => goTo({ query: { [member]: event.target.value === "file" ? null : event.target.value, ...inGraphs(0, 0) } })}>
      <option value="file">{texts.graph.asInFile}</option>
      <option value="planned">{texts.graph.asItRuns}</option>
    </select>
  );
}

function WeightsLine({ weights }: { weights: Weights }) {
  const { total, done, failed, start } = weights;
  if (total === 0) return null;
  if (start)
    return (
      <button title={t.compareWeightsHint} onClick={start}>
        {t.compareWeights(total)}
      </button>
    );
  if (done < total)
    return (
      <div className="diff-progress">
        <Progress done={done} total={total} label={t.weightsProgress} />
      </div>
    );
  return (
    <span className="muted" role="status" title={t.compareWeightsHint}>
      {t.weightsDone(weights.differ.size, total)} {failed > 0 && t.weightsFailed(failed)}
    </span>
  );
}

/** From one difference to the next, by buttons and by keys. */
function Jump({ listed, row }: { listed: Row[]; row: Row | undefined }) {
  const at = row ? listed.findIndex(({ id }) => id === row.id) : -1;
  const go = (by: 1 | -1) => {
    if (listed.length > 0) selectRow(listed[at < 0 ? (by > 0 ? 0 : listed.length - 1) : (at + by + listed.length) % listed.length]);
  };
  useLayoutEffect(() => {
    const key = (event: globalThis.KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, dialog *");
      if (typing || event.ctrlKey || event.metaKey || event.altKey || (event.key !== "n" && event.key !== "p")) return;
      event.preventDefault();
      go(event.key === "n" ? 1 : -1);
    };
    window.addEventListener("keydown", key);
    return () => window.removeEventListener("keydown", key);
  });
  return (
    <div className="row tight">
      <button aria-label={t.previous} title={t.previousHint} disabled={listed.length === 0} onClick={() => go(-1)}>
        ↑
      </button>
      <button aria-label={t.next} title={t.nextHint} disabled={listed.length === 0} onClick={() => go(1)}>
        ↓
      </button>
      <span role="status">{at >= 0 ? t.at(at + 1, listed.length) : t.count(listed.length)}</span>
    </div>
  );
}

function DiffPage({ compared, address }: { compared: Compared; address: Address }) {
  const weights = useWeights(compared, address.query["weights"] === "all", () => goTo({ query: { weights: "all" }, replace: true }));
  const rows = useMemo(() => withWeights(compared.rows, weights.differ), [compared, weights.differ]);
  const counts = useMemo(() => countStates(rows), [rows]);
  const states = address.query["states"];
  const shown = useMemo(() => shownStates(address), [states]);
  const listed = useMemo(() => rows.filter(({ state }) => shown.has(state)), [rows, shown]);
  const row = rowIn(rows, address);
  const inner = [compared.a.place, compared.b.place].some(({ graph, milli }) => graph !== 0 || milli !== null);
  return (
    <>
      <div className="graph-bar wrap">
        <Filters counts={counts} shown={shown} />
        <Jump listed={listed} row={row} />
        <span className="grow" />
        {inner && <a href={hrefTo({ query: inGraphs(0, 0) })}>← {t.mainGraphs}</a>}
        {counts.same === rows.length && <span>{t.equal}</span>}
        <WeightsLine weights={weights} />
      </div>
      <div className="diff-body">
        <div className="graph-middle">
          <Panes compared={compared} rows={listed} row={row} />
          <Panel side="bottom" id="differences" title={t.list} initial={200}>
            <List compared={compared} listed={listed} row={row} />
          </Panel>
        </div>
        <Panel side="right" id="inspector" title={texts.shell.inspector} initial={320} max={700}>
          {row ? <PairFacts compared={compared} row={row} /> : <GraphsFacts compared={compared} />}
        </Panel>
      </div>
    </>
  );
}

export default function DiffView({ model, address }: ViewProps) {
  const { models } = useStore();
  const { with: wanted, call, show, "with-call": otherCall, "with-show": otherShow } = address.query;
  const other = modelAt({ ...address, model: wanted ?? null }, models);
  const places = model && other ? placesOf(model, other, address) : null;
  const key = places && JSON.stringify([places, model?.opened, other?.opened]);
  const asked = useAsked(key, (signal) => load(places!, model!, other!, signal));
  if (!model) return null;
  return (
    <div className="diff-view">
      <div className="graph-bar">
        <strong className="ellipsis">{model.name}</strong>
        <CallChoice model={model} member="call" value={call} />
        {canPlan(model) && <ShowChoice model={model} member="show" value={show} />}
        <OtherChoice model={model} other={other?.id} models={models} />
        {other && <CallChoice model={other} member="with-call" value={otherCall} />}
        {other && canPlan(other) && <ShowChoice model={other} member="with-show" value={otherShow} />}
      </div>
      {wanted === undefined ? (
        <Empty title={t.choose}>
          <p>{t.chooseHint}</p>
          {models.length < 2 && <p>{t.onlyOne}</p>}
        </Empty>
      ) : other === null ? (
        <Empty title={texts.notFoundModel}>
          <code>{wanted}</code>
          <p>{texts.notFoundModelHint}</p>
        </Empty>
      ) : (
        <Shown asked={asked}>{(compared) => <DiffPage key={key} compared={compared} address={address} />}</Shown>
      )}
    </div>
  );
}
