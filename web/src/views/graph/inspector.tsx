import { useMemo, type ReactNode } from "react";
import { api } from "../../api/client";
import { seenInAnswer, type Seen } from "../../api/digest";
import type { Node, NodeDetail, Run, Value, ValueDetail } from "../../api/types";
import { formatBytes } from "../../components/format";
import { Shown, useAsked } from "../../components/states";
import { Facts } from "../../components/table";
import { goesOn } from "../../state/live";
import { texts } from "../../texts";
import { DigestView } from "./digest";
import { GroupFacts, type Fold } from "./folding";
import { nameInRuns } from "./names";
import { enterGraph, enterMilli, selectNode, selectValue, type Chosen, type Loaded } from ".";

const t = texts.graph;

export function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="inspector-part">
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function ValueRow({ value }: { value: Value | null }) {
  if (value === null) return <li className="muted">{t.left}</li>;
  return (
    <li>
      <button className="plain link" onClick={() => selectValue(value.i)}>
        <span className="mono break">{value.name || t.unnamed}</span>
      </button>
      <div className="mono muted break">
        {value.type} {value.role === "value" ? "" : <span className="badge">{t.roles[value.role]}</span>}
      </div>
    </li>
  );
}

function NodeRow({ loaded, node }: { loaded: Loaded; node: number }) {
  const row = loaded.nodes[node];
  if (!row) return null;
  return (
    <li>
      <button className="plain link" onClick={() => selectNode(node)}>
        <strong>{row.type}</strong> <span className="mono break">{row.name}</span>
      </button>
    </li>
  );
}

function NodeFacts({ node, loaded, live }: { node: NodeDetail; loaded: Loaded; live: Live }) {
  const made = node.out.find((value) => value >= 0);
  const name = made === undefined ? null : nameInRuns(loaded, made);
  return (
    <>
      <h2 className="title">{node.type}</h2>
      <p className="mono break">{node.name}</p>
      {!node.known && <p className="alert">{t.notKnown}</p>}
      <Facts
        of={[
          [t.domain, !loaded.holder && `${node.domain || "ai.onnx"} ${node.version > 0 ? node.version : ""}`],
          [t.ofFunction, node.function],
          [t.flops, node.flops && <code>{node.flops}</code>],
          [t.bytes, node.bytes && <code>{node.bytes}</code>],
        ]}
      />
      {node.doc !== "" && <p className="break">{node.doc}</p>}
      {name !== null && live.run && <InRun run={live.run} seen={live.seen.get(name)} title={texts.digest.output} />}
      {(node.graphs.length > 0 || loaded.holder === null) && (
        <Part title={t.inside}>
          <div className="row wrap">
            {node.graphs.map((graph) => (
              <button key={graph} onClick={() => enterGraph(graph)}>
                {loaded.graphs.find((row) => row.number === graph)?.attribute || graph} →
              </button>
            ))}
            {node.graphs.length === 0 && <button onClick={() => enterMilli(node.i)}>{t.milli} →</button>}
          </div>
        </Part>
      )}
      {node.attributes.length > 0 && (
        <Part title={t.attributes}>
          <Facts of={node.attributes.map((attribute) => [attribute.name, <code key="v">{attribute.text}</code>])} />
        </Part>
      )}
      <Part title={texts.models.inputs}>
        <ol className="values">
          {node.inputs.map((value, k) => (
            <ValueRow key={k} value={value} />
          ))}
        </ol>
      </Part>
      <Part title={texts.models.outputs}>
        <ol className="values">
          {node.outputs.map((value, k) => (
            <ValueRow key={k} value={value} />
          ))}
        </ol>
      </Part>
    </>
  );
}

/** A value as the run has computed it. */
function InRun({ run, seen, title }: { run: Run; seen: Seen | undefined; title: string }) {
  return <Part title={title}>{seen ? <DigestView seen={seen} /> : <p className="muted">{goesOn(run) ? texts.digest.notYet : texts.digest.none}</p>}</Part>;
}

/** The digest of a weight, which needs no run. */
function OfWeight({ value, loaded }: { value: ValueDetail; loaded: Loaded }) {
  const { place } = loaded;
  const asked = useAsked(JSON.stringify([place, value.i]), async () => {
    const digest = await api.valueDigest(place.model, place.graph, value.i, place.view);
    return seenInAnswer(digest, value.dtype, value.dims.map(Number));
  });
  return (
    <Part title={texts.digest.weight}>
      <Shown asked={asked}>{(seen) => <DigestView seen={seen} />}</Shown>
    </Part>
  );
}

/** A run and what has come of it, by name. */
export interface Live {
  run: Run | null;
  seen: ReadonlyMap<string, Seen>;
}

