// What a session file holds, and the sessions that the page has open. They are models and runs for all views: the server's
// routes are answered from them.
import type { Comparison, Digest, Graph, MilliGraph, Model, ModelDetail, Node, Profile, Run, RunValue, Value } from "../api/types";

export interface SessionGraph {
  graph: Graph;
  /** With attributes. */
  nodes: Node[];
  values: Value[];
}

/** An array of a value that a run kept, or of a weight: a .npy file. */
export interface SessionArray {
  npy: Uint8Array;
  /** Where its elements begin. */
  at: number;
}

export interface SessionWeight extends SessionArray {
  digest: Digest;
}

export interface Session {
  model: ModelDetail;
  graphs: SessionGraph[];
  /** Those that passes leave; null: they are not in it. */
  planned: SessionGraph[] | null;
  /** Milli-ops of nodes of the file's graphs, by `milliKey`. */
  milli: Record<string, MilliGraph>;
  /** Those of the main graph that were chosen, by name. */
  weights: Map<string, SessionWeight>;
  /** null: the graph alone. */
  run: Run | null;
  /** What the run kept; those that were chosen with all of their digest. */
  values: RunValue[];
  /** Elements by name. */
  arrays: Map<string, SessionArray>;
  profile: Profile | null;
  /** The run beside another, the reference, of which there is no more; nodes: node by node, where that was made. */
  comparison: { reference: Run; rows: Comparison; nodes?: Comparison | null } | null;
}

export const milliKey = (graph: number, node: number): string => `${graph}/${node}`;

const open = new Map<string, Session>();

export const sessionOfModel = (id: string): Session | undefined => open.get(id);
export const sessionOfRun = (id: string): Session | undefined => [...open.values()].find((session) => runsIn(session).some((run) => run.id === id));
const runsIn = ({ run, comparison }: Session): Run[] => [run, comparison?.reference ?? null].filter((one) => one !== null);

/** Whether the graph that passes leave can be shown. */
export const canPlan = ({ id }: Model): boolean => open.get(id)?.planned !== null;

export const sessionModels = (): Model[] => [...open.values()].map(({ model }) => model);
export const sessionRuns = (): Run[] => [...open.values()].flatMap(runsIn);

/** Opens it under names that nobody else has: its model and runs have these from now on. */
export function addSession(session: Session): Session {
  let id = `${session.model.id}.session`;
  for (let i = 2; open.has(id); i++) id = `${session.model.id}.session-${i}`;
  const renamed = (run: Run): Run => ({ ...run, id: `${run.id}@${id}`, model: id });
  const { model, run, comparison } = session;
  const added: Session = {
    ...session,
    // no job and of no kind: it neither transcribes nor writes
    model: { ...model, id, kind: "session", job: false, opened: Date.now() / 1000 },
    run: run && renamed(run),
    comparison: comparison && { ...comparison, reference: renamed(comparison.reference) },
  };
  open.set(id, added);
  return added;
}

export const closeSession = (id: string): boolean => open.delete(id);
