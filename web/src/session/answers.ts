// The server's routes, answered from sessions.
import type { Json, NodeDetail, Value, ValueDetail } from "../api/types";
import { texts } from "../texts";
import { sliced } from "./slice";
import { closeSession, milliKey, sessionOfModel, sessionOfRun, type Session, type SessionArray, type SessionWeight } from "./session";

const t = texts.session;

type Answer = Response | object | null | undefined | false; // nothing: the session does not hold it
type Route = [path: RegExp, answer: (session: Session, part: (i: number) => string, query: URLSearchParams) => Answer];

/** Of a list: those with `q` in their names or types, and of these a page. */
function page<T extends { name: string }>(member: string, all: T[], query: URLSearchParams, typeOf: (row: T) => string): object {
  const q = (query.get("q") ?? "").toLowerCase();
  const found = q === "" ? all : all.filter((row) => row.name.toLowerCase().includes(q) || typeOf(row).toLowerCase().includes(q));
  const from = Number(query.get("from") ?? 0);
  return { total: found.length, [member]: found.slice(from, from + Number(query.get("count") ?? found.length)) };
}

function nodeDetail({ graphs }: Session, graph: number, i: number): NodeDetail | undefined {
  const { nodes, values } = graphs[graph] ?? { nodes: [], values: [] };
  const node = nodes[i];
  const of = (numbers: number[]) => numbers.map((value) => values[value] ?? null);
  return node && { ...node, version: 0, doc: "", attributes: node.attributes ?? [], flops: null, bytes: null, cost: null, inputs: of(node.in), outputs: of(node.out) };
}

function valueDetail({ graphs }: Session, graph: number, i: number): ValueDetail | undefined {
  const { nodes, values } = graphs[graph] ?? { nodes: [], values: [] };
  const value = values[i];
  return value && { ...value, doc: "", users: nodes.filter((node) => node.in.includes(i)).map((node) => node.i) };
}

function elements(array: SessionArray | undefined, value: { dtype: string; shape: number[] } | undefined, query: URLSearchParams): Answer {
  if (!array || !value) return null;
  const count = value.shape.reduce((product, size) => product * size, 1);
  const all = array.npy.subarray(array.at);
  const width = count > 0 ? all.length / count : 1;
  const slice = query.get("slice") ?? "";
  const part = slice === "" || !Number.isInteger(width) ? { shape: value.shape, bytes: all } : sliced(all, value.shape, width, slice);
  return new Response(query.get("format") === "npy" ? array.npy : part.bytes, { headers: { "X-Dtype": value.dtype, "X-Shape": part.shape.join(",") } });
}

function keptElements({ arrays, values }: Session, query: URLSearchParams): Answer {
  const name = query.get("name") ?? "";
  return elements(arrays.get(name), values.find((row) => row.name === name), query);
}

/** A weight of the main graph with its elements, where it was chosen. */
function weightAt({ graphs, weights }: Session, graph: number, i: number): { weight: SessionWeight; value: Value } | null {
  const value = graph === 0 ? graphs[0]?.values[i] : undefined;
  const weight = value?.role === "initializer" ? weights.get(value.name) : undefined;
  return value && weight ? { value, weight } : null;
}

function weightElements(session: Session, graph: number, i: number, query: URLSearchParams): Answer {
  const found = weightAt(session, graph, i);
  return found && elements(found.weight, { dtype: found.value.dtype, shape: found.value.dims.map(Number) }, query);
}

