// Where the nodes of a job stand: columns from left to right by longest path, the body of a loop in its frame. The layout of graphs
// of operators knows no places of ports, which tell here what an edge means.
import type { Job } from "../../api/types";
import { entryOf, homeOf, inputRows, isLoop, membersOf, OUTSIDE, portOf, rowsIn, rowsOut, type Exit, type Row } from "./rows";

export const [TITLE, ROW, CALL] = [28, 19, 26]; // heights
const [LETTER, PAD, GAP, LANE] = [6.7, 14, 22, 7];
const COLUMN_GAP = 64; // between columns, in which edges bend

export interface Box {
  /** Number of the node; null: the job's inputs or outputs. */
  node: number | null;
  side: "node" | "loop" | "inputs" | "outputs";
  x: number;
  y: number;
  width: number;
  height: number;
  /** Of a loop: widths of its rows. */
  left: number;
  right: number;
  rowsIn: Row[];
  rowsOut: Exit[];
}

export interface Edge {
  type: string;
  path: string;
  /** Numbers of the boxes at its ends. */
  ends: [number, number];
}

export interface Arranged {
  width: number;
  height: number;
  boxes: Box[];
  edges: Edge[];
}

type Point = [number, number];

/** One that takes part in a column: a box, or edges that pass. Its place is that within its list of nodes. */
interface Item {
  box: number | null;
  width: number;
  height: number;
  x: number;
  y: number;
  /** Where it stands in its column, from 0 to 1. */
  order: number;
  /** Left and right of its column: edges bend between columns alone. */
  column: Point;
}

/** From a value to port k of a node, or of the box at the end of the list (null), past the columns in between. */
interface Join {
  from: NonNullable<Row["from"]>;
  type: string;
  to: number | null;
  k: number;
  lane: Item[];
  /** Where in the lane. */
  at: number;
}

/** The nodes of a body, or of the outermost list, laid out. */
interface Block {
  width: number;
  height: number;
  items: Map<number, Item>;
  joins: Join[];
}

