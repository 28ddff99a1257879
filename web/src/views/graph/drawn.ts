// What is drawn of a graph: its nodes, and its inputs and outputs as nodes of their own; an edge for each value that one of them makes
// and another reads. Weights are no edges, and Constant nodes are not drawn: the inspector lists both.
import type { Node, Value } from "../../api/types";
import { formatDims } from "../../components/format";
import { familyOf, type Family } from "./families";
import { layOut } from "./layout";
import type { Layout } from "./layered";

export interface Item {
  kind: "node" | "value";
  /** Number of the node or value. */
  i: number;
  title: string;
  /** Second line. */
  line: string;
  name: string;
  family: Family;
  /** Has graphs inside. */
  deep: boolean;
}

export interface Drawn {
  items: Item[];
  /** Item from, item to, in turn; and the value that each edge carries. */
  edges: Uint32Array;
  values: Uint32Array;
  itemOfNode: Int32Array;
  /** Items that stand for values: inputs and outputs. */
  itemsOfValue: Map<number, number[]>;
  widths: Float32Array;
  heights: Float32Array;
  layout: Layout;
}

export const FONT = '12px "DejaVu Sans", sans-serif';
export const TITLE_FONT = `600 ${FONT}`;
export const LINE_FONT = '11px "DejaVu Sans Mono", monospace';
const NODE_HEIGHT = 40;
const VALUE_HEIGHT = 26;
const MAX_TEXT = 28;
const MAX_DIM = 7;

const shorten = (text: string) => (text.length > MAX_TEXT ? `…${text.slice(1 - MAX_TEXT)}` : text);

/** Widths of texts, each measured once. */
function measurer(): (font: string, text: string) => number {
  const context = document.createElement("canvas").getContext("2d");
  const known = new Map<string, number>();
  return (font, text) => {
    const key = font + text;
    let width = known.get(key);
    if (width === undefined && context) {
      context.font = font;
      known.set(key, (width = context.measureText(text).width));
    }
    return width ?? 0;
  };
}

/** Dims, of which long expressions are cut: the inspector shows them in full. */
function shapeOf(value: Value | undefined): string {
  const dims = value?.dims.map((dim) => (typeof dim === "string" && dim.length > MAX_DIM ? `${dim.slice(0, MAX_DIM - 1)}…` : dim));
  return value && dims ? shorten(formatDims(dims, value.ranked)) : "";
}

export async function draw(nodes: Node[], values: Value[]): Promise<Drawn> {
  const items: Item[] = [];
  const maker = new Int32Array(values.length).fill(-1); // item that makes a value
  const itemOfNode = new Int32Array(nodes.length).fill(-1);
  const itemsOfValue = new Map<number, number[]>();
  const addValue = (value: Value) => {
    itemsOfValue.set(value.i, [...(itemsOfValue.get(value.i) ?? []), items.length]);
    items.push({ kind: "value", i: value.i, title: shorten(value.name), line: shapeOf(value), name: value.name, family: "value", deep: false });
    return items.length - 1;
  };
  for (const value of values) if (value.role === "input" || value.role === "capture") maker[value.i] = addValue(value);
  for (const node of nodes) {
    if (node.type === "Constant" && node.in.length === 0) continue;
    itemOfNode[node.i] = items.length;
    for (const value of node.out) if (value >= 0) maker[value] = items.length;
    const line = shapeOf(values[node.out.find((value) => value >= 0) ?? -1]);
    items.push({ kind: "node", i: node.i, title: shorten(node.type), line, name: node.name, family: familyOf(node), deep: node.graphs.length > 0 });
  }
  const edges: number[] = [];
  const carried: number[] = [];
  const connect = (value: number, to: number) => {
    const from = maker[value] ?? -1;
    if (from < 0 || from === to) return;
    edges.push(from, to);
    carried.push(value);
  };
  for (const node of nodes) {
    const item = itemOfNode[node.i]!;
    if (item >= 0) for (const value of new Set(node.in)) if (value >= 0) connect(value, item);
  }
  for (const value of values) if (value.role === "output") connect(value.i, addValue(value));

  const measure = measurer();
  const widths = Float32Array.from(items, (item) => Math.max(64, Math.ceil(Math.max(measure(TITLE_FONT, item.title), measure(LINE_FONT, item.line)) + 26)));
  const heights = Float32Array.from(items, (item) => (item.line === "" ? VALUE_HEIGHT : NODE_HEIGHT));
  const drawn = { items, edges: Uint32Array.from(edges), values: Uint32Array.from(carried), itemOfNode, itemsOfValue, widths, heights };
  return { ...drawn, layout: await layOut({ widths, heights, edges: drawn.edges }) };
}
