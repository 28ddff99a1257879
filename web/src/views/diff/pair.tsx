import { useMemo, type ReactNode } from "react";
import { faultText } from "../../api/client";
import type { Digest } from "../../api/types";
import { formatNumber } from "../../components/format";
import { Shown, useAsked } from "../../components/states";
import { Facts, Table } from "../../components/table";
import { hrefTo } from "../../state/address";
import { texts } from "../../texts";
import { Part } from "../graph/inspector";
import { isDrawn } from "../graph/fold";
import type { Row } from "./differences";
import { Badge } from "./list";
import { graphsInside, inGraphs, inMillis, type Compared, type Half } from "./load";
import { holdsGraph, shapeText, written } from "./outline";
import { differ, digestsOf, type Two } from "./weights";

const t = texts.diff;
const MOST = 16; // weights of a node whose elements are compared here

interface Line {
  name: string;
  a: ReactNode;
  b: ReactNode;
}

function BeforeAfter({ label, lines, first = t.difference }: { label: string; lines: Line[]; first?: string }) {
  return (
    <Table
      label={label}
      rows={lines}
      id={({ name }) => name}
      columns={[
        { id: "name", title: first, cell: ({ name }) => name },
        { id: "a", title: t.before, cell: ({ a }) => <code className="break">{a ?? t.nothing}</code> },
        { id: "b", title: t.after, cell: ({ b }) => <code className="break">{b ?? t.nothing}</code> },
      ]}
    />
  );
}

function Digests({ name, two }: { name: string; two: Two }) {
  if (!differ(two)) return <p className="muted">{t.weightsEqual}</p>;
  const d = texts.digest;
  const figures: [string, (digest: Digest) => number | null][] = [
    [d.min, ({ min }) => min],
    [d.max, ({ max }) => max],
    [d.mean, ({ mean }) => mean],
    [d.std, ({ std }) => std],
    [d.zero, ({ zero }) => zero],
    ["NaN", ({ nan }) => nan],
  ];
  const lines = figures.map(([title, of]) => ({ name: title, a: formatNumber(of(two[0]), 7), b: formatNumber(of(two[1]), 7) }));
  return (
    <>
      <p>{t.weightsDiffer}</p>
      <BeforeAfter label={name} first={texts.value.element} lines={lines.filter(({ a, b }) => a !== b)} />
    </>
  );
}

function Weight({ compared, pair }: { compared: Compared; pair: [number, number] }) {
  const [x, y] = [compared.a.values[pair[0]]!, compared.b.values[pair[1]]!];
  const asked = useAsked(JSON.stringify([compared.a.place, compared.b.place, pair]), () => digestsOf(compared, pair));
  const name = x.name || y.name || texts.graph.unnamed;
  return (
    <li>
      <div className="mono break">{x.name === y.name ? name : `${x.name} → ${y.name}`}</div>
      <div className="mono muted">{shapeText(x)}</div>
      {asked.fault !== null ? <p className="muted break">{t.weightsFault(faultText(asked.fault))}</p> : <Shown asked={asked}>{(two) => <Digests name={name} two={two} />}</Shown>}
    </li>
  );
}

/** Graphs of both nodes in the attribute of the same name; of others their milli-ops. */
function Inside({ compared: { a, b }, row }: { compared: Compared; row: Row }) {
  const both = graphsInside(a, b, row);
  const milli = row.a >= 0 && row.b >= 0 && both.length === 0 && a.place.milli === null;
  if (both.length === 0 && !milli) return null;
  return (
    <Part title={t.inside}>
      <div className="row wrap">
        {both.map(([graph, other]) => (
          <a key={graph.number} className="button" href={hrefTo({ query: inGraphs(graph.number, other.number) })}>
            {t.compareInside(graph.attribute)} →
          </a>
        ))}
        {milli && (
          <a className="button" href={hrefTo({ query: inMillis(row.a, row.b) })}>
            {t.compareInside(texts.graph.milli)} →
          </a>
        )}
      </div>
    </Part>
  );
}

function InGraph({ half, node }: { half: Half; node: number }) {
  const { model, graph, milli, view } = half.place;
  const query = { node, g: graph || null, milli, call: view.call ?? null, show: view.view ?? null };
  return (
    <a className="button" href={hrefTo({ view: "graph", model, query })}>
      {t.inGraph(half.name)}
    </a>
  );
}

export function PairFacts({ compared, row }: { compared: Compared; row: Row }) {
  const { a, b } = compared;
  const [x, y] = [a.nodes[row.a], b.nodes[row.b]];
  const changed = row.changes.filter(({ what }) => what !== "name");
  const equal = (x ?? y)?.attributes?.filter(({ name }) => !changed.some((change) => change.what === "attribute" && change.name === name)) ?? [];
  return (
    <div className="inspector" aria-live="polite">
      <h2 className="title">{x && y && x.type !== y.type ? `${x.type} → ${y.type}` : (x ?? y)?.type}</h2>
      <p>
        <Badge state={row.state} />
      </p>
      <Facts
        of={[
          [a.name, x ? <code key="a" className="break">{x.name || texts.graph.unnamed}</code> : t.noNode],
          [b.name, y ? <code key="b" className="break">{y.name || texts.graph.unnamed}</code> : t.noNode],
        ]}
      />
      {changed.length > 0 && (
        <Part title={t.changes}>
          <BeforeAfter label={t.changes} lines={changed.map(({ what, name, a: one, b: other }) => ({ name: t.changedWhat(t.what[what], name), a: one, b: other }))} />
        </Part>
      )}
      {row.weights.length > 0 && a.place.milli === null && (
        <Part title={t.weights}>
          <ul className="values">
            {row.weights.slice(0, MOST).map((pair) => (
              <Weight key={pair.join()} compared={compared} pair={pair} />
            ))}
          </ul>
          {row.weights.length > MOST && <p className="muted">{t.weightsMore(row.weights.length - MOST)}</p>}
        </Part>
      )}
      {equal.length > 0 && (
        <Part title={x && y ? t.attributes : texts.graph.attributes}>
          <Facts of={equal.map((attribute) => [attribute.name, <code key="v" className="break">{holdsGraph(attribute) ? attribute.kind : written(attribute)}</code>])} />
        </Part>
      )}
      <Inside compared={compared} row={row} />
      <div className="row wrap">
        {x && <InGraph half={a} node={row.a} />}
        {y && <InGraph half={b} node={row.b} />}
      </div>
    </div>
  );
}

/** What the graphs have in all, while no node is chosen. */
export function GraphsFacts({ compared: { a, b, unread } }: { compared: Compared }) {
  const lines = useMemo(() => {
    const counts = new Map<string, [number, number]>();
    const add = ({ nodes }: Half, side: 0 | 1) => nodes.filter(isDrawn).forEach(({ type }) => (counts.get(type) ?? counts.set(type, [0, 0]).get(type)!)[side]++);
    add(a, 0);
    add(b, 1);
    return [...counts].filter(([, [one, other]]) => one !== other).sort().map(([name, [one, other]]) => ({ name, a: one.toLocaleString("en"), b: other.toLocaleString("en") }));
  }, [a, b]);
  return (
    <div className="inspector">
      <p className="muted">{t.hint}</p>
      {unread > 0 && <p className="alert info">{t.unread(unread)}</p>}
      <Part title={t.operators}>{lines.length === 0 ? <p className="muted">{t.operatorsSame}</p> : <BeforeAfter label={t.operators} lines={lines} first={t.operator} />}</Part>
    </div>
  );
}
