// The values of a run, or the weights of a model, to choose one.
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import type { Model, RunValue, Value } from "../../api/types";
import { formatBytes, formatNumber } from "../../components/format";
import { Empty, Shown, useAsked } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { goTo, type Address } from "../../state/address";
import { followRuns, refreshRuns, runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";

const t = texts.value;
const SHOWN = 500;

const kept: Column<RunValue>[] = [
  { id: "name", title: texts.models.name, cell: (value) => <span className="mono break">{value.name}</span>, sort: (value) => value.name },
  { id: "op", title: t.madeBy, cell: (value) => value.op_type || "–", sort: (value) => value.op_type },
  { id: "type", title: texts.models.type, cell: (value) => <span className="mono">{value.type}</span> },
  { id: "min", title: texts.digest.min, number: true, cell: (value) => formatNumber(value.digest.min), sort: (value) => value.digest.min ?? 0 },
  { id: "max", title: texts.digest.max, number: true, cell: (value) => formatNumber(value.digest.max), sort: (value) => value.digest.max ?? 0 },
  { id: "mean", title: texts.digest.mean, number: true, cell: (value) => formatNumber(value.digest.mean), sort: (value) => value.digest.mean ?? 0 },
  { id: "nan", title: t.notFiniteShort, number: true, cell: (value) => notFinite(value).toLocaleString("en"), sort: notFinite },
  { id: "size", title: texts.models.size, number: true, cell: (value) => formatBytes(value.bytes), sort: (value) => value.bytes },
];
function notFinite({ digest }: RunValue): number {
  return digest.nan + digest.plus_inf + digest.minus_inf;
}

const weights: Column<Value>[] = [
  { id: "name", title: texts.models.name, cell: (value) => <span className="mono break">{value.name}</span>, sort: (value) => value.name },
  { id: "type", title: texts.models.type, cell: (value) => <span className="mono">{value.type}</span> },
  { id: "size", title: texts.models.size, number: true, cell: (value) => formatBytes(value.bytes ?? 0), sort: (value) => value.bytes ?? 0 },
];

function Kept({ run, q }: { run: string; q: string }) {
  const asked = useAsked(JSON.stringify([run, q]), () => api.runValues(run, { q, count: SHOWN }));
  return (
    <Shown asked={asked}>
      {({ total, values }) =>
        total === 0 ? (
          <Empty title={t.noneFound} />
        ) : (
          <>
            <p className="muted">{t.listed(values.length, total)}</p>
            <Table label={t.title} columns={kept} rows={values} id={(value) => `${value.node} ${value.name}`} onRow={(value) => goTo({ query: { run, name: value.name } })} />
          </>
        )
      }
    </Shown>
  );
}

function Weights({ model, call, q }: { model: string; call: string | undefined; q: string }) {
  const asked = useAsked(JSON.stringify([model, call ?? null]), async (signal) => (await api.values(model, 0, { call }, signal)).filter((value) => value.role === "initializer"));
  return (
    <Shown asked={asked}>
      {(all) => {
        const found = all.filter((value) => value.name.toLowerCase().includes(q.toLowerCase()));
        if (found.length === 0) return <Empty title={t.noneFound} />;
        return (
          <>
            <p className="muted">{t.listed(Math.min(found.length, SHOWN), found.length)}</p>
            <Table label={t.title} columns={weights} rows={found.slice(0, SHOWN)} id={(value) => value.i} onRow={(value) => goTo({ query: { value: value.i } })} />
          </>
        );
      }}
    </Shown>
  );
}

export function ValueList({ model, address }: { model: Model; address: Address }) {
  const all = useStore((state) => state.runs);
  const [q, setQ] = useState("");
  useEffect(followRuns, []);
  useAsked("runs", refreshRuns);
  const { run, call } = address.query;
  const runs = runsOf(all, model.id);
  return (
    <div className="page wide">
      <div className="row">
        <h2 className="title grow">{t.title}</h2>
        <select aria-label={t.whose} value={run ?? ""} onChange={(event) => goTo({ query: { run: event.target.value || null } })}>
          <option value="">{t.weights}</option>
          {run !== undefined && !all[run] && <option value={run}>{texts.run.name(run)}</option>}
          {runs.map(({ id, call: of, kept: n }) => (
            <option key={id} value={id}>
              {texts.run.name(id)} {of ? `(${of})` : ""}: {texts.run.kept(n.toLocaleString("en"))}
            </option>
          ))}
        </select>
        <input type="search" aria-label={t.find} placeholder={t.find} value={q} onChange={(event) => setQ(event.target.value)} />
      </div>
      <div className="card">{run === undefined ? <Weights model={model.id} call={call} q={q} /> : <Kept run={run} q={q} />}</div>
    </div>
  );
}