/** What a row says behind its name: the literal that it is given, or its type. */
export function rowNote(type: string, from: Row["from"]): string {
  const text = from !== null && "literal" in from ? `= ${JSON.stringify(from.literal)}` : type;
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

const textWidth = (rows: Row[]): number => PAD + rows.reduce((most, { name, type, from }) => Math.max(most, LETTER * (name.length + 2 + rowNote(type, from).length)), 0);
const newItem = (box: number | null, width: number, height: number): Item => ({ box, width, height, x: 0, y: 0, order: 0.5, column: [0, 0] });

class Arrangement {
  private readonly boxes: Box[] = [];
  private readonly edges: Edge[] = [];
  private readonly blocks = new Map<number, Block>();
  private readonly boxOf = new Map<number, number>();

  constructor(private readonly job: Job) {}

  private add(box: Omit<Box, "x" | "y">): number {
    if (box.node !== null) this.boxOf.set(box.node, this.boxes.length);
    return this.boxes.push({ ...box, x: 0, y: 0 }) - 1;
  }

  /** The box of a node, and of all in its body. */
  private measure(i: number): Box {
    const node = this.job.nodes[i]!;
    const [ins, outs] = [rowsIn(this.job, i), rowsOut(this.job, i)];
    const [left, right] = [textWidth(ins), textWidth(outs)];
    const box = { node: i, left, right, rowsIn: ins, rowsOut: outs };
    if (isLoop(node)) {
      const made = this.boxes[this.add({ ...box, side: "loop", width: 0, height: 0 })]!;
      const body = this.block(i, outs);
      made.width = left + body.width + right;
      made.height = TITLE + Math.max(body.height, ROW * ins.length, ROW * outs.length) + PAD;
      return made;
    }
    const title = LETTER * (node.name.length + node.op.length + 4);
    const calls = node.calls.reduce((most, { as, call }) => Math.max(most, LETTER * (as.length + call.length + 8)), 0);
    const width = Math.max(left + right + PAD, title + 2 * PAD, calls + 2 * PAD, 130);
    const height = TITLE + CALL * node.calls.length + ROW * Math.max(ins.length, outs.length) + PAD / 2;
    return this.boxes[this.add({ ...box, side: "node", width, height })]!;
  }

  /** The node of this list that makes a value; null: it enters the list. */
  private maker(loop: number, from: Row["from"]): number | null {
    return from !== null && "node" in from && homeOf(this.job, from) === loop ? from.node : null;
  }

  /** Lays out a list of nodes between what enters at the left and what leaves at the right. */
  private block(loop: number, exits: Row[]): Block {
    const members = membersOf(this.job, loop);
    const columnOf = new Map<number, number>();
    const after = (from: Row["from"]): number => 1 + (columnOf.get(this.maker(loop, from) ?? -1) ?? -1);
    for (const i of members) columnOf.set(i, Math.max(0, ...rowsIn(this.job, i).map(({ from }) => after(from)))); // makers come before readers
    const columns: Item[][] = Array.from({ length: 1 + Math.max(...columnOf.values()) }, () => []);
    const items = new Map<number, Item>();
    for (const i of members) {
      const { width, height } = this.measure(i);
      const item = newItem(this.boxOf.get(i)!, width, height);
      items.set(i, item);
      columns[columnOf.get(i)!]!.push(item);
    }
    // an edge over several columns passes between the nodes of those in between; edges with the same ends pass together
    const lanes = new Map<string, Item[]>();
    const joins: Join[] = [];
    const join = ({ from }: Row, k: number, to: number | null) => {
      if (from === null || "literal" in from) return;
      const [first, last] = [after(from), to === null ? columns.length : columnOf.get(to)!];
      const key = `${this.maker(loop, from)},${to}`;
      const lane = lanes.get(key) ?? Array.from({ length: last - first }, () => newItem(null, 0, 0));
      if (!lanes.has(key)) lane.forEach((item, d) => columns[first + d]!.push(item));
      lanes.set(key, lane);
      joins.push({ from, type: portOf(this.job, from)!.type, to, k, lane, at: (lane[0]?.height ?? 0) + LANE / 2 });
      for (const item of lane) item.height += LANE;
    };
    for (const i of members) rowsIn(this.job, i).forEach((row, k) => join(row, k, i));
    exits.forEach((row, k) => join(row, k, null));
    const path = ({ from, to, lane }: Join) => [items.get(this.maker(loop, from) ?? -1), ...lane, items.get(to ?? -1)].filter((item) => item !== undefined);
    sortColumns(columns, joins.map(path));
    const made = { ...placeColumns(columns), items, joins };
    this.blocks.set(loop, made);
    return made;
  }

  /** Where the edge begins or ends that joins port k of a box, at its right or left; of a loop's frame, inside of it. */
  private port(box: Box, k: number, right: boolean, inside: boolean): Point {
    const calls = box.node === null ? 0 : this.job.nodes[box.node]!.calls.length;
    const x = right ? box.width - (inside ? box.right : 0) : inside ? box.left : 0;
    return [box.x + x, box.y + TITLE + CALL * calls + ROW * (k + 0.5)];
  }

  /** Puts the nodes of a list where they stand in the picture, and draws the edges between them. */
  private place(loop: number, x: number, y: number, before: number, behind: number): void {
    const { items, joins } = this.blocks.get(loop)!;
    for (const [i, item] of items) {
      const box = this.boxes[item.box!]!;
      [box.x, box.y] = [x + item.x, y + item.y];
      if (box.side === "loop") this.place(i, box.x + box.left, box.y + TITLE, item.box!, item.box!);
    }
    const [start, end] = [this.boxes[before]!, this.boxes[behind]!];
    const inside = loop !== OUTSIDE;
    for (const { from, type, to, k, lane, at } of joins) {
      const node = this.maker(loop, from);
      const makes = node === null ? before : this.boxOf.get(node)!;
      const reads = to === null ? behind : this.boxOf.get(to)!;
      const begin = node === null ? this.port(start, entryOf(this.job, loop, from, start.rowsIn), !inside, inside) : this.port(this.boxes[makes]!, "port" in from ? from.port : 0, true, false);
      const stop = to === null ? this.port(end, k, inside, inside) : this.port(this.boxes[reads]!, k, false, false);
      const columns = [...lane, items.get(to ?? -1)].filter((item) => item !== undefined);
      const made = items.get(node ?? -1);
      const through: Point[] = made ? [[x + made.column[1], begin[1]]] : [];
      for (const item of columns) {
        const level = item.box === null ? y + item.y + at : stop[1];
        through.push([x + item.column[0], level]);
        if (item.box === null) through.push([x + item.column[1], level]);
      }
      this.edges.push({ type, path: curve([begin, ...through, stop]), ends: [makes, reads] });
    }
  }

  /** A box of the job's own inputs or outputs. */
  private ends(side: "inputs" | "outputs", rows: Row[]): number {
    const width = Math.max(textWidth(rows) + PAD, 110);
    const given = rows.map((row) => ({ ...row, given: true }));
    return this.add({ node: null, side, width, height: TITLE + ROW * rows.length + PAD / 2, left: width, right: width, rowsIn: side === "outputs" ? rows : [], rowsOut: side === "inputs" ? given : [] });
  }

  run(): Arranged {
    const [from, to] = [this.ends("inputs", inputRows(this.job.inputs)), this.ends("outputs", this.job.outputs)];
    const [inputs, outputs] = [this.boxes[from]!, this.boxes[to]!];
    const body = this.block(OUTSIDE, this.job.outputs);
    const height = Math.max(inputs.height, outputs.height, body.height);
    inputs.y = (height - inputs.height) / 2;
    [outputs.x, outputs.y] = [inputs.width + body.width, (height - outputs.height) / 2];
    this.place(OUTSIDE, inputs.width, (height - body.height) / 2, from, to);
    return { width: outputs.x + outputs.width, height, boxes: this.boxes, edges: this.edges };
  }
}

/** By the mean of what each is joined to at the left, so that few edges cross. `paths`: what edges pass, from left to right. */
function sortColumns(columns: Item[][], paths: Item[][]): void {
  for (const list of columns) {
    const before = new Map<Item, number[]>();
    for (const path of paths)
      path.forEach((item, d) => {
        if (d > 0) before.set(item, [...(before.get(item) ?? []), path[d - 1]!.order]);
      });
    const mean = (item: Item): number => {
      const orders = before.get(item) ?? [];
      return orders.length === 0 ? 0.5 : orders.reduce((sum, order) => sum + order, 0) / orders.length;
    };
    const means = new Map(list.map((item) => [item, mean(item)]));
    list.sort((a, b) => means.get(a)! - means.get(b)!);
    list.forEach((item, k) => (item.order = (k + 0.5) / list.length));
  }
}

function placeColumns(columns: Item[][]): { width: number; height: number } {
  const heights = columns.map((list) => list.reduce((sum, { height }) => sum + height + GAP, GAP));
  const height = Math.max(...heights);
  let x = COLUMN_GAP;
  columns.forEach((list, c) => {
    const width = list.reduce((most, item) => Math.max(most, item.width), 0);
    let y = (height - heights[c]!) / 2 + GAP;
    for (const item of list) {
      [item.x, item.y] = [x + (width - item.width) / 2, y];
      item.column = [x, x + width];
      y += item.height + GAP;
    }
    x += width + COLUMN_GAP;
  });
  return { width: x, height };
}

function curve(points: Point[]): string {
  let path = `M${points[0]![0]} ${points[0]![1]}`;
  for (let k = 1; k < points.length; k++) {
    const [[x0, y0], [x1, y1]] = [points[k - 1]!, points[k]!];
    const bend = Math.max((x1 - x0) / 2, 12);
    path += y0 === y1 ? `H${x1}` : `C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`;
  }
  return path;
}

export const arrange = (job: Job): Arranged => new Arrangement(job).run();
