// What the server answers: see docs/serve.md and /api/openapi.json. Numbers of graphs, nodes and values are those of the
// model; -1 is none (no producer, no outer graph, an input left out).

import type { SpeechSegment } from "./openai";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface ApiFault {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
}

export interface Model {
  id: string;
  name: string;
  file: string;
  /** SHA-256 of its file; null: large, and nobody has asked for it. */
  hash: string | null;
  bytes: number;
  n_nodes: number;
  n_graphs: number;
  parameters: number;
  parameter_bytes: number;
  kind: string;
  job: boolean;
  opened: number;
}

export interface AvailableFile {
  file: string;
  bytes: number;
}

/** A model that the server is opening. */
export interface Opening {
  number: number;
  file: string;
  /** What is done now; `done` of it, 0 to 1, is null where that is not known. */
  tier: string;
  done: number | null;
  /** The weight at work. */
  what: string;
}

export interface ModelList {
  models: Model[];
  available: AvailableFile[];
}

export interface Port {
  name: string;
  doc: string | null;
  type: string;
  optional: boolean;
}

/** Where a value of a job comes from: the document, an input of the job, what a node gives, what the body of a loop takes. */
export type JobSource = { literal: Json } | { input: number } | { node: number; port: number } | { loop: number; port: number };

export interface JobPort extends Port {
  /** null: left out, or a port that gives. */
  from: JobSource | null;
}

export interface JobNode {
  name: string;
  op: string;
  doc: string;
  tokenizer: string | null;
  /** Number of the loop in whose body it stands; -1: none. */
  loop: number;
  calls: { as: string; call: string }[];
  takes: JobPort[];
  gives: JobPort[];
  /** Of a loop: what its body reads and what it gives in each iteration. Those of the first are as in `takes`, of the second as in `gives`. */
  body_takes: JobPort[];
  body_gives: JobPort[];
}

export interface Job {
  kind: string;
  name: string;
  doc: string | null;
  sample_rate: number;
  inputs: Port[];
  outputs: JobPort[];
  nodes: JobNode[];
  document: { [key: string]: Json };
}

/** What is wrong with a job's document: a JSON pointer, or the line where it is no JSON. */
export interface JobFault {
  path: string;
  line: number | null;
  message: string;
}

export interface JobCheck {
  valid: boolean;
  errors: JobFault[];
  job: Job | null;
}

export interface ModelDetail extends Model {
  graph_name: string;
  doc: string;
  producer_name: string;
  producer_version: string;
  domain: string;
  ir_version: number;
  model_version: number;
  opsets: { domain: string; version: number }[];
  metadata: Record<string, string>;
  diagnostics: string[];
  inputs: Value[];
  outputs: Value[];
  symbols: string[];
  backends: string[];
  calls: string[];
  ports: { inputs: Port[]; outputs: Port[] };
}

export type FieldType = "string" | "integer" | "number" | "boolean" | "enum" | "file" | "upload";

export interface Field {
  name: string;
  label: string;
  doc: string;
  type: FieldType;
  required: boolean;
  default?: Json;
  choices?: string[];
}

export interface Loader {
  id: string;
  label: string;
  doc: string;
  fields: Field[];
}

export type Dim = number | string | null;
export type Role = "input" | "output" | "initializer" | "constant" | "capture" | "value";

export interface Value {
  i: number;
  name: string;
  type: string;
  dtype: string;
  dims: Dim[];
  ranked: boolean;
  kind: "tensor" | "sequence" | "optional" | "map" | null;
  role: Role;
  producer: number;
  captured: number;
  bytes: number | null;
}

export interface ValueDetail extends Value {
  users: number[];
  doc: string;
}

export interface Node {
  i: number;
  name: string;
  type: string;
  domain: string;
  function: string | null;
  in: number[];
  out: number[];
  graphs: number[];
  known: boolean;
  /** Where they were asked for. */
  attributes?: Attribute[];
}

export interface Attribute {
  name: string;
  kind: string;
  text: string;
  value?: Json;
  graph?: number;
}

export interface NodeDetail extends Node {
  version: number;
  doc: string;
  attributes: Attribute[];
  flops: string | null;
  bytes: string | null;
  cost: { flops: number | null; bytes: number | null } | null;
  inputs: (Value | null)[];
  outputs: (Value | null)[];
}

export interface Graph {
  number: number;
  name: string;
  outer: number;
  holder: number;
  attribute: string;
  n_inputs: number;
  n_outputs: number;
  n_nodes: number;
  n_values: number;
  parameters: number;
  inputs?: number[];
  outputs?: number[];
  captures?: number;
}

