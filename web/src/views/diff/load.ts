// Both graphs and what differs between them.
import { api, type GraphView } from "../../api/client";
import type { Graph, Model } from "../../api/types";
import { goTo, numberOf, type Address } from "../../state/address";
import { texts } from "../../texts";
import { fold, type Folding } from "../graph/fold";
import { compareNodes, states, type Row, type State } from "./differences";
import { match, type Matched } from "./match";
import type { Side } from "./outline";

const t = texts.diff;

export interface Place {
  model: string;
  graph: number;
  /** The node whose milli-ops these are; null: the graph itself. */
  milli: number | null;
  view: GraphView;
}

export interface Half extends Side {
  name: string;
  place: Place;
  graphs: Graph[];
  folding: Folding;
}

export interface Compared {
  a: Half;
  b: Half;
  matched: Matched;
  rows: Row[];
  /** Pairs of graphs inside nodes that were too many to be compared. */
  unread: number;
}

export function placesOf(a: Model, b: Model, address: Address): [Place, Place] {
  const place = (model: string, prefix: "" | "with-"): Place => {
    const of = (member: string) => address.query[`${prefix}${member}`];
    const number = (member: string) => numberOf(address, `${prefix}${member}`);
    return { model, graph: number("g") ?? 0, milli: number("milli"), view: { call: of("call"), view: of("show") === "planned" ? "planned" : undefined } };
  };
  return [place(a.id, ""), place(b.id, "with-")];
}

async function loadHalf(place: Place, name: string, signal: AbortSignal): Promise<Half> {
  const { model, graph, milli, view } = place;
  if (milli !== null) {
    const { nodes, values } = await api.milli(model, graph, milli, view, signal);
    return { name, place, nodes, values, graphs: [], folding: fold(nodes, texts.fold.block) };
  }
  const [nodes, values, graphs] = await Promise.all([api.nodes(model, graph, { ...view, attributes: true }, signal), api.values(model, graph, view, signal), api.graphs(model, view)]);
  return { name, place, nodes, values, graphs, folding: fold(nodes, texts.fold.block) };
}

const nameOf = ({ name }: Model, { view }: Place): string => (view.view === "planned" ? t.asItRuns(name) : name);

/** Graphs of two nodes in the attribute of the same name. */
export function graphsInside(a: Half, b: Half, row: Row): [Graph, Graph][] {
  const of = ({ nodes, graphs }: Half, i: number) => (nodes[i]?.graphs ?? []).flatMap((number) => graphs.find((graph) => graph.number === number) ?? []);
  const others = of(b, row.b);
  return of(a, row.a).flatMap((graph): [Graph, Graph][] => {
    const other = others.find(({ attribute }) => attribute === graph.attribute);
    return other ? [[graph, other]] : [];
  });
}

const MOST_INSIDE = 64; // pairs of graphs, those inside others among them

/** Counts what differs inside the graphs of a matched pair of nodes as a change of this pair. room: how many more may be compared. */
async function lookInside(compared: Compared, row: Row, a: Model, b: Model, signal: AbortSignal, room: { left: number }): Promise<void> {
  for (const [graph, other] of row.a >= 0 && row.b >= 0 ? graphsInside(compared.a, compared.b, row) : []) {
    if (room.left-- <= 0) {
      compared.unread++;
      continue;
    }
    const places: [Place, Place] = [{ ...compared.a.place, graph: graph.number }, { ...compared.b.place, graph: other.number }];
    const inner = await load(places, a, b, signal, room);
    compared.unread += inner.unread;
    const n = inner.rows.filter(({ state }) => state !== "same" && state !== "renamed").length;
    if (n === 0) continue;
    row.changes.push({ what: "inside", name: graph.attribute, a: t.nodes(graph.n_nodes), b: `${t.nodes(other.n_nodes)}, ${t.differ(n)}` });
    row.state = "changed";
  }
}

export async function load([placeA, placeB]: [Place, Place], a: Model, b: Model, signal: AbortSignal, room = { left: MOST_INSIDE }): Promise<Compared> {
  const [nameA, nameB] = [nameOf(a, placeA), nameOf(b, placeB)];
  const [halfA, halfB] = await Promise.all([loadHalf(placeA, nameA, signal), loadHalf(placeB, nameA === nameB ? t.again(nameB) : nameB, signal)]);
  const matched = match(halfA, halfB);
  const compared: Compared = { a: halfA, b: halfB, matched, rows: compareNodes(halfA, halfB, matched), unread: 0 };
  for (const row of compared.rows) await lookInside(compared, row, a, b, signal, room);
  return compared;
}

// ---- The address ----

const usual: State[] = ["changed", "removed", "added", "rewired"];

export function shownStates({ query }: Address): ReadonlySet<State> {
  const given = query["states"]?.split(".");
  return new Set(given === undefined ? usual : states.filter((state) => given.includes(state)));
}

export function toggleState(shown: ReadonlySet<State>, state: State): void {
  const now = states.filter((other) => shown.has(other) !== (other === state));
  goTo({ query: { states: now.join() === states.filter((other) => usual.includes(other)).join() ? null : now.join(".") }, replace: true });
}

/** The row of an address: by the node of one model or the other's. */
export function rowIn(rows: Row[], address: Address): Row | undefined {
  const [a, b] = [numberOf(address, "node"), numberOf(address, "with-node")];
  return a === null && b === null ? undefined : rows.find((row) => (a === null ? row.b === b : row.a === a));
}

export const selectRow = (row: Row | undefined): void =>
  goTo({ query: { node: row && row.a >= 0 ? row.a : null, "with-node": row && row.b >= 0 ? row.b : null }, replace: true });

export const inGraphs = (a: number, b: number) => ({ g: a || null, "with-g": b || null, milli: null, "with-milli": null, node: null, "with-node": null });
export const inMillis = (a: number, b: number) => ({ milli: a, "with-milli": b, node: null, "with-node": null });
