// The REST calls, typed. Each throws an ApiError with the server's own sentence where the answer is not a success.
import type {
  ApiFault, CompareRequest, Comparison, Digest, Graph, Job, JobCheck, JobOutput, JobRequest, Json, Loader, MilliGraph, Model, ModelDetail, ModelList, Node, NodeDetail, Plan,
  Lens, LensRequest, Peaks, Profile, Run, RunRequest, RunValue, Tolerance, Value, ValueDetail,
} from "./types";
import { answerHere } from "../session/answers";
import { sessionModels, sessionRuns } from "../session/session";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly fault: ApiFault,
  ) {
    super(fault.message);
  }
}

/** The token of a server that demands one: taken once from the address (`?token=`), kept for this tab only. */
export function apiToken(): string | null {
  const given = new URLSearchParams(location.search).get("token");
  if (given !== null) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.hash);
  }
  return sessionStorage.getItem("token");
}

type Query = Record<string, string | number | boolean | null | undefined>;

/** Path with a query of those members that are given. */
export function address(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") params.set(key, String(value));
  }
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** An address for links and <audio>, which cannot send a header. */
export function downloadAddress(path: string, query: Query = {}): string {
  return address(path, { ...query, token: apiToken() });
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = apiToken();
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  const answer = answerHere(path, init.method ?? "GET") ?? (await fetch(path, { ...init, headers }));
  if (answer.ok) return answer;
  const text = await answer.text();
  let fault: ApiFault = { message: text || `${answer.status} ${answer.statusText}`, type: "server_error", param: null, code: null };
  try {
    fault = (JSON.parse(text) as { error: ApiFault }).error ?? fault;
  } catch {
    // not JSON: the text itself is the message
  }
  throw new ApiError(answer.status, fault);
}

async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const answer = await request(address(path, query), signal ? { signal } : {});
  return (await answer.json()) as T;
}

async function postText<T>(path: string, body: string, signal?: AbortSignal): Promise<T> {
  const answer = await request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body, ...(signal ? { signal } : {}) });
  return (await answer.json()) as T;
}

const post = <T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> => postText<T>(path, JSON.stringify(body), signal);

async function postForm<T>(path: string, fields: Record<string, string>, files: Record<string, File>, signal?: AbortSignal): Promise<T> {
  const form = new FormData();
  for (const [name, text] of Object.entries(fields)) form.set(name, text);
  for (const [name, file] of Object.entries(files)) form.set(name, file, file.name);
  const answer = await request(path, { method: "POST", body: form, signal: signal ?? null });
  return (await answer.json()) as T;
}

/** `files`: parts of a form, by the names that `body` gives. */
const send = <T>(path: string, body: unknown, files: Record<string, File>, signal?: AbortSignal): Promise<T> =>
  Object.keys(files).length === 0 ? post<T>(path, body, signal) : postForm<T>(path, { request: JSON.stringify(body) }, files, signal);

const remove = async (path: string): Promise<void> => void (await request(path, { method: "DELETE" }));
const model = (id: string) => `/api/models/${encodeURIComponent(id)}`;
const run = (id: string) => `/api/runs/${encodeURIComponent(id)}`;

/** What every route of a graph takes: the job's call, and the file's graph or the planned one. */
export interface GraphView extends Query {
  call?: string | undefined;
  view?: "file" | "planned" | undefined;
  backends?: string | undefined;
}

const PAGE = 10_000;

/** Every page of a list, one after another. */
async function pages<T>(path: string, member: "nodes" | "values", query: Query, signal?: AbortSignal): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const page = await get<{ total: number } & Record<typeof member, T[]>>(path, { ...query, from: all.length, count: PAGE }, signal);
    all.push(...page[member]);
    if (all.length >= page.total || page[member].length === 0) return all;
  }
}

