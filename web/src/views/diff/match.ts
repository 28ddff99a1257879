// Which nodes of two graphs are the same one. Weights' names and nodes' names are told first, since an edit leaves most of them; then
// what stands above and below a node, which needs no names; then what is around nodes that are known already. What is left is new.
import { Outline, type Side } from "./outline";

/** The number of the same node on the other side; -1: it has none. */
export interface Matched {
  toB: Int32Array;
  toA: Int32Array;
}

/** What two nodes must share; null: the node has nothing to go by. */
type Key = (of: Outline, node: number) => string | null;

const named = (of: Outline, node: number, key: string): string | null => (of.name(node) === "" ? null : `${key}|${of.name(node)}`);

const keys = {
  weightsAndName: (of, node) => (of.weights[node] ? named(of, node, `${of.label[node]}|${of.weights[node]}`) : null),
  weights: (of, node) => (of.weights[node] ? `${of.label[node]}|${of.weights[node]}` : null),
  weightsOfOther: (of, node) => (of.weights[node] ? named(of, node, `${of.kind[node]}|${of.weights[node]}`) : null),
  upAndName: (of, node) => named(of, node, `${of.up[node]}`),
  downAndName: (of, node) => named(of, node, `${of.down[node]}`),
  upAndDown: (of, node) => `${of.up[node]}|${of.down[node]}`,
  labelAndName: (of, node) => named(of, node, `${of.label[node]}`),
  up: (of, node) => `${of.up[node]}`,
  down: (of, node) => `${of.down[node]}`,
  kindAndName: (of, node) => named(of, node, `${of.kind[node]}`),
} satisfies Record<string, Key>;

const MAX_CANDIDATES = 64; // readers of a value among which one in another's place is looked for

class Matcher {
  readonly toB: Int32Array;
  readonly toA: Int32Array;

  constructor(
    private readonly a: Outline,
    private readonly b: Outline,
  ) {
    this.toB = new Int32Array(a.nodes.length).fill(-1);
    this.toA = new Int32Array(b.nodes.length).fill(-1);
  }

  private join(a: number, b: number): void {
    this.toB[a] = b;
    this.toA[b] = a;
  }

  /** Joins those of two lists that share a key: where it is each side's alone, or as often on both sides and `equal`. */
  private pair(ofA: number[], ofB: number[], key: Key, equal: boolean): number[] {
    const buckets = new Map<string, [number[], number[]]>();
    const add = (of: Outline, nodes: number[], side: 0 | 1, known: Int32Array) => {
      for (const node of nodes) {
        const text = known[node]! < 0 ? key(of, node) : null;
        if (text === null) continue;
        const bucket = buckets.get(text) ?? buckets.set(text, [[], []]).get(text)!;
        bucket[side].push(node);
      }
    };
    add(this.a, ofA, 0, this.toB);
    add(this.b, ofB, 1, this.toA);
    const joined: number[] = [];
    for (const [inA, inB] of buckets.values()) {
      if (inA.length !== inB.length || (!equal && inA.length > 1)) continue;
      inA.forEach((node, k) => this.join(node, inB[k]!));
      joined.push(...inA);
    }
    return joined;
  }

  by(key: Key, equal = false): void {
    this.pair(this.a.drawn, this.b.drawn, key, equal);
  }

  /** Joins what reads two values that are the same: at the same input, and of the same name where there is one. */
  private pairReaders(valueA: number, valueB: number, like: "label" | "kind"): number[] {
    const [readA, readB] = [this.a.readers[valueA]!, this.b.readers[valueB]!];
    if (readA.every((node) => this.toB[node]! >= 0) || readB.every((node) => this.toA[node]! >= 0)) return [];
    const place = (of: Outline, node: number) => `${of[like][node]}|${of.nodes[node]!.in.indexOf(of === this.a ? valueA : valueB)}`;
    return [
      ...this.pair(readA, readB, (of, node) => named(of, node, place(of, node)), false),
      ...this.pair(readA, readB, place, true),
    ];
  }

