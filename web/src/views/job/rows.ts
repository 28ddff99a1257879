// Ports of a job's nodes as they are drawn, and what each is joined to. The ports of a loop stand on its frame: what is given to it at the
// left, with all that its body reads from outside, and what it gives at the right.
import type { Job, JobNode, JobSource, Port } from "../../api/types";

/** The list of nodes outside all loops. */
export const OUTSIDE = -1;

export interface Row {
  name: string;
  type: string;
  /** What it is joined to; null: nothing. */
  from: JobSource | null;
}

/** Of a row at a loop's right: what comes out of the body, and whether the loop gives it on. */
export interface Exit extends Row {
  given: boolean;
}

export const isLoop = (node: JobNode): boolean => node.op === "loop";
export const sameSource = (a: JobSource, b: JobSource): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The loop in whose body a value is made or given; OUTSIDE: none. */
export function homeOf(job: Job, from: JobSource): number {
  if ("node" in from) return job.nodes[from.node]!.loop;
  return "loop" in from ? from.loop : OUTSIDE;
}

/** What a source is called, and its type. */
export function portOf(job: Job, from: JobSource): { name: string; type: string } | null {
  if ("literal" in from) return null;
  if ("input" in from) return job.inputs[from.input] ?? null;
  if ("loop" in from) return job.nodes[from.loop]?.body_takes[from.port] ?? null;
  const [node, port] = [job.nodes[from.node], job.nodes[from.node]?.gives[from.port]];
  return node && port ? { name: node.gives.length > 1 ? `${node.name}.${port.name}` : node.name, type: port.type } : null;
}

export const membersOf = (job: Job, loop: number): number[] => Array.from(job.nodes.keys()).filter((i) => job.nodes[i]!.loop === loop);

/** Whether the value is made outside of the body of a loop. */
function fromOutside(job: Job, from: JobSource, loop: number): boolean {
  for (let at = homeOf(job, from); at !== OUTSIDE; at = job.nodes[at]!.loop) if (at === loop) return false;
  return true;
}

/** What stands at the left of a node: inputs that are given something, of a loop those of its own and what its body reads from outside. */
export function rowsIn(job: Job, i: number): Row[] {
  const node = job.nodes[i]!;
  if (!isLoop(node)) return node.takes.filter(({ from }) => from !== null);
  const rows: Row[] = [...node.takes];
  const captured: JobSource[] = [];
  const inside = [...membersOf(job, i).flatMap((k) => rowsIn(job, k)), ...node.body_gives];
  for (const { from } of inside)
    if (from !== null && !("literal" in from) && fromOutside(job, from, i) && !captured.some((other) => sameSource(other, from))) captured.push(from);
  for (const from of captured) rows.push({ ...portOf(job, from)!, from });
  return rows;
}

/** What stands at the right of a node. */
export function rowsOut(job: Job, i: number): Exit[] {
  const node = job.nodes[i]!;
  if (!isLoop(node)) return node.gives.map((port) => ({ ...port, given: true }));
  return node.body_gives.map((port, k) => ({ ...port, type: node.gives[k]?.type ?? port.type, given: k < node.gives.length }));
}

/** The row at the left of a loop's frame from which a value goes into its body. */
export function entryOf(job: Job, loop: number, from: JobSource, rows: Row[]): number {
  if (loop === OUTSIDE) return "input" in from ? from.input : -1;
  if ("loop" in from && from.loop === loop) return from.port;
  const own = job.nodes[loop]!.takes.length;
  return rows.findIndex((row, k) => k >= own && row.from !== null && sameSource(row.from, from));
}

export const inputRows = (inputs: Port[]): Row[] => inputs.map(({ name, type }) => ({ name, type, from: null }));
