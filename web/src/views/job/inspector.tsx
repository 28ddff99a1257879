import type { Job, JobNode, JobPort, JobSource, Port, Run } from "../../api/types";
import { formatNumber } from "../../components/format";
import { Facts, Table, type Column } from "../../components/table";
import { goTo, hrefTo } from "../../state/address";
import { goesOn, useSeen } from "../../state/live";
import { texts } from "../../texts";
import { graphOfCall } from "./diagram";
import { portOf } from "./rows";

const t = texts.job;

/** What a port is joined to, in words; nodes can be gone to. */
function Source({ job, from }: { job: Job; from: JobSource | null }) {
  if (from === null) return <span className="muted">{texts.graph.left}</span>;
  if ("literal" in from) return <code className="break">{JSON.stringify(from.literal)}</code>;
  const name = portOf(job, from)?.name ?? "";
  if ("input" in from) return t.ofInputs(name);
  const node = "node" in from ? from.node : from.loop;
  return (
    <button className="plain link" onClick={() => goTo({ query: { node }, replace: true })}>
      {"node" in from ? name : t.ofLoop(job.nodes[node]!.name, name)}
    </button>
  );
}

const common: Column<Port>[] = [
  {
    id: "name",
    title: texts.models.name,
    cell: ({ name, doc }) => (
      <>
        <span className="mono">{name}</span>
        {doc && <div className="muted job-doc">{doc}</div>}
      </>
    ),
  },
  { id: "type", title: texts.models.type, cell: ({ type }) => <span className="mono">{type}</span> },
];

function Ports({ job, title, ports, sources }: { job: Job; title: string; ports: JobPort[]; sources: boolean }) {
  if (ports.length === 0) return null;
  const columns: Column<JobPort>[] = [...common, ...(sources ? [{ id: "from", title: t.from, cell: ({ from }: JobPort) => <Source job={job} from={from} /> }] : [])];
  const numbered = new Map(ports.map((port, k) => [port, k]));
  return (
    <section className="inspector-part">
      <h3>{title}</h3>
      <Table label={title} columns={columns} rows={ports} id={(port) => numbered.get(port)!} />
    </section>
  );
}

/** The name with which runs keep what a node gives, in loops of all iterations. */
function nameInRuns(job: Job, node: JobNode, port: string): string {
  let name = `${node.name}/${port}`;
  for (let at = job.nodes[node.loop]; at; at = job.nodes[at.loop]) name = `${at.name}/step[*]/${name}`;
  return name;
}

/** What the node gave in a run, of iterations the last. */
function InRun({ job, node, run }: { job: Job; node: JobNode; run: Run }) {
  const names = node.gives.map(({ name }) => nameInRuns(job, node, name));
  const seen = useSeen(run, names, false);
  const rows = node.gives.flatMap(({ name }, k) => {
    const found = seen.get(names[k]!);
    return found ? [{ name, path: names[k]!, found }] : [];
  });
  return (
    <section className="inspector-part">
      <h3>{t.inRun(run.id)}</h3>
      {rows.length === 0 && <p className="muted">{goesOn(run) ? t.notYet : t.notKept}</p>}
      <ul className="values">
        {rows.map(({ name, path, found }) => (
          <li key={name}>
            <a href={hrefTo({ view: "value", query: { run: run.id, name: path } })}>{name}</a>
            <div className="mono muted break">
              {`${found.dtype} [${found.shape.join(", ")}] `}
              {found.min === found.max ? formatNumber(found.min) : `${formatNumber(found.min)} … ${formatNumber(found.max)}`}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function NodeInspector({ job, node, run }: { job: Job; node: JobNode; run: Run | null }) {
  const around = job.nodes[node.loop];
  return (
    <div className="inspector">
      <h2 className="title break">{node.name}</h2>
      <p>{node.doc}</p>
      <Facts
        of={[
          [t.op, node.op],
          [t.tokenizer, node.tokenizer],
          [
            t.inLoop,
            around && (
              <button className="plain link" onClick={() => goTo({ query: { node: node.loop }, replace: true })}>
                {around.name}
              </button>
            ),
          ],
        ]}
      />
      {node.calls.length > 0 && (
        <section className="inspector-part">
          <h3>{t.calls}</h3>
          <ul>
            {node.calls.map(({ as, call }) => (
              <li key={as}>
                {as}: <a href={hrefTo(graphOfCall(call, run?.id))}>{t.enter(call)}</a>
              </li>
            ))}
          </ul>
        </section>
      )}
      {run && <InRun job={job} node={node} run={run} />}
      <Ports job={job} title={t.takes} ports={node.takes} sources />
      <Ports job={job} title={t.bodyTakes} ports={node.body_takes} sources={false} />
      <Ports job={job} title={t.bodyGives} ports={node.body_gives} sources />
      <Ports job={job} title={t.gives} ports={node.gives} sources={false} />
    </div>
  );
}

export function JobInspector({ job }: { job: Job }) {
  return (
    <div className="inspector">
      <h2 className="title break">{job.name}</h2>
      {job.doc && <p>{job.doc}</p>}
      <Facts of={[[texts.models.kind, job.kind], [t.rate, job.inputs.some(({ type }) => type === "audio") && `${job.sample_rate.toLocaleString("en")} Hz`]]} />
      <p className="muted">{t.hint}</p>
      <section className="inspector-part">
        <h3>{t.inputs}</h3>
        <Table label={t.inputs} columns={common} rows={job.inputs} id={({ name }) => name} />
      </section>
      <Ports job={job} title={t.outputs} ports={job.outputs} sources />
    </div>
  );
}