function ValueFacts({ value, loaded, live }: { value: ValueDetail; loaded: Loaded; live: Live }) {
  const name = nameInRuns(loaded, value.i);
  return (
    <>
      <h2 className="title break mono">{value.name || t.unnamed}</h2>
      <Facts
        of={[
          [texts.models.type, <code key="t">{value.type}</code>],
          [texts.models.kind, value.role === "value" ? null : t.roles[value.role]],
          [texts.models.size, value.bytes === null ? null : formatBytes(value.bytes)],
        ]}
      />
      {value.doc !== "" && <p className="break">{value.doc}</p>}
      {value.role === "initializer" && loaded.holder === null && <OfWeight value={value} loaded={loaded} />}
      {name !== null && live.run && <InRun run={live.run} seen={live.seen.get(name)} title={texts.digest.title} />}
      {value.producer >= 0 && (
        <Part title={t.producer}>
          <ul className="values">
            <NodeRow loaded={loaded} node={value.producer} />
          </ul>
        </Part>
      )}
      {value.users.length > 0 && (
        <Part title={t.users}>
          <ul className="values">
            {value.users.slice(0, 200).map((node) => (
              <NodeRow key={node} loaded={loaded} node={node} />
            ))}
          </ul>
        </Part>
      )}
    </>
  );
}

/** How many nodes of each operator there are; a click finds them. */
export function TypeCounts({ nodes, onSearch }: { nodes: Node[]; onSearch: (text: string) => void }) {
  const types = useMemo(() => {
    const counts = new Map<string, number>();
    for (const node of nodes) counts.set(node.type, (counts.get(node.type) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  }, [nodes]);
  return (
    <Part title={t.operators(nodes.length)}>
      <ul className="types">
        {types.map(([type, count]) => (
          <li key={type}>
            <button className="plain link grow" onClick={() => onSearch(type)}>
              {type}
            </button>
            <span className="number">{count.toLocaleString("en")}</span>
          </li>
        ))}
      </ul>
    </Part>
  );
}

/** The graph itself, while nothing in it is chosen. */
function GraphFacts({ loaded, onSearch }: { loaded: Loaded; onSearch: (text: string) => void }) {
  const row = loaded.graphs.find((other) => other.number === loaded.place.graph);
  const { holder } = loaded;
  const of = (role: Value["role"]) => loaded.values.filter((value) => value.role === role);
  const list = (title: string, values: Value[]) =>
    values.length > 0 && (
      <Part title={title}>
        <ol className="values">
          {values.slice(0, 200).map((value) => (
            <ValueRow key={value.i} value={value} />
          ))}
        </ol>
      </Part>
    );
  return (
    <>
      <h2 className="title break">{holder ? t.milliOf(holder.type) : row?.name || t.graph}</h2>
      {holder && <p className="mono break">{holder.name}</p>}
      <p className="muted">{holder ? t.milliHint : t.hint}</p>
      {list(texts.models.inputs, of("input"))}
      {list(t.captures, of("capture"))}
      {list(texts.models.outputs, of("output"))}
      <TypeCounts nodes={loaded.nodes} onSearch={onSearch} />
    </>
  );
}

/** What is known of a milli-op: it has no more than its values. */
function milliDetail(loaded: Loaded, i: number): NodeDetail | undefined {
  const node = loaded.nodes[i];
  const values = (numbers: number[]) => numbers.map((value) => loaded.values[value] ?? null);
  return node && { ...node, version: 0, doc: "", attributes: [], flops: null, bytes: null, cost: null, inputs: values(node.in), outputs: values(node.out) };
}

function milliValue(loaded: Loaded, i: number): ValueDetail | undefined {
  const value = loaded.values[i];
  return value && { ...value, doc: "", users: loaded.nodes.filter((node) => node.in.includes(i)).map((node) => node.i) };
}

interface Props {
  loaded: Loaded;
  chosen: Chosen;
  live: Live;
  fold: Fold;
  onSearch: (text: string) => void;
}

export function Inspector({ loaded, chosen, live, fold, onSearch }: Props) {
  const { place, holder } = loaded;
  const { model, graph, view } = place;
  const key = (chosen: number | null) => (chosen === null ? null : JSON.stringify([place, chosen]));
  const node = useAsked(key(chosen.node), async () => (holder ? milliDetail(loaded, chosen.node ?? 0) : api.node(model, graph, chosen.node ?? 0, view)));
  const value = useAsked(key(chosen.value), async () => (holder ? milliValue(loaded, chosen.value ?? 0) : api.value(model, graph, chosen.value ?? 0, view)));
  const group = chosen.group === null ? undefined : loaded.folding.byId.get(chosen.group);
  return (
    <div className="inspector" aria-live={live.run !== null && goesOn(live.run) ? "off" : "polite"}>
      {chosen.node !== null ? (
        <Shown asked={node}>{(detail) => detail && <NodeFacts node={detail} loaded={loaded} live={live} />}</Shown>
      ) : chosen.value !== null ? (
        <Shown asked={value}>{(detail) => detail && <ValueFacts value={detail} loaded={loaded} live={live} />}</Shown>
      ) : group ? (
        <GroupFacts group={group} data={loaded} fold={fold} onSearch={onSearch} />
      ) : (
        <GraphFacts loaded={loaded} onSearch={onSearch} />
      )}
    </div>
  );
}
