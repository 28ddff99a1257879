// Whose elements are shown: a value that a run kept, or a weight of a model.
import { create } from "zustand";
import { api, downloadAddress, type GraphView } from "../api/client";
import { seenInAnswer, type Seen } from "../api/digest";
import { fetchElements, type Elements } from "../api/elements";
import { numberOf, type Address } from "./address";
import { namesOf, withoutTurns } from "./live";

export type Source =
  | { of: "run"; run: string; name: string }
  | { of: "weight"; model: string; graph: number; value: number; view: GraphView };

/** What is selected in the graph, for the panels below it. */
export const useSelected = create<{ source: Source | null }>(() => ({ source: null }));

export function sourceInAddress(model: string, address: Address): Source | null {
  const { run, name, call, show } = address.query;
  const value = numberOf(address, "value");
  if (run !== undefined && name !== undefined) return { of: "run", run, name };
  if (value === null) return null;
  return { of: "weight", model, graph: numberOf(address, "g") ?? 0, value, view: { call, view: show === "planned" ? "planned" : undefined } };
}

/** The members of an address that name a source, and those of another kind taken away. */
export const queryOf = (source: Source): Record<string, string | number | null> =>
  source.of === "run"
    ? { run: source.run, name: source.name, value: null }
    : { call: source.view.call ?? null, show: source.view.view ?? null, g: source.graph, value: source.value, run: null, name: null };

export interface Described {
  source: Source;
  name: string;
  dtype: string;
  shape: number[];
  bytes: number;
  seen: Seen;
  /** The names of the same value in each iteration of a loop, as far as they are kept, and which of them this is. */
  iterations: string[];
  iteration: number;
}

/** The value in the iteration that is wanted, or the one that is named, or the last. */
function chosen({ name }: { name: string }, iterations: string[], wanted: number | null): string | undefined {
  if (wanted !== null && iterations[wanted] !== undefined) return iterations[wanted];
  return name === withoutTurns(name) ? iterations.at(-1) : name;
}

/** Type, shape and digest of a value; null where the run has not kept it. `wanted`: the number of the iteration among those kept. */
export async function describe(source: Source, wanted: number | null): Promise<Described | null> {
  if (source.of === "run") {
    const iterations = await namesOf(source.run, withoutTurns(source.name));
    const name = chosen(source, iterations, wanted);
    if (name === undefined) return null;
    const { dtype, shape, bytes, digest } = await api.runValue(source.run, name);
    return { source: { ...source, name }, name, dtype, shape, bytes, seen: seenInAnswer(digest, dtype, shape), iterations, iteration: iterations.indexOf(name) };
  }
  const { model, graph, value, view } = source;
  const detail = await api.value(model, graph, value, view);
  const digest = await api.valueDigest(model, graph, value, view);
  const shape = detail.dims.map(Number);
  return { source, name: detail.name, dtype: detail.dtype, shape, bytes: detail.bytes ?? 0, seen: seenInAnswer(digest, detail.dtype, shape), iterations: [], iteration: -1 };
}

function placeOf(source: Source): [string, Record<string, string | undefined>] {
  if (source.of === "run") return [api.runData(source.run), { name: source.name }];
  return [api.valueData(source.model, source.graph, source.value), { call: source.view.call, view: source.view.view }];
}

export function elementsOf(source: Source, slice: string, signal: AbortSignal): Promise<Elements> {
  const [path, query] = placeOf(source);
  return fetchElements(path, { ...query, slice }, signal);
}

export function npyAddress(source: Source, slice = ""): string {
  const [path, query] = placeOf(source);
  return downloadAddress(path, { ...query, slice });
}