export interface MilliGraph {
  inputs: number[];
  outputs: number[];
  nodes: Node[];
  values: Value[];
}

export interface Digest {
  count: number;
  nan: number;
  plus_inf: number;
  minus_inf: number;
  zero: number;
  min: number | null;
  max: number | null;
  mean: number | null;
  std: number | null;
  histogram?: number[];
  n_histogram?: number;
  rows?: number;
  columns?: number;
  cells?: (number | null)[];
  not_finite?: [number, number][];
}

/** Inputs, outputs and packed constants are numbers of the segment's places. */
export interface PlanStep {
  node: number;
  /** Name and operator of that node. */
  name: string;
  type: string;
  /** What runs: the operator, one of its milli-ops, or "fused". */
  op_type: string;
  milli: boolean;
  backend: string;
  kernel: string | null;
  inputs: number[];
  outputs: number[];
  packed: number[];
  members: string[];
}

export interface PlanPlace {
  name: string;
  type: string;
  kind: "none" | "constant" | "live" | "arena" | "own" | "view";
  viewed: number;
  offset: number;
  bytes: number;
  first_step: number;
  last_step: number;
}

export interface PlanSegment {
  graph: number;
  begin: number;
  end: number;
  runs_graphs: boolean;
  /** The run used the file's graph, which passes have edited for others. */
  of_file: boolean;
  tapped: boolean;
  facts: string;
  arena_bytes: number;
  own_bytes: number;
  plan_bytes: number;
  steps: PlanStep[];
  places: PlanPlace[];
}

export interface PlanEdit {
  pass: string;
  graph: number;
  removed: { type: string; name: string }[];
  added: { type: string; name: string }[];
  rewired: { from: string; to: string }[];
}

/** Segments come in pages; the edits with the first. A session has plans after its first run. */
export interface Plan {
  total: number;
  segments: PlanSegment[];
  edits: PlanEdit[];
}

/** Elements of an input: random ones, numbers in nested lists, or a part of the form, a .npy or .npz file. */
export type RunInput =
  | { random: number }
  | { data: Json; dtype?: string; shape?: number[] }
  | { file: string; format?: "npy" | "raw"; array?: string; dtype?: string; shape?: number[] };

/** Inputs by port: texts, numbers, flags, lists, and parts of the form. */
export interface JobRequest {
  model: string;
  kind: "job";
  inputs: Record<string, Json>;
  /** Paths or globs of inner values. */
  keep: string[];
}

export interface RunRequest {
  model: string;
  call?: string;
  kind: "graph";
  backends?: string;
  oracle?: boolean;
  dims?: Record<string, number>;
  inputs?: Record<string, RunInput>;
  outputs?: string[];
  keep?: string[];
  keep_inside?: boolean;
  profile?: boolean;
  seed?: number;
}

/** A run, and what differs in the one beside it, the reference. */
export interface CompareRequest extends RunRequest {
  reference: { backends?: string; oracle?: boolean };
}

export type RunState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface RunOutput {
  name: string;
  type: string;
}

/** An output of a job that is done; tensors have the value null. */
export interface JobOutput extends RunOutput {
  value: Json;
}

export interface Run {
  id: string;
  model: string;
  kind: "graph" | "job";
  /** Of a job's calls; null: the first, or the model is no job. */
  call: string | null;
  state: RunState;
  created: number;
  started: number | null;
  ended: number | null;
  seconds: number | null;
  error: ApiFault | null;
  progress: { done: number; total: number };
  outputs: RunOutput[];
  kept: number;
  kept_bytes: number;
  dropped: number;
  profile: boolean;
  backends: string;
  oracle: boolean;
}

export interface RunValue {
  name: string;
  node: string;
  op_type: string;
  milli: boolean;
  type: string;
  dtype: string;
  shape: number[];
  bytes: number;
  digest: Digest;
}

export interface ProfileRow {
  node: string;
  op_type: string;
  backend: string;
  calls: number;
  seconds: number;
  flops: number;
  bytes_read: number;
  bytes_written: number;
  memory: number;
}

/** Times are microseconds since the first span began. */
export interface ProfileSpan {
  kind: "run" | "plan" | "pack" | "node" | "step" | "body";
  name: string;
  op_type: string;
  backend: string;
  kernel: string;
  thread: number;
  begin: number;
  /** null: it goes on. */
  end: number | null;
  depth: number;
  parent: number;
  flops: number;
  bytes_read: number;
  bytes_written: number;
  memory: number;
}

