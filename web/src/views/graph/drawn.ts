// What is drawn of a graph: its nodes, and its inputs and outputs as nodes of their own; an edge for each value that one of them makes
// and another reads. Weights are no edges, and Constant nodes are not drawn: the inspector lists both.
import type { Node, Value } from "../../api/types";
import { formatDims } from "../../components/format";
import { texts } from "../../texts";
import { familyOf, type Family } from "./families";
import { isDrawn, type Folding, type Group } from "./fold";
import { layOut } from "./layout";
import type { NestedLayout } from "./nested";
import { groupTitle, TITLE_FONT } from "./titles";

export interface Item {
  kind: "node" | "value" | "group";
  /** Number of the node or value; of a group its first node's. */
  i: number;
  group?: Group;
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
  /** -1: not drawn; a node of a folded group has the group's item in `holders`. */
  itemOfNode: Int32Array;
  /** The item that shows a node: its own, or that of the folded group around it. */
  holders: Int32Array;
  /** Groups that are unfolded: the frames of the layout, those around before those inside. */
  boxes: Group[];
  /** Items that stand for values: inputs and outputs. */
  itemsOfValue: Map<number, number[]>;
  widths: Float32Array;
  heights: Float32Array;
  layout: NestedLayout;
}

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

/** Which groups are unfolded; null: the graph is not folded. */
export interface Unfolded {
  folding: Folding;
  open: ReadonlySet<string>;
}

/** The group in whose place one item is drawn for a node, or the innermost unfolded group around it. */
function placeIn(groups: Group[], open: ReadonlySet<string>, node: number): { closed: Group | null; box: Group | null } {
  let box: Group | null = null;
  for (let within = groups; ; ) {
    const found = within.find((group) => group.begin <= node && node < group.end);
    if (!found) return { closed: null, box };
    if (!open.has(found.id)) return { closed: found, box };
    [box, within] = [found, found.inside];
  }
}

class Drawing {
  readonly items: Item[] = [];
  readonly inside: number[] = []; // the box of each item
  readonly boxes: Group[] = [];
  readonly maker: Int32Array; // item that makes a value
  readonly itemOfNode: Int32Array;
  readonly holders: Int32Array;
  readonly itemsOfValue = new Map<number, number[]>();
  readonly edges: number[] = [];
  readonly carried: number[] = [];
  private readonly boxNumbers = new Map<Group, number>();
  private readonly known = new Set<string>();

  constructor(
    private readonly nodes: Node[],
    private readonly values: Value[],
  ) {
    this.maker = new Int32Array(values.length).fill(-1);
    this.itemOfNode = new Int32Array(nodes.length).fill(-1);
    this.holders = new Int32Array(nodes.length).fill(-1);
  }

  private add(item: Item, box: Group | null): number {
    this.inside.push(box === null ? -1 : this.boxNumber(box));
    return this.items.push(item) - 1;
  }

  private boxNumber(group: Group): number {
    const known = this.boxNumbers.get(group);
    if (known !== undefined) return known;
    if (group.outer) this.boxNumber(group.outer);
    this.boxNumbers.set(group, this.boxes.length);
    return this.boxes.push(group) - 1;
  }

  around = (): Int32Array => Int32Array.from(this.boxes, (group) => (group.outer ? this.boxNumber(group.outer) : -1));

  addValue(value: Value): number {
    this.itemsOfValue.set(value.i, [...(this.itemsOfValue.get(value.i) ?? []), this.items.length]);
    return this.add({ kind: "value", i: value.i, title: shorten(value.name), line: shapeOf(value), name: value.name, family: "value", deep: false }, null);
  }

  addNodes(unfolded: Unfolded | null): void {
    const closedItems = new Map<Group, number>();
    for (const node of this.nodes) {
      if (!isDrawn(node)) continue;
      const { closed, box } = unfolded ? placeIn(unfolded.folding.groups, unfolded.open, node.i) : { closed: null, box: null };
      let item = closed ? closedItems.get(closed) : undefined;
      if (closed && item === undefined) {
        item = this.add({ kind: "group", i: closed.begin, group: closed, title: shorten(groupTitle(closed)), line: texts.models.nOperators(closed.n), name: closed.title, family: "group", deep: false }, box);
        closedItems.set(closed, item);
      }
      if (item === undefined) {
        const line = shapeOf(this.values[node.out.find((value) => value >= 0) ?? -1]);
        item = this.add({ kind: "node", i: node.i, title: shorten(node.type), line, name: node.name, family: familyOf(node), deep: node.graphs.length > 0 }, box);
        this.itemOfNode[node.i] = item;
      }
      this.holders[node.i] = item;
      for (const value of node.out) if (value >= 0) this.maker[value] = item;
    }
  }

  connect(value: number, to: number): void {
    const from = this.maker[value] ?? -1;
    const key = `${to},${value}`;
    if (from < 0 || from === to || this.known.has(key)) return;
    this.known.add(key);
    this.edges.push(from, to);
    this.carried.push(value);
  }
}


export async function draw(nodes: Node[], values: Value[], unfolded: Unfolded | null = null): Promise<Drawn> {
  const made = new Drawing(nodes, values);
  for (const value of values) if (value.role === "input" || value.role === "capture") made.maker[value.i] = made.addValue(value);
  made.addNodes(unfolded);
  for (const node of nodes) {
    const item = made.holders[node.i]!;
    if (item >= 0) for (const value of node.in) if (value >= 0) made.connect(value, item);
  }
  for (const value of values) if (value.role === "output") made.connect(value.i, made.addValue(value));

  const measure = measurer();
  const { items, itemOfNode, holders, itemsOfValue, boxes } = made;
  const widths = Float32Array.from(items, (item) => Math.max(64, Math.ceil(Math.max(measure(TITLE_FONT, item.title), measure(LINE_FONT, item.line)) + 26)));
  const heights = Float32Array.from(items, (item) => (item.line === "" ? VALUE_HEIGHT : NODE_HEIGHT));
  const [edges, carried] = [Uint32Array.from(made.edges), Uint32Array.from(made.carried)];
  const layout = await layOut({ widths, heights, edges, values: carried, inside: Int32Array.from(made.inside), around: made.around() });
  return { items, edges, values: carried, itemOfNode, holders, itemsOfValue, boxes, widths, heights, layout };
}
