// The job of a model as a graph of its nodes, and runs of it.
import { useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Job, Model } from "../../api/types";
import { Panel } from "../../components/panel";
import { Shown, useAsked, Waiting } from "../../components/states";
import { Tabs } from "../../components/tabs";
import { goTo, numberOf, type Address } from "../../state/address";
import { followRuns, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { RunLine } from "../graph/run";
import "../graph/graph.css";
import { arrange } from "./arrange";
import { Diagram } from "./diagram";
import { Document, useDraft } from "./document";
import { JobInspector, NodeInspector } from "./inspector";
import { Outputs, RunDialog } from "./run";
import "./job.css";

const t = texts.job;

function JobPage({ model, job: opened, address }: { model: Model; job: Job; address: Address }) {
  const draft = useDraft();
  const job = draft.job ?? opened;
  const [dialog, setDialog] = useState(false);
  const arranged = useMemo(() => arrange(job), [job]);
  const number = numberOf(address, "node");
  const node = number === null ? undefined : job.nodes[number];
  const id = address.query["run"] ?? null;
  const run = useStore((state) => (id === null ? null : (state.runs[id] ?? null)));
  useEffect(followRuns, []);
  const tabs = [
    { id: "inspector", title: texts.shell.inspector, content: () => (node ? <NodeInspector job={job} node={node} run={run} /> : <JobInspector job={job} />) },
    { id: "document", title: t.document, content: () => <Document job={opened} draft={draft} /> },
    ...(id === null ? [] : [{ id: "run", title: t.outputs, content: () => (run ? <Outputs key={run.id} run={run} /> : null) }]),
  ];
  return (
    <div className="graph-page">
      <div className="graph-middle">
        <div className="graph-bar">
          <span className="grow ellipsis">
            <strong>{job.name}</strong> <span className="muted">{job.doc}</span>
          </span>
          {draft.job && <span className="badge warn">{t.draft}</span>}
          <button className="primary" disabled={draft.text !== null} onClick={() => setDialog(true)}>
            {texts.run.go}
          </button>
        </div>
        {id !== null && <RunLine id={id} run={run} />}
        <Diagram job={job} arranged={arranged} selected={node ? number : null} />
      </div>
      {dialog && <RunDialog model={model.id} job={opened} onClose={() => setDialog(false)} />}
      <Panel side="right" id="job" title={t.title} initial={380} max={800}>
        <div className="job-tabs">
          <Tabs label={t.title} tabs={tabs} chosen={address.query["tab"] ?? "inspector"} onChoose={(tab) => goTo({ query: { tab: tab === "inspector" ? null : tab }, replace: true })} />
        </div>
      </Panel>
    </div>
  );
}

export default function JobView({ model, address }: ViewProps) {
  const asked = useAsked(model ? JSON.stringify([model.id, model.opened]) : null, () => api.job(model!.id));
  if (!model) return <Waiting />;
  return <Shown asked={asked}>{(job) => <JobPage key={model.id} model={model} job={job} address={address} />}</Shown>;
}