/** Spans come in pages; the sums once the run has ended. */
export interface Profile {
  total: number;
  dropped: number;
  by_operator: ProfileRow[];
  by_node: ProfileRow[];
  by_milli: ProfileRow[];
  by_phase: ProfileRow[];
  spans: ProfileSpan[];
}

/** What this machine reaches at best with the threads of a run, per second. */
export interface Peaks {
  flops: number;
  read_bytes: number;
  threads: number;
}

/** The figures are there where the values could be compared; `why` tells why they could not. */
export interface CompareRow {
  name: string;
  node: string;
  op_type: string;
  milli: boolean;
  within: boolean;
  why: string | null;
  elements?: number;
  n_over?: number;
  n_nan?: number;
  max_abs?: number | null;
  max_rel?: number | null;
  ulp_max?: number;
  worst?: number[];
  worst_a?: number | null;
  worst_b?: number | null;
  first?: number[];
  first_a?: number | null;
  first_b?: number | null;
  /** Of comparisons node by node: how many times what rounding explains. */
  times?: number | null;
}

export interface Comparison {
  run: string;
  with: string | null;
  /** The first value out of tolerance. */
  first: string | null;
  compared: number;
  different: number;
  only_a: number;
  only_b: number;
  rows: CompareRow[];
}

export interface Tolerance {
  rtol: number;
  atol: number;
  ulp: number;
}

// ---- WebSocket ----

/** A segment of live speech, of the stream `id`: its number, and seconds since the first sample. */
interface Spoken {
  id: number;
  segment: number;
  start: number;
  end: number;
}

export type ServerMessage =
  | { op: "hello"; version: string }
  | { op: "subscribed"; id: number }
  | ({ op: "run" } & Run)
  | { op: "unsubscribed"; id: number }
  | { op: "progress"; run: string; done: number; total: number; tier: number | string; node?: { name: string; op_type: string } }
  | { op: "token"; run: string; number: number; token: number; logprob: number }
  | { op: "text"; run: string; number: number; text: string }
  | { op: "segment"; run: string; number: number; segment: Json }
  | { op: "opening"; models: Opening[] }
  | { op: "listening"; id: number; model: string }
  | ({ op: "speech_started" | "speech_stopped" } & Spoken)
  | ({ op: "partial"; text: string; stable: string } & Spoken)
  | ({ op: "final"; text: string; language: string; segments: Omit<SpeechSegment, "id">[] } & Spoken)
  | { op: "stopped"; id: number; seconds: number }
  | { op: "pong"; t: number }
  | { op: "error"; id?: number; message: string }
  | { op: "lost"; count: number };

/** Header of a binary frame; `cells` (a digest's rows × columns) or `bytes` (a value's elements) follow it. */
export interface LiveHeader {
  op: "digest" | "value";
  id: number;
  run: string;
  /** Of a job, whose model this is of; "" of a graph's run. */
  call: string;
  name: string;
  node: string;
  op_type: string;
  dtype: string;
  shape: number[];
  time: number;
  /** 1, 2, ... of this subscription: a gap is a loss. */
  number: number;
  count?: number;
  nan?: number;
  plus_inf?: number;
  minus_inf?: number;
  zero?: number;
  min?: number;
  max?: number;
  mean?: number;
  std?: number;
  rows?: number;
  columns?: number;
  histogram?: number[];
  n_histogram?: number;
  /** Bit c of [r]: cell (r, c) has elements that are not finite. */
  not_finite?: number[];
  /** Of a value: the payload's size, and why it is empty. */
  bytes?: number;
  missing?: string;
}

/** A value between blocks of a model that generates text; block 0 goes into the first. */
export interface LensValue {
  name: string;
  block: number;
  part: number;
  /** The last of its block. */
  whole: boolean;
}

export interface LensToken {
  id: number;
  token: string;
  logprob?: number | null;
}

export interface LensCell {
  /** The likeliest first. */
  top: LensToken[];
  /** Of the token that follows in the text. */
  next: { logprob: number | null; rank: number } | null;
}

export interface Lens {
  tokens: LensToken[];
  from: number;
  values: LensValue[];
  rows: { value: number; cells: LensCell[] }[];
}

export interface LensRequest {
  model: string;
  prompt: string | number[];
  top?: number;
  from?: number;
  count?: number;
  values?: number[];
}

export interface Subscription {
  model?: string;
  run?: string;
  call?: string;
  names: string[];
  inside?: boolean;
  optimised?: boolean;
  /** Of a job's run no tokens, texts and segments. */
  values_only?: boolean;
  what?: "digest" | "value";
  slice?: string;
  share?: number;
  interval?: number;
}
