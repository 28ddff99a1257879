import type { Job, JobNode, JobPort, JobSource, Port } from "../../api/types";
import { Facts, Table, type Column } from "../../components/table";
import { goTo, hrefTo } from "../../state/address";
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

export function NodeInspector({ job, node }: { job: Job; node: JobNode }) {
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
                {as}: <a href={hrefTo(graphOfCall(call))}>{t.enter(call)}</a>
              </li>
            ))}
          </ul>
        </section>
      )}
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