export const api = {
  /** Those of the server, and those of sessions. */
  models: () => get<ModelList>("/api/models").then(({ models, available }) => ({ models: [...models, ...sessionModels()], available })),
  loaders: () => get<{ loaders: Loader[] }>("/api/loaders").then((answer) => answer.loaders),
  load: (loader: string, options: Record<string, Json>, files: Record<string, File> = {}, signal?: AbortSignal): Promise<Model> => {
    if (Object.keys(files).length === 0) return post<Model>("/api/models", { loader, options }, signal);
    return postForm<Model>("/api/models", { loader, options: JSON.stringify(options) }, files, signal);
  },
  model: (id: string) => get<ModelDetail>(model(id)),
  /** SHA-256 of its file, which the server reads where it does not know it yet. */
  hash: (id: string) => get<{ hash: string }>(`${model(id)}/hash`).then((answer) => answer.hash),
  job: (id: string) => get<Job>(`${model(id)}/job`),
  /** Documents of jobs, as text. */
  checkJob: (text: string) => postText<JobCheck>("/api/jobs/check", text),
  openJob: (text: string) => postText<Model>("/api/jobs", text),
  unload: (id: string) => remove(model(id)),

  graphs: (id: string, view: GraphView = {}) =>
    get<{ graphs: Graph[] }>(`${model(id)}/graphs`, view).then((answer) => answer.graphs),
  graph: (id: string, graph: number, view: GraphView = {}, signal?: AbortSignal) =>
    get<Graph>(`${model(id)}/graphs/${graph}`, view, signal),
  nodes: (id: string, graph: number, view: GraphView & { attributes?: boolean } = {}, signal?: AbortSignal) =>
    pages<Node>(`${model(id)}/graphs/${graph}/nodes`, "nodes", view, signal),
  values: (id: string, graph: number, view: GraphView = {}, signal?: AbortSignal) =>
    pages<Value>(`${model(id)}/graphs/${graph}/values`, "values", view, signal),
  /** Those with `q` in their name or type. */
  findNodes: (id: string, graph: number, q: string, view: GraphView = {}) => pages<Node>(`${model(id)}/graphs/${graph}/nodes`, "nodes", { ...view, q }),
  findValues: (id: string, graph: number, q: string, view: GraphView = {}) => pages<Value>(`${model(id)}/graphs/${graph}/values`, "values", { ...view, q }),
  node: (id: string, graph: number, node: number, view: GraphView & { dims?: string } = {}) =>
    get<NodeDetail>(`${model(id)}/graphs/${graph}/nodes/${node}`, view),
  milli: (id: string, graph: number, node: number, view: GraphView & { dims?: string } = {}, signal?: AbortSignal) =>
    get<MilliGraph>(`${model(id)}/graphs/${graph}/nodes/${node}/milli`, view, signal),
  value: (id: string, graph: number, value: number, view: GraphView = {}) =>
    get<ValueDetail>(`${model(id)}/graphs/${graph}/values/${value}`, view),
  valueData: (id: string, graph: number, value: number) => `${model(id)}/graphs/${graph}/values/${value}/data`,
  valueDigest: (id: string, graph: number, value: number, query: GraphView & { slice?: string } = {}) =>
    get<Digest>(`${model(id)}/graphs/${graph}/values/${value}/digest`, query),
  /** Those of many weights in one answer, at most 128; null for a value without elements. */
  digests: (id: string, graph: number, values: number[], view: GraphView = {}) =>
    get<{ digests: (Digest | null)[] }>(`${model(id)}/graphs/${graph}/digests`, { ...view, values: values.join(",") }).then((answer) => answer.digests),
  plan: (id: string, query: { call?: string; backends?: string; from?: number } = {}) =>
    get<Plan>(`${model(id)}/plan`, query),

  /** `files`: parts of the form, by the names that the inputs of `body` give. */
  start: (body: RunRequest | JobRequest, files: Record<string, File> = {}) => send<Run>("/api/runs", body, files),
  runs: () => get<{ runs: Run[] }>("/api/runs").then((answer) => [...answer.runs, ...sessionRuns()]),
  run: (id: string) => get<Run>(run(id)),
  forget: (id: string) => remove(run(id)),
  cancel: (id: string) => post<Run>(`${run(id)}/cancel`, {}),
  runOutputs: (id: string) => get<{ outputs: JobOutput[] }>(`${run(id)}/outputs`).then((answer) => answer.outputs),
  runValues: (id: string, query: { q?: string; from?: number; count?: number } = {}) =>
    get<{ total: number; values: RunValue[] }>(`${run(id)}/values`, query),
  runValue: (id: string, name: string) => get<RunValue>(`${run(id)}/value`, { name }),
  runData: (id: string) => `${run(id)}/data`,
  profile: (id: string, from = 0, signal?: AbortSignal, count?: number) => get<Profile>(`${run(id)}/profile`, { from, count }, signal),
  traceAddress: (id: string) => downloadAddress(`${run(id)}/profile`, { format: "chrome" }),
  /** The logit lens of a model that generates text. */
  lens: (body: LensRequest, signal?: AbortSignal) => post<Lens>("/api/lens", body, signal),
  peaks: (signal?: AbortSignal) => get<Peaks>("/api/peaks", {}, signal),
  /** Values of run `id` beside those of `other`, which is the reference. */
  compare: (id: string, other: string, tolerance: Tolerance, signal?: AbortSignal) =>
    get<Comparison>(`${run(id)}/compare`, { with: other, ...tolerance }, signal),
  /** The same node by node: each on the values of `other`. */
  judge: (id: string, other: string, signal?: AbortSignal) => get<Comparison>(`${run(id)}/compare`, { with: other, by: "node" }, signal),
  /** Two runs of a graph on the same inputs, made to be compared. */
  compareBackends: (body: CompareRequest, files: Record<string, File>, signal?: AbortSignal) => send<Comparison>("/api/compare", body, files, signal),
};

/** A profile with all of its spans, which come in pages. */
export async function wholeProfile(run: string, signal?: AbortSignal): Promise<Profile> {
  const first = await api.profile(run, 0, signal);
  const spans = [...first.spans];
  while (spans.length < first.total) {
    const { spans: more } = await api.profile(run, spans.length, signal);
    if (more.length === 0) break;
    spans.push(...more);
  }
  return { ...first, spans };
}

/** Text of a failure for people. */
export function faultText(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
