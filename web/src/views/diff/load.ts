// Both graphs and what differs between them.
import { api, type GraphView } from "../../api/client";
import type { Graph, Model } from "../../api/types";
import { goTo, numberOf, type Address } from "../../state/address";
import { texts } from "../../texts";
import { fold, type Folding } from "../graph/fold";
import { compareNodes, states, type Row, type State } from "./differences";
import { match, type Matched } from "./match";
import type { Side } from "./outline";

export interface Place {
  model: string;
  graph: number;
  milli: null;
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
}

export function placesOf(a: Model, b: Model, address: Address): [Place, Place] {
  const { call, "with-call": otherCall } = address.query;
  return [
    { model: a.id, graph: numberOf(address, "g") ?? 0, milli: null, view: { call } },
    { model: b.id, graph: numberOf(address, "with-g") ?? 0, milli: null, view: { call: otherCall } },
  ];
}

async function loadHalf(place: Place, name: string, signal: AbortSignal): Promise<Half> {
  const { model, graph, view } = place;
  const [nodes, values, graphs] = await Promise.all([api.nodes(model, graph, { ...view, attributes: true }, signal), api.values(model, graph, view, signal), api.graphs(model, view)]);
  return { name, place, nodes, values, graphs, folding: fold(nodes, texts.fold.block) };
}

export async function load([placeA, placeB]: [Place, Place], a: Model, b: Model, signal: AbortSignal): Promise<Compared> {
  const [halfA, halfB] = await Promise.all([loadHalf(placeA, a.name, signal), loadHalf(placeB, b.name, signal)]);
  const matched = match(halfA, halfB);
  return { a: halfA, b: halfB, matched, rows: compareNodes(halfA, halfB, matched) };
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

export const inGraphs = (a: number, b: number) => ({ g: a || null, "with-g": b || null, node: null, "with-node": null });
