import { useEffect, useMemo } from "react";
import { api, wholeProfile } from "../../api/client";
import type { Profile, ProfileRow, ProfileSpan, Run } from "../../api/types";
import { formatBytes, formatCount, formatSeconds } from "../../components/format";
import { Empty, Shown, useAsked } from "../../components/states";
import { Facts, Table, type Column } from "../../components/table";
import { Tabs } from "../../components/tabs";
import { sessionOfRun } from "../../session/session";
import { goTo, numberOf, type Address } from "../../state/address";
import { showInGraph } from "../../state/places";
import { attempt, followRuns, refreshRuns, runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { endOf } from "./flame";
import { Roofline } from "./roofline";
import { spanTitle, Timeline } from "./timeline";
import "./profile.css";

const t = texts.profile;
const SHOWN = 300; // rows of a table

const isOf = (span: ProfileSpan, row: ProfileRow) => span.kind === "node" && span.name === row.node && span.op_type === row.op_type && span.backend === row.backend;
const lengthOf = (span: ProfileSpan) => (endOf(span) - span.begin) * 1e-6;
const rate = (amount: number, seconds: number) => (amount > 0 && seconds > 0 ? formatCount(amount / seconds) : "–");

function Totals({ profile, run }: { profile: Profile; run: Run }) {
  const { spans, by_operator, by_phase, dropped } = profile;
  const whole = spans[0]?.kind === "run" ? lengthOf(spans[0]) : (run.seconds ?? 0);
  const flops = by_operator.reduce((sum, row) => sum + row.flops, 0);
  const phase = (kind: string) => by_phase.find((row) => row.op_type === kind)?.seconds ?? 0;
  return (
    <Facts
      of={[
        [t.total, formatSeconds(whole)],
        [t.operators, formatSeconds(by_operator.reduce((sum, row) => sum + row.seconds, 0))],
        [t.planning, phase("plan") > 0 && formatSeconds(phase("plan"))],
        [t.packing, phase("pack") > 0 && formatSeconds(phase("pack"))],
        [t.flops, flops > 0 && `${formatCount(flops)} (${rate(flops, whole)}/s)`],
        [t.threads, new Set(spans.map((span) => span.thread)).size],
        [t.spans, `${spans.length.toLocaleString("en")}${dropped > 0 ? ` (${t.dropped(dropped)})` : ""}`],
      ]}
    />
  );
}

function columnsOf(rows: ProfileRow[], named: boolean): Column<ProfileRow>[] {
  const all = rows.reduce((sum, row) => sum + row.seconds, 0);
  const share = (row: ProfileRow) => (all > 0 ? row.seconds / all : 0);
  return [
    { id: "op", title: t.operator, cell: (row) => row.op_type, sort: (row) => row.op_type },
    ...(named ? [{ id: "node", title: t.node, cell: (row: ProfileRow) => <span className="mono break">{row.node}</span>, sort: (row: ProfileRow) => row.node }] : []),
    { id: "seconds", title: t.time, number: true, cell: (row) => formatSeconds(row.seconds), sort: (row) => row.seconds },
    {
      id: "share",
      title: t.share,
      number: true,
      cell: (row) => (
        <span className="share">
          <span className="share-track">
            <span className="share-bar" style={{ width: `${100 * share(row)}%` }} />
          </span>
          <span>{(100 * share(row)).toFixed(1)} %</span>
        </span>
      ),
      sort: share,
    },
    { id: "calls", title: t.calls, number: true, cell: (row) => row.calls.toLocaleString("en"), sort: (row) => row.calls },
    { id: "flops", title: t.flopRate, number: true, cell: (row) => rate(row.flops, row.seconds), sort: (row) => row.flops / (row.seconds || 1) },
    { id: "bytes", title: t.byteRate, number: true, cell: (row) => rate(row.bytes_read + row.bytes_written, row.seconds), sort: (row) => (row.bytes_read + row.bytes_written) / (row.seconds || 1) },
    { id: "memory", title: t.memory, number: true, cell: (row) => (row.memory > 0 ? formatBytes(row.memory) : "–"), sort: (row) => row.memory },
    { id: "backend", title: texts.runs.backend, cell: (row) => row.backend, sort: (row) => row.backend },
  ];
}

function Sums({ rows, label, onNode }: { rows: ProfileRow[]; label: string; onNode?: (node: string) => void }) {
  const columns = useMemo(() => columnsOf(rows, onNode !== undefined), [rows, onNode === undefined]);
  return (
    <>
      {rows.length > SHOWN && <p className="muted">{t.first(SHOWN, rows.length)}</p>}
      <Table
        label={label}
        rows={rows.slice(0, SHOWN)}
        columns={columns}
        id={(row) => `${row.node} ${row.op_type} ${row.backend}`}
        sortBy={{ column: "seconds", down: true }}
        {...(onNode ? { onRow: (row: ProfileRow) => onNode(row.node) } : {})}
      />
    </>
  );
}

/** What is known of the selected span. */
function SpanFacts({ span, onShow }: { span: ProfileSpan; onShow: () => void }) {
  return (
    <div className="span-facts" role="status">
      <strong>{spanTitle(span)}</strong>
      <span className="mono break">{span.name}</span>
      <span>{formatSeconds(lengthOf(span))}</span>
      <span className="muted">{t.from(formatSeconds(span.begin * 1e-6))}</span>
      {span.kernel && <span className="muted">{`${span.backend}: ${span.kernel}`}</span>}
      {span.flops > 0 && <span className="muted">{`${rate(span.flops, lengthOf(span))} FLOP/s`}</span>}
      {span.bytes_read + span.bytes_written > 0 && <span className="muted">{`${rate(span.bytes_read + span.bytes_written, lengthOf(span))} B/s`}</span>}
      {span.kind !== "run" && <button onClick={onShow}>{t.show}</button>}
    </div>
  );
}

function ProfilePage({ profile, run, address }: { profile: Profile; run: Run; address: Address }) {
  const { spans } = profile;
  const inPanel = address.view === "graph";
  const at = numberOf(address, "span");
  const selected = at !== null && spans[at] ? at : null;
  const span = selected === null ? undefined : spans[selected];
  const toNode = (node: string, span: number | null) => void attempt(() => showInGraph(run.model, run.call, node, "", { run: run.id, panel: "profile", span }));
  const open = (i: number) => spans[i]?.kind !== "run" && toNode(spans[i]?.name ?? "", i);
  const select = (i: number | null) => {
    goTo({ query: { span: i }, replace: true });
    if (inPanel && i !== null) open(i);
  };
  /** The longest span of a node; without one, as spans may find no room, the node itself. */
  const selectNode = (row: ProfileRow | null) => {
    const longest = row && spans.reduce<number | null>((best, other, i) => (isOf(other, row) && (best === null || lengthOf(other) > lengthOf(spans[best]!)) ? i : best), null);
    if (row && longest === null) toNode(row.node, null);
    else select(longest);
  };
  const table = ["operators", "nodes", "milli", "phases", "roofline"].find((id) => id === address.query["sums"]) ?? "operators";
  return (
    <>
      {spans.length > 0 && <Timeline spans={spans} selected={selected} onSelect={select} onOpen={open} />}
      {span && <SpanFacts span={span} onShow={() => open(selected ?? 0)} />}
      <div className="profile-sums">
        <div className="card">
          <Totals profile={profile} run={run} />
        </div>
        <div className="card grow">
          <Tabs
            label={t.sums}
            chosen={table}
            onChoose={(id) => goTo({ query: { sums: id === "operators" ? null : id }, replace: true })}
            tabs={[
              { id: "operators", title: t.byOperator, content: () => <Sums key="o" label={t.byOperator} rows={profile.by_operator} /> },
              { id: "nodes", title: t.byNode, content: () => <Sums key="n" label={t.byNode} rows={profile.by_node} onNode={(node) => toNode(node, null)} /> },
              { id: "milli", title: t.byMilli, content: () => <Sums key="m" label={t.byMilli} rows={profile.by_milli} /> },
              { id: "phases", title: t.byPhase, content: () => <Sums key="p" label={t.byPhase} rows={profile.by_phase} /> },
              {
                id: "roofline",
                title: t.roofline,
                content: () => (
                  <Roofline rows={profile.by_node} shown={SHOWN} selected={(span && profile.by_node.find((row) => isOf(span, row))) ?? null} onSelect={selectNode} onOpen={(row) => toNode(row.node, selected)} />
                ),
              },
            ]}
          />
        </div>
      </div>
    </>
  );
}

export default function ProfileView({ model, address }: ViewProps) {
  useEffect(followRuns, []);
  const listed = useAsked("runs", refreshRuns);
  const all = useStore((state) => state.runs);
  const profiled = runsOf(all, model?.id).filter((run) => run.profile && run.ended !== null);
  const wanted = address.query["run"];
  const run = profiled.find(({ id }) => id === wanted) ?? (wanted === undefined || address.view === "graph" ? profiled[0] : undefined);
  const asked = useAsked(run?.id ?? null, (signal) => wholeProfile(run?.id ?? "", signal));
  return (
    <Shown asked={listed}>
      {() =>
        run ? (
          <div className="profile-view">
            <div className="row">
              <h2 className="title grow">{t.title}</h2>
              <select aria-label={t.run} value={run.id} onChange={(event) => goTo({ query: { run: event.target.value, span: null } })}>
                {profiled.map(({ id, call }) => (
                  <option key={id} value={id}>
                    {texts.run.name(id)} {call ? `(${call})` : ""}
                  </option>
                ))}
              </select>
              {!sessionOfRun(run.id) && (
                <a className="button" href={api.traceAddress(run.id)} download title={t.traceHint}>
                  {t.trace}
                </a>
              )}
            </div>
            <Shown asked={asked}>{(profile) => <ProfilePage profile={profile} run={run} address={address} />}</Shown>
          </div>
        ) : (
          <Empty title={wanted === undefined ? t.none : t.noneOf(wanted)}>
            <p>{t.hint}</p>
          </Empty>
        )
      }
    </Shown>
  );
}