const ofModels: Route[] = [
  [/^$/, ({ model }) => model],
  [/^\/hash$/, ({ model }) => ({ hash: model.hash })],
  [/^\/graphs$/, ({ graphs }) => ({ graphs: graphs.map(({ graph }) => graph) })],
  [/^\/graphs\/(\d+)$/, ({ graphs }, part) => graphs[Number(part(1))]?.graph],
  [/^\/graphs\/(\d+)\/nodes$/, ({ graphs }, part, query) => page("nodes", graphs[Number(part(1))]?.nodes ?? [], query, (node) => node.type)],
  [/^\/graphs\/(\d+)\/values$/, ({ graphs }, part, query) => page("values", graphs[Number(part(1))]?.values ?? [], query, (value) => value.type)],
  [/^\/graphs\/(\d+)\/nodes\/(\d+)$/, (session, part) => nodeDetail(session, Number(part(1)), Number(part(2)))],
  [/^\/graphs\/(\d+)\/nodes\/(\d+)\/milli$/, ({ milli }, part) => milli[milliKey(Number(part(1)), Number(part(2)))]],
  [/^\/graphs\/(\d+)\/values\/(\d+)$/, (session, part) => valueDetail(session, Number(part(1)), Number(part(2)))],
  [/^\/graphs\/(\d+)\/values\/(\d+)\/digest$/, (session, part, query) => !query.has("slice") && weightAt(session, Number(part(1)), Number(part(2)))?.weight.digest],
  [/^\/graphs\/(\d+)\/values\/(\d+)\/data$/, (session, part, query) => weightElements(session, Number(part(1)), Number(part(2)), query)],
];

const ofRuns: Route[] = [
  [/^$/, ({ run }) => run],
  [/^\/outputs$/, ({ run }) => ({ outputs: run?.outputs.map((output) => ({ ...output, value: null })) ?? [] })],
  [/^\/values$/, ({ values }, _part, query) => page("values", values, query, (value) => value.op_type)],
  [/^\/value$/, ({ values }, _part, query) => values.find((value) => value.name === query.get("name"))],
  [/^\/data$/, (session, _part, query) => keptElements(session, query)],
  [/^\/profile$/, ({ profile }, _part, query) => profile && !query.has("format") && { ...profile, spans: profile.spans.slice(Number(query.get("from") ?? 0)) }],
  [/^\/compare$/, ({ comparison }, _part, query) => comparison && query.get("with") === comparison.reference.id && (query.has("by") ? comparison.nodes : comparison.rows)],
];

const fault = (status: number, message: string): Response => new Response(JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } }), { status });

function follow(routes: Route[], session: Session, path: string, query: URLSearchParams): Response {
  const planned = query.get("view") === "planned";
  const seen = planned && session.planned ? { ...session, graphs: session.planned, milli: {}, weights: new Map() } : session; // passes may have changed weights
  for (const [pattern, answer] of planned && !session.planned ? [] : routes) {
    const found = pattern.exec(path);
    const given = found && answer(seen, (i) => found[i] ?? "", query);
    if (given) return given instanceof Response ? given : Response.json(given);
  }
  return fault(404, t.missing);
}

/** What is in this page alone, where no server is. */
const alone: Record<string, () => Json | object> = {
  "/api/models": () => ({ models: [], available: [] }), // those of sessions join those of the server in any case
  "/api/runs": () => ({ runs: [] }),
  "/api/loaders": () => ({ loaders: [] }),
};

/** Whether the page stands in a file of its own, with a session and without a server. */
export const offline = document.getElementById("session") !== null;

/** The answer to a request for what belongs to a session; null: the server's. */
export function answerHere(address: string, method: string): Response | null {
  const { pathname, searchParams } = new URL(address, "http://page/");
  const [, list = "", id = "", path = ""] = /^\/api\/(models|runs)\/([^/]+)(.*)$/.exec(pathname) ?? [];
  const session = (list === "models" ? sessionOfModel : sessionOfRun)(decodeURIComponent(id));
  if (!session) return offline ? (alone[pathname] ? Response.json(alone[pathname]()) : fault(404, t.offline)) : null;
  const reference = session.comparison?.reference;
  const isReference = reference && decodeURIComponent(id) === reference.id; // of which there is no more
  if (method === "GET" && isReference) return path === "" ? Response.json(reference) : fault(404, t.missing);
  if (method === "GET") return follow(list === "models" ? ofModels : ofRuns, session, path, searchParams);
  if (method === "DELETE" && list === "models" && closeSession(session.model.id)) return new Response(null, { status: 204 });
  return fault(405, t.fixed);
}

