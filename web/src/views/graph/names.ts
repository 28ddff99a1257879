// The names that runs give to values: see "name" in docs/serve.md. Within loops they stand without the number of the turn.
import type { NodeDetail } from "../../api/types";
import type { Source } from "../../state/source";
import type { Chosen, Data } from ".";

/** What stands before the names of values of a graph inside these nodes, the outermost first. */
export const prefixOf = (holders: NodeDetail[]): string => holders.map((node) => `${node.name}${node.type === "If" ? "/" : "[*]/"}`).join("");

/** The name of a value in runs; null for weights and constants, which no run computes. */
export function nameInRuns(loaded: Data, i: number): string | null {
  const value = loaded.values[i];
  if (!value || value.role === "initializer" || value.role === "constant") return null;
  const { holder, prefix } = loaded;
  if (holder === null) return value.role === "capture" || value.name === "" ? null : prefix + value.name;
  const made = loaded.nodes[value.producer];
  if (made) return made.out[0] === i ? `${prefix}${holder.name}/milli.${made.i}:${made.type}` : null;
  return null;
}

/** The values of what is chosen: a value itself, or what a node makes and then what it reads. */
export function valuesOf(loaded: Data, { node, value }: Chosen): number[] {
  const row = node === null ? undefined : loaded.nodes[node];
  const all = value !== null ? [value] : row ? [...row.out, ...row.in] : [];
  return [...new Set(all)].filter((i) => i >= 0);
}

/** Whose elements there are of what is chosen: a weight, or the first value of a node or the value itself in a run. */
export function sourceOf(loaded: Data, chosen: Chosen, run: string | null): Source | null {
  const { model, graph, view } = loaded.place;
  const i = valuesOf(loaded, chosen)[0];
  if (i === undefined) return null;
  if (loaded.holder === null && loaded.values[i]?.role === "initializer") return { of: "weight", model, graph, value: i, view };
  const name = nameInRuns(loaded, i);
  return name === null || run === null ? null : { of: "run", run, name };
}
