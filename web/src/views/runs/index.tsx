import { useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Run } from "../../api/types";
import { formatBytes, formatCount, formatSeconds } from "../../components/format";
import { StateBadge } from "../../components/run-state";
import { Empty, Fault, useAsked, Waiting } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { hrefTo } from "../../state/address";
import { goesOn } from "../../state/live";
import { attempt, followRuns, forgetRun, refreshRuns, runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";
import "./runs.css";

const t = texts.runs;

/** The graph with the values of a run, or the job with its outputs. */
export const placeOf = (run: Run) => hrefTo(run.kind === "job" ? { view: "job", model: run.model, query: { run: run.id, tab: "run" } } : { view: "graph", model: run.model, query: { run: run.id, call: run.call } });

function Actions({ run }: { run: Run }) {
  return (
    <span className="row end">
      {run.profile && run.ended !== null && <a href={hrefTo({ view: "profile", model: run.model, query: { run: run.id } })}>{t.profile}</a>}
      <a href={placeOf(run)} aria-label={t.open(run.id)}>
        {texts.open}
      </a>
      {goesOn(run) ? (
        <button aria-label={t.cancel(run.id)} onClick={() => void attempt(() => api.cancel(run.id))}>
          {texts.cancel}
        </button>
      ) : (
        <button className="plain" aria-label={t.remove(run.id)} title={t.remove(run.id)} onClick={() => void attempt(() => forgetRun(run.id))}>
          ✕
        </button>
      )}
    </span>
  );
}

function Time({ run }: { run: Run }) {
  const progress = useStore((state) => state.progress[run.id]);
  if (run.seconds !== null) return formatSeconds(run.seconds);
  return progress && progress.total > 0 ? `${Math.round((100 * progress.done) / progress.total)} %` : "–";
}

const began = (run: Run) => new Date(run.created * 1000).toLocaleTimeString("en", { hour12: false });

function columnsOf(chosen: string[], choose: (id: string) => void): Column<Run>[] {
  return [
    {
      id: "choose",
      title: t.choose,
      mute: true,
      cell: (run) => <input type="checkbox" aria-label={t.compare(run.id)} checked={chosen.includes(run.id)} disabled={goesOn(run)} onChange={() => choose(run.id)} />,
    },
    { id: "id", title: t.run, cell: (run) => <code>{run.id}</code>, sort: (run) => run.created },
    { id: "model", title: t.model, cell: (run) => run.model, sort: (run) => run.model },
    { id: "call", title: t.call, cell: (run) => (run.kind === "job" ? t.job : (run.call ?? "–")), sort: (run) => run.call ?? "" },
    { id: "state", title: t.state, cell: (run) => <span title={run.error?.message}><StateBadge state={run.state} /></span>, sort: (run) => run.state },
    { id: "time", title: t.time, number: true, cell: (run) => <Time run={run} />, sort: (run) => run.seconds ?? Infinity },
    { id: "backend", title: t.backend, cell: (run) => (run.oracle ? texts.run.oracle : run.backends || t.fastest), sort: (run) => (run.oracle ? "" : run.backends) },
    { id: "kept", title: t.kept, number: true, cell: (run) => `${formatCount(run.kept)} (${formatBytes(run.kept_bytes)})`, sort: (run) => run.kept_bytes },
    { id: "began", title: t.began, number: true, cell: began, sort: (run) => run.created },
    { id: "actions", title: t.actions, mute: true, cell: (run) => <Actions run={run} /> },
  ];
}

/** Two runs at most, the one that was chosen first as the reference: a third takes the place of the second. */
const withChoice = (chosen: string[], id: string) => (chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen.slice(0, 1), id]);

function CompareLink({ runs, chosen }: { runs: Run[]; chosen: string[] }) {
  const [reference, other] = chosen.map((id) => runs.find((run) => run.id === id));
  const ready = reference !== undefined && other !== undefined;
  if (ready && reference.model !== other.model) return <span className="muted">{t.otherModel}</span>;
  if (!ready) return <span className="muted">{reference ? t.oneMore(reference.id) : t.chooseTwo}</span>;
  return (
    <a className="button primary" href={hrefTo({ view: "compare", model: other.model, query: { run: other.id, with: reference.id } })}>
      {t.compareWith(other.id, reference.id)}
    </a>
  );
}

export default function RunsView() {
  useEffect(followRuns, []);
  const asked = useAsked("runs", refreshRuns);
  const all = useStore((state) => state.runs);
  const [choices, setChoices] = useState<string[]>([]);
  const runs = useMemo(() => runsOf(all), [all]);
  const chosen = choices.filter((id) => all[id] !== undefined);
  if (asked.fault !== null) return <Fault fault={asked.fault} retry={asked.again} />;
  if (asked.data === null) return <Waiting />;
  return (
    <div className="page wide">
      <div className="row">
        <h2 className="grow title">{t.title}</h2>
        {runs.length > 1 && <CompareLink runs={runs} chosen={chosen} />}
      </div>
      <div className="card">
        {runs.length === 0 ? (
          <Empty title={t.empty}>
            <p>{t.emptyHint}</p>
          </Empty>
        ) : (
          <Table label={t.title} rows={runs} id={(run) => run.id} columns={columnsOf(chosen, (id) => setChoices(withChoice(chosen, id)))} />
        )}
      </div>
    </div>
  );
}
