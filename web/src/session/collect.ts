// Asks the server for all that a session holds.
import { address, api, ApiError, request, wholeProfile, type GraphView } from "../api/client";
import type { Digest, MilliGraph, Model, RunValue, Tolerance, Value } from "../api/types";
import { modelDetail, modelHash } from "../state/store";
import { texts } from "../texts";
import { judgedOf } from "../state/judge";
import { arrayOf } from "./archive";
import { milliKey, type Session, type SessionArray, type SessionGraph, type SessionWeight } from "./session";

export const [MAX_DIGESTS, MAX_ELEMENTS] = [512, 64 << 20]; // values with images, bytes of elements
export const MAX_MILLI = 2000; // nodes with their milli-ops
const [MAX_VALUES, MAX_GRAPHS, PAGE] = [20_000, 1000, 1000];
const TOLERANCE: Tolerance = { rtol: 1e-3, atol: 1e-5, ulp: 0 };

export interface Wishes {
  model: Model;
  call: string | undefined;
  run: string | null;
  /** The run that it is compared with. */
  reference: string | null;
  /** Of what the run kept, these have images and, where they are wanted, elements. */
  chosen: RunValue[];
  elements: boolean;
  /** Weights of the main graph that are in it with their elements. */
  weights: Value[];
  /** Also the graph that passes leave. */
  planned: boolean;
  /** Also the milli-ops of each node. */
  milli: boolean;
}

/** All values that a run kept, with digests without images. */
export async function valuesOfRun(run: string): Promise<RunValue[]> {
  const all: RunValue[] = [];
  for (;;) {
    const { total, values } = await api.runValues(run, { from: all.length, count: PAGE });
    all.push(...values);
    if (all.length >= Math.min(total, MAX_VALUES) || values.length === 0) return all;
  }
}

/** Eight at a time. */
async function each<T, R>(all: T[], ask: (one: T) => Promise<R>): Promise<R[]> {
  const made: R[] = [];
  for (let i = 0; i < all.length; i += 8) made.push(...(await Promise.all(all.slice(i, i + 8).map(ask))));
  return made;
}

const short = (x: number | null) => (x === null ? null : Number(x.toPrecision(4)));

/** The image of 32 x 32 cells with as many digits as anybody sees. */
const thin = (digest: Digest): Digest => (digest.cells ? { ...digest, cells: digest.cells.map(short) } : digest);

const npyAt = async (path: string, query: Record<string, string | undefined>): Promise<SessionArray> =>
  arrayOf(new Uint8Array(await (await request(address(path, { ...query, format: "npy" }))).arrayBuffer()));

async function arraysOf(run: string, values: RunValue[]): Promise<Map<string, SessionArray>> {
  return new Map(await each(values.filter(({ dtype }) => dtype !== ""), async ({ name }): Promise<[string, SessionArray]> => [name, await npyAt(api.runData(run), { name })]));
}

async function weightsOf(model: string, view: GraphView, values: Value[]): Promise<Map<string, SessionWeight>> {
  const found = await each(values, async ({ i, name }): Promise<[string, SessionWeight]> => {
    const [digest, array] = await Promise.all([api.valueDigest(model, 0, i, view), npyAt(api.valueData(model, 0, i), { call: view.call })]);
    return [name, { digest: thin(digest), ...array }];
  });
  return new Map(found);
}

async function graphsOf(model: string, view: GraphView): Promise<SessionGraph[]> {
  const rows = await api.graphs(model, view);
  if (rows.length > MAX_GRAPHS) throw new Error(texts.session.graphs(MAX_GRAPHS));
  return each(rows, async (graph) => {
    const [nodes, values] = await Promise.all([api.nodes(model, graph.number, { ...view, attributes: true }), api.values(model, graph.number, view)]);
    return { graph, nodes, values };
  });
}

/** Of nodes that have them: those that hold graphs have none, nor have others where sizes are not known. */
async function millisOf(model: string, view: GraphView, graphs: SessionGraph[]): Promise<Record<string, MilliGraph>> {
  const nodes = graphs.flatMap(({ graph, nodes }) => nodes.filter((node) => node.graphs.length === 0).map((node) => [graph.number, node.i] as const));
  const found = await each(nodes, async ([graph, node]): Promise<[string, MilliGraph][]> => {
    try {
      return [[milliKey(graph, node), await api.milli(model, graph, node, view)]];
    } catch (fault) {
      if (fault instanceof ApiError && fault.status === 400) return [];
      throw fault;
    }
  });
  return Object.fromEntries(found.flat());
}

export async function collect({ model, call, run: id, reference, chosen, elements, weights, planned, milli }: Wishes): Promise<Session> {
  const [detail, hash, graphs] = await Promise.all([modelDetail(model.id), modelHash(model), graphsOf(model.id, { call })]);
  const more = { weights: await weightsOf(model.id, { call }, weights), planned: planned ? await graphsOf(model.id, { call, view: "planned" }) : null, milli: milli ? await millisOf(model.id, { call }, graphs) : {} };
  const main = graphs[0]?.values ?? [];
  const of = (role: string) => main.filter((value) => value.role === role);
  const head = { model: { ...detail, hash, calls: call ? [call] : detail.calls.slice(0, 1), n_graphs: graphs.length, inputs: of("input"), outputs: of("output") }, graphs, ...more };
  if (id === null) return { ...head, run: null, values: [], arrays: new Map(), profile: null, comparison: null };
  const run = await api.run(id);
  const listed = await valuesOfRun(id);
  const full = new Map((await each(chosen.slice(0, MAX_DIGESTS), ({ name }) => api.runValue(id, name))).map((value) => [value.name, { ...value, digest: thin(value.digest) }]));
  return {
    ...head,
    run,
    values: listed.map((value) => full.get(value.name) ?? value),
    arrays: elements ? await arraysOf(id, chosen) : new Map(),
    profile: run.profile && run.ended !== null ? await wholeProfile(id) : null,
    comparison: reference === null ? null : { reference: await api.run(reference), rows: await api.compare(id, reference, TOLERANCE), nodes: judgedOf(id, reference) },
  };
}

