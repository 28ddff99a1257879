import { useState } from "react";
import type { Model, ModelDetail, Port, Value } from "../../api/types";
import { formatBytes, formatCount } from "../../components/format";
import { Shown, useAsked } from "../../components/states";
import { Facts, Table, type Column } from "../../components/table";
import { goTo, hrefTo } from "../../state/address";
import { attempt, modelDetail, modelHash } from "../../state/store";
import { texts } from "../../texts";

const t = texts.models;

const valueColumns: Column<Value>[] = [
  { id: "name", title: t.name, cell: (value) => <span className="mono">{value.name}</span> },
  { id: "type", title: t.type, cell: (value) => <span className="mono">{value.type}</span> },
];
const portColumns: Column<Port>[] = [
  { id: "name", title: t.name, cell: (port) => <span className="mono">{port.name}</span> },
  { id: "type", title: t.type, cell: (port) => <span className="mono">{port.type}</span> },
  { id: "doc", title: t.doc, cell: (port) => port.doc },
];

function Hash({ model }: { model: Model }) {
  const [waiting, setWaiting] = useState(false);
  const ask = () => {
    setWaiting(true);
    void attempt(() => modelHash(model)).then(() => setWaiting(false));
  };
  if (model.hash === null)
    return (
      <button onClick={ask} disabled={waiting}>
        {waiting ? t.hashing : t.askHash}
      </button>
    );
  return (
    <>
      <code>{model.hash}</code>{" "}
      <a href={hrefTo({ model: model.hash, query: {} })} title={t.hashLinkHint}>
        {t.hashLink}
      </a>
    </>
  );
}

function Overview({ model, detail }: { model: Model; detail: ModelDetail }) {
  const toValue = (value: Value) => goTo({ view: "graph", query: { g: 0, value: value.i } });
  const metadata = Object.entries(detail.metadata);
  return (
    <div className="page">
      <h2 className="title">{detail.name}</h2>
      <div className="card">
        <Facts
          of={[
            [t.doc, detail.doc],
            [t.kind, detail.kind],
            [t.graphName, detail.graph_name],
            [t.operators, detail.n_nodes.toLocaleString("en")],
            [t.parameters, `${formatCount(detail.parameters)} (${formatBytes(detail.parameter_bytes)})`],
            [t.producer, `${detail.producer_name} ${detail.producer_version}`.trim()],
            [t.opsets, detail.opsets.map((opset) => `${opset.domain || "ai.onnx"} ${opset.version}`).join(", ")],
            [t.ir, detail.ir_version],
            [t.symbols, detail.symbols.join(", ")],
            [t.backends, detail.backends.join(", ")],
            [t.file, detail.file],
            [t.size, formatBytes(detail.bytes)],
            [t.hash, <Hash model={model} />],
          ]}
        />
      </div>
      {detail.diagnostics.length > 0 && (
        <div className="card">
          <h2>{t.diagnostics}</h2>
          {detail.diagnostics.map((line) => (
            <p key={line} className="break">
              {line}
            </p>
          ))}
        </div>
      )}
      {detail.job && (
        <div className="card">
          <h2>{t.ports}</h2>
          <Table label={t.inputs} columns={portColumns} rows={detail.ports.inputs} id={(port) => port.name} />
          <Table label={t.outputs} columns={portColumns} rows={detail.ports.outputs} id={(port) => port.name} />
        </div>
      )}
      <div className="card">
        <h2>{t.inputs}</h2>
        <Table label={t.inputs} columns={valueColumns} rows={detail.inputs} id={(value) => value.i} onRow={toValue} />
      </div>
      <div className="card">
        <h2>{t.outputs}</h2>
        <Table label={t.outputs} columns={valueColumns} rows={detail.outputs} id={(value) => value.i} onRow={toValue} />
      </div>
      {metadata.length > 0 && (
        <div className="card">
          <h2>{t.metadata}</h2>
          <Facts of={metadata} />
        </div>
      )}
    </div>
  );
}

export function ModelPage({ model }: { model: Model }) {
  const asked = useAsked(model.id, () => modelDetail(model.id));
  return <Shown asked={asked}>{(detail) => <Overview model={model} detail={detail} />}</Shown>;
}
