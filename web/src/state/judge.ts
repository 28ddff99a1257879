// Comparisons node by node, which take long: made once for each pair of runs, which do not change any more.
import { api } from "../api/client";
import type { Comparison } from "../api/types";
import { useStore } from "./store";

const MOST = 16; // that are kept
const known = new Map<string, Comparison>();

function keyOf(run: string, reference: string): string {
  const { runs } = useStore.getState();
  return JSON.stringify([run, reference].map((id) => [id, runs[id]?.created])); // another server gives the same names again
}

/** That of two runs, where it was made here. */
export const judgedOf = (run: string, reference: string): Comparison | null => known.get(keyOf(run, reference)) ?? null;

export async function judge(run: string, reference: string, signal: AbortSignal): Promise<Comparison> {
  const made = judgedOf(run, reference) ?? (await api.judge(run, reference, signal));
  known.set(keyOf(run, reference), made);
  for (const oldest of known.keys()) if (known.size > MOST) known.delete(oldest);
  return made;
}
