import { useEffect, useState } from "react";
import { ModelPage } from "./overview";
import { LoadDialog } from "./load-dialog";
import { openFile } from "./open";
import { Table, type Column } from "../../components/table";
import { formatBytes, formatCount } from "../../components/format";
import { Empty } from "../../components/states";
import { offline } from "../../session/answers";
import { goTo } from "../../state/address";
import { attempt, followModels, refreshModels, unload, useStore } from "../../state/store";
import type { Model } from "../../api/types";
import { texts } from "../../texts";
import type { ViewProps } from "..";

const t = texts.models;

const columns: Column<Model>[] = [
  { id: "name", title: t.name, cell: (model) => <strong>{model.name}</strong>, sort: (model) => model.name },
  { id: "id", title: t.id, cell: (model) => <code>{model.id}</code>, sort: (model) => model.id },
  { id: "kind", title: t.kind, cell: (model) => <span className="badge">{model.kind}</span>, sort: (model) => model.kind },
  { id: "operators", title: t.operators, number: true, cell: (model) => model.n_nodes.toLocaleString("en"), sort: (model) => model.n_nodes },
  { id: "parameters", title: t.parameters, number: true, cell: (model) => formatCount(model.parameters), sort: (model) => model.parameters },
  { id: "size", title: t.size, number: true, cell: (model) => formatBytes(model.bytes), sort: (model) => model.bytes },
  {
    id: "unload",
    title: t.unload,
    mute: true,
    cell: (model) => (
      <button
        className="plain"
        aria-label={t.unloadOf(model.name)}
        onClick={(event) => {
          event.stopPropagation();
          void attempt(() => unload(model.id));
        }}
      >
        ✕
      </button>
    ),
  },
];

export default function ModelsView({ model }: ViewProps) {
  const { models, available, reached } = useStore();
  const [dialog, setDialog] = useState(false);
  useEffect(followModels, []);
  if (model) return <ModelPage model={model} />;
  return (
    <div className="page">
      <div className="row">
        <h2 className="grow title">{t.title}</h2>
        {!offline && (
          <button className="primary" onClick={() => setDialog(true)}>
            {t.load}
          </button>
        )}
      </div>
      {reached === false ? (
        <Empty title={t.unreachable}>
          <p>{t.unreachableHint}</p>
          <button onClick={() => void attempt(refreshModels)}>{texts.retry}</button>
        </Empty>
      ) : models.length === 0 ? (
        <div className="card">
          <Empty title={t.empty}>
            <p>{t.emptyHint}</p>
          </Empty>
        </div>
      ) : (
        <div className="card">
          <Table label={t.title} columns={columns} rows={models} id={(row) => row.id} onRow={(row) => goTo({ view: "graph", model: row.id })} />
        </div>
      )}
      <div className="card" hidden={offline}>
        <h2>{t.available}</h2>
        {available.length === 0 ? (
          <p className="muted">{t.availableEmpty}</p>
        ) : (
          <Table
            label={t.available}
            rows={available}
            id={(row) => row.file}
            columns={[
              { id: "file", title: t.file, cell: (row) => <span className="mono">{row.file}</span>, sort: (row) => row.file },
              { id: "bytes", title: t.size, number: true, cell: (row) => formatBytes(row.bytes), sort: (row) => row.bytes },
              {
                id: "open",
                title: texts.open,
                mute: true,
                cell: (row) => (
                  <button aria-label={t.openFile(row.file)} onClick={() => void openFile(row.file)}>
                    {texts.open}
                  </button>
                ),
              },
            ]}
          />
        )}
      </div>
      {dialog && <LoadDialog onClose={() => setDialog(false)} />}
    </div>
  );
}
