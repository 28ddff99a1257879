// Where in a model's graphs a node or a value is whose name a run tells.
import { api, type GraphView } from "../api/client";
import { goTo } from "./address";
import { notify } from "./store";
import { texts } from "../texts";

/** Members of the address of the graph. */
interface Place {
  g: number | null;
  node: number | null;
  value: number | null;
}

const MAX_GRAPHS = 256; // that are looked into

/** The value of this name in the main graph, or the node that makes it. */
async function placeOfValue(model: string, view: GraphView, value: string): Promise<Place | null> {
  const found = (await api.findValues(model, 0, value, view)).find((row) => row.name === value);
  if (!found) return null;
  return found.producer >= 0 ? { g: null, node: found.producer, value: null } : { g: null, node: null, value: found.i };
}

/** The node of this name, in the main graph or one inside; "" as node: of the value. */
async function placeOf(model: string, view: GraphView, node: string, value: string): Promise<Place | null> {
  if (node === "") return placeOfValue(model, view, value);
  for (const { number } of (await api.graphs(model, view)).slice(0, MAX_GRAPHS)) {
    const found = (await api.findNodes(model, number, node, view)).find((row) => row.name === node);
    if (found) return { g: number || null, node: found.i, value: null };
  }
  const unnamed = /^node(\d+)$/.exec(node)?.[1]; // as a profile calls nodes without a name
  return unnamed === undefined ? null : { g: null, node: Number(unnamed), value: null };
}

/** Shows a node or a value in the graph; `query`: what else the address is to say. */
export async function showInGraph(model: string, call: string | null, node: string, value: string, query: Record<string, string | number | null> = {}): Promise<void> {
  const place = await placeOf(model, { call: call ?? undefined }, node, value);
  if (place) goTo({ view: "graph", query: { ...query, ...place, milli: null, call } });
  else notify("error", texts.notInGraph(node || value));
}
