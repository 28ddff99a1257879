// A graph as matching sees it: what each node is, what stands above it and what below, as numbers that two graphs share.
import type { Attribute, Node, Value } from "../../api/types";
import { isDrawn } from "../graph/fold";

/** One of the two graphs; nodes come with their attributes. */
export interface Side {
  nodes: Node[];
  values: Value[];
}

export const isConstantRole = ({ role }: Value): boolean => role === "initializer" || role === "constant";

/** Graphs inside are compared by themselves. */
export const holdsGraph = ({ kind }: Attribute): boolean => kind === "graph" || kind === "graphs";

/** What an attribute is, as text: long lists are there as the server writes them. */
export const written = ({ text, value }: Attribute): string => (value === undefined ? text : JSON.stringify(value));

export const shapeText = ({ dtype, dims, ranked }: Value): string => `${dtype} ${ranked ? `[${dims.map((dim) => dim ?? "?").join(", ")}]` : "?"}`;

export class Outline {
  readonly nodes: Node[];
  readonly values: Value[];
  readonly drawn: number[];
  /** The node that makes a value; -1: an input, a constant or nothing does. */
  readonly maker: Int32Array;
  /** The nodes that read a value, each once. */
  readonly readers: number[][];
  readonly inputs: number[];
  readonly outputs: number[];
  /** Operator; and with attributes and the shapes of constants. */
  readonly kind: Int32Array;
  readonly label: Int32Array;
  /** Names of the weights that a node reads, "" where they have none. */
  readonly weights: string[];
  /** All that a node depends on, and all that depends on it. */
  readonly up: Int32Array;
  readonly down: Int32Array;

  constructor(
    { nodes, values }: Side,
    private readonly numbers: Map<string, number>,
  ) {
    [this.nodes, this.values] = [nodes, values];
    this.drawn = nodes.filter(isDrawn).map(({ i }) => i);
    this.maker = new Int32Array(values.length).fill(-1);
    this.readers = values.map(() => []);
    for (const i of this.drawn) {
      for (const value of nodes[i]!.out) if (value >= 0) this.maker[value] = i;
      for (const value of new Set(nodes[i]!.in)) if (value >= 0) this.readers[value]!.push(i);
    }
    this.inputs = values.filter(({ role }) => role === "input" || role === "capture").map(({ i }) => i);
    this.outputs = values.filter(({ role }) => role === "output").map(({ i }) => i);
    this.kind = Int32Array.from(nodes, ({ domain, type }) => this.number(`${domain}:${type}`));
    this.label = Int32Array.from(nodes, (node) => this.number(this.labelOf(node)));
    this.weights = nodes.map((node) => node.in.map((value) => (values[value]?.role === "initializer" ? values[value].name : "")).filter((name) => name !== "").join("|"));
    this.up = this.above();
    this.down = this.below();
  }

  name = (node: number): string => this.nodes[node]!.name;

  /** Whether a value is there without a run. */
  isConstant(value: number): boolean {
    return isConstantRole(this.values[value]!) || (this.maker[value]! < 0 && this.values[value]!.producer >= 0);
  }

  private number(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.numbers.set(text, this.numbers.size);
    return this.numbers.size - 1;
  }

  private labelOf({ domain, type, attributes = [], in: reads, out }: Node): string {
    const made = attributes.map((attribute) => `${attribute.name}=${holdsGraph(attribute) ? "" : written(attribute)}`).sort();
    const slots = reads.map((value) => (value < 0 ? "-" : this.isConstant(value) ? shapeText(this.values[value]!) : "*"));
    return JSON.stringify([domain, type, made, slots, out.length]);
  }

  private above(): Int32Array {
    const up = new Int32Array(this.nodes.length).fill(-1);
    const place = new Map(this.inputs.map((value, k) => [value, k]));
    for (const i of this.drawn) {
      const from = this.nodes[i]!.in.map((value) => {
        const maker = value < 0 ? -1 : this.maker[value]!;
        return maker >= 0 ? `${up[maker]}.${this.nodes[maker]!.out.indexOf(value)}` : `i${place.get(value) ?? ""}`;
      });
      up[i] = this.number(`u${this.label[i]}(${from.join()})`);
    }
    return up;
  }

  private below(): Int32Array {
    const down = new Int32Array(this.nodes.length).fill(-1);
    const place = new Map(this.outputs.map((value, k) => [value, k]));
    for (const i of [...this.drawn].reverse()) {
      const to = this.nodes[i]!.out.map((value) => {
        if (value < 0) return "-";
        const readers = this.readers[value]!.map((reader) => `${down[reader]}.${this.nodes[reader]!.in.indexOf(value)}`).sort();
        return `${place.get(value) ?? ""}:${readers.join()}`;
      });
      down[i] = this.number(`d${this.label[i]}(${to.join(";")})`);
    }
    return down;
  }
}