  /** Joins what makes two values that are the same. */
  private pairMakers(valueA: number, valueB: number, like: "label" | "kind"): number[] {
    const [a, b] = [this.a.maker[valueA] ?? -1, this.b.maker[valueB] ?? -1];
    if (a < 0 || b < 0 || this.toB[a]! >= 0 || this.toA[b]! >= 0 || this.a[like][a] !== this.b[like][b]) return [];
    if (this.a.nodes[a]!.out.indexOf(valueA) !== this.b.nodes[b]!.out.indexOf(valueB)) return [];
    this.join(a, b);
    return [a];
  }

  /** From what is known already along the edges, as far as nodes are alike. */
  spread(like: "label" | "kind"): void {
    const queue = this.a.drawn.filter((node) => this.toB[node]! >= 0);
    this.a.inputs.forEach((value, k) => this.b.inputs[k] !== undefined && queue.push(...this.pairReaders(value, this.b.inputs[k], like)));
    this.a.outputs.forEach((value, k) => this.b.outputs[k] !== undefined && queue.push(...this.pairMakers(value, this.b.outputs[k], like)));
    for (let at = 0; at < queue.length; at++) {
      const [from, to] = [this.a.nodes[queue[at]!]!, this.b.nodes[this.toB[queue[at]!]!]!];
      for (let k = 0; k < Math.min(from.in.length, to.in.length); k++)
        if (from.in[k]! >= 0 && to.in[k]! >= 0) queue.push(...this.pairMakers(from.in[k]!, to.in[k]!, like));
      for (let k = 0; k < Math.min(from.out.length, to.out.length); k++)
        if (from.out[k]! >= 0 && to.out[k]! >= 0) queue.push(...this.pairReaders(from.out[k]!, to.out[k]!, like));
    }
  }

  /** The value on the other side that a value of A is: made by the same node, or the same input. */
  private valueInB(value: number): number {
    const maker = this.a.maker[value] ?? -1;
    if (maker < 0) return this.b.inputs[this.a.inputs.indexOf(value)] ?? -1;
    const other = this.toB[maker]!;
    return other < 0 ? -1 : (this.b.nodes[other]!.out[this.a.nodes[maker]!.out.indexOf(value)] ?? -1);
  }

  /** Joins nodes of two operators where one stands in the other's place: it reads the same, and what reads it is the same. */
  replaced(): void {
    for (const a of this.a.drawn) {
      if (this.toB[a]! >= 0) continue;
      const node = this.a.nodes[a]!;
      const slot = node.in.findIndex((value) => value >= 0 && !this.a.isConstant(value));
      const value = slot < 0 ? -1 : this.valueInB(node.in[slot]!);
      const candidates = value < 0 ? [] : this.b.readers[value]!.slice(0, MAX_CANDIDATES).filter((b) => this.toA[b]! < 0 && this.b.nodes[b]!.in[slot] === value);
      const fits = candidates.filter((b) => this.readAlike(a, b));
      if (fits.length === 1) this.join(a, fits[0]!);
    }
  }

  private readAlike(a: number, b: number): boolean {
    const ofB = new Set(this.b.nodes[b]!.out.flatMap((value) => (value < 0 ? [] : this.b.readers[value]!)));
    return this.a.nodes[a]!.out.some((value) => value >= 0 && this.a.readers[value]!.some((reader) => ofB.has(this.toB[reader]!)));
  }
}

/** Matches the nodes of two graphs; those that are not drawn, constants, stay without one. Near-linear in their number. */
export function match(a: Side, b: Side): Matched {
  const numbers = new Map<string, number>();
  const made = new Matcher(new Outline(a, numbers), new Outline(b, numbers));
  made.by(keys.weightsAndName);
  made.by(keys.weights);
  made.by(keys.weightsOfOther);
  made.by(keys.upAndName);
  made.by(keys.downAndName);
  made.by(keys.upAndDown, true);
  made.spread("label");
  made.by(keys.labelAndName);
  made.spread("label");
  made.by(keys.up, true);
  made.by(keys.down, true);
  made.spread("label");
  made.by(keys.kindAndName);
  made.spread("kind");
  made.replaced();
  return { toB: made.toB, toA: made.toA };
}
