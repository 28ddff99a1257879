// What differs between two graphs whose nodes are matched.
import type { Attribute, Value } from "../../api/types";
import { isDrawn } from "../graph/fold";
import type { Matched } from "./match";
import { holdsGraph, isConstantRole, shapeText, written, type Side } from "./outline";

export const states = ["changed", "removed", "added", "rewired", "renamed", "same"] as const;
export type State = (typeof states)[number];

export interface Change {
  what: "operator" | "attribute" | "inside" | "weight" | "input" | "name";
  /** Of the attribute, also that of a graph inside, or the number of the input. */
  name: string;
  /** null: it has none. */
  a: string | null;
  b: string | null;
}

/** Two nodes that are the same one, or one that has no other: -1. */
export interface Row {
  id: string;
  state: State;
  a: number;
  b: number;
  changes: Change[];
  /** Weights of the same type and shape: their elements may differ still. */
  weights: [a: number, b: number][];
}

export const idOf = (a: number, b: number): string => `${a}.${b}`;

function attributesOf(a: Attribute[], b: Attribute[]): Change[] {
  const text = (list: Attribute[], name: string) => {
    const found = list.find((attribute) => attribute.name === name);
    return found === undefined ? null : holdsGraph(found) ? found.kind : written(found);
  };
  const names = [...new Set([...a, ...b].map(({ name }) => name))];
  return names.map((name) => ({ what: "attribute" as const, name, a: text(a, name), b: text(b, name) })).filter((change) => change.a !== change.b);
}

class Comparer {
  private readonly inputs: [Map<number, number>, Map<number, number>];

  constructor(
    private readonly a: Side,
    private readonly b: Side,
    private readonly matched: Matched,
  ) {
    const placed = ({ values }: Side) => new Map(values.filter(({ role }) => role === "input" || role === "capture").map(({ i }, k) => [i, k]));
    this.inputs = [placed(a), placed(b)];
  }

  /** A value without its elements: what makes it, or that it is a constant. */
  private source(side: Side, value: Value): string {
    const maker = side.nodes[value.producer];
    if (isConstantRole(value) || (maker && !isDrawn(maker))) return shapeText(value);
    return value.name || (maker ? maker.type : String(value.i));
  }

  private constant(side: Side, value: Value | undefined): boolean {
    const maker = value && side.nodes[value.producer];
    return value !== undefined && (isConstantRole(value) || (maker !== undefined && !isDrawn(maker)));
  }

  /** Whether two values are the same, their names aside: made by the same nodes, or the same inputs. */
  private same(x: Value, y: Value): boolean {
    const [from, to] = [this.a.nodes[x.producer], this.b.nodes[y.producer]];
    if (from && to) return this.matched.toB[from.i] === to.i && from.out.indexOf(x.i) === to.out.indexOf(y.i);
    return !from && !to && (x.name === y.name || this.inputs[0].get(x.i) === this.inputs[1].get(y.i));
  }

  private input(x: Value | undefined, y: Value | undefined, k: number, row: Row): void {
    const [a, b] = [x ? this.source(this.a, x) : null, y ? this.source(this.b, y) : null];
    const [fixedX, fixedY] = [this.constant(this.a, x), this.constant(this.b, y)];
    if (x && y && fixedX && fixedY) {
      if (a !== b) row.changes.push({ what: "weight", name: x.name || y.name || String(k), a, b });
      else row.weights.push([x.i, y.i]);
    } else if (x && y && !fixedX && !fixedY ? !this.same(x, y) : x !== undefined || y !== undefined) row.changes.push({ what: "input", name: String(k), a, b });
  }

  row(i: number, j: number): Row {
    const row: Row = { id: idOf(i, j), state: "same", a: i, b: j, changes: [], weights: [] };
    if (i < 0 || j < 0) return { ...row, state: i < 0 ? "added" : "removed" };
    const [x, y] = [this.a.nodes[i]!, this.b.nodes[j]!];
    const type = (node: typeof x) => (node.domain === "" ? node.type : `${node.domain}:${node.type}`);
    if (type(x) !== type(y)) row.changes.push({ what: "operator", name: "", a: type(x), b: type(y) });
    row.changes.push(...attributesOf(x.attributes ?? [], y.attributes ?? []));
    for (let k = 0; k < Math.max(x.in.length, y.in.length); k++) this.input(this.a.values[x.in[k] ?? -1], this.b.values[y.in[k] ?? -1], k, row);
    if (x.name !== y.name) row.changes.push({ what: "name", name: "", a: x.name, b: y.name });
    const has = (...kinds: Change["what"][]) => row.changes.some(({ what }) => kinds.includes(what));
    row.state = has("operator", "attribute", "weight") ? "changed" : has("input") ? "rewired" : has("name") ? "renamed" : "same";
    return row;
  }
}

/** Every node of both, matched ones once, in the order of the graphs: what was removed before what comes after it in both. */
export function compareNodes(a: Side, b: Side, matched: Matched): Row[] {
  const comparer = new Comparer(a, b, matched);
  const rows: Row[] = [];
  const drawnA = a.nodes.filter(isDrawn).map(({ i }) => i);
  let at = 0;
  const removedUpTo = (end: number) => {
    for (; at < drawnA.length && drawnA[at]! < end; at++) if (matched.toB[drawnA[at]!]! < 0) rows.push(comparer.row(drawnA[at]!, -1));
  };
  for (const node of b.nodes) {
    if (!isDrawn(node)) continue;
    const other = matched.toA[node.i]!;
    if (other >= 0) removedUpTo(other);
    rows.push(comparer.row(other, node.i));
  }
  removedUpTo(a.nodes.length);
  return rows;
}

/** Rows whose weights are known to differ are changed. */
export function withWeights(rows: Row[], differ: ReadonlySet<string>): Row[] {
  return rows.map((row) => (row.state !== "changed" && row.weights.some(([a, b]) => differ.has(idOf(a, b))) ? { ...row, state: "changed" as const } : row));
}

export function countStates(rows: Row[]): Record<State, number> {
  const counts = Object.fromEntries(states.map((state) => [state, 0])) as Record<State, number>;
  for (const { state } of rows) counts[state]++;
  return counts;
}
