// Layout level by level: what is inside a box is laid out by itself, and the box stands in the layout around it like one node. An edge
// that crosses borders is a piece in each level, joined at the borders.
import { layered, type Layout, type LayoutInput } from "./layered";

export interface NestedInput extends LayoutInput {
  /** The value that each edge carries: those of one value cross a border as one. */
  values: Uint32Array;
  /** The box of each item, and of each box the one around it, which comes before it; -1: none. */
  inside: Int32Array;
  around: Int32Array;
}

export interface NestedLayout extends Layout {
  /** Left, top, right and bottom of each box. */
  boxes: Float32Array;
}

const PAD = 14;
export const BOX_TITLE = 26;
const PORT = 10; // between edges that cross a border

/** What is laid out together: items, boxes (numbers after those of items), and what enters and leaves. */
class Level {
  readonly members: number[] = [];
  readonly place = new Map<number, number>();
  readonly edges: number[] = [];
  private readonly known = new Map<string, number>();
  enters = 0;
  leaves = 0;
  made: Layout | null = null;
  x = 0;
  y = 0;
  rank = 0;

  add(member: number): void {
    this.place.set(member, this.members.length);
    this.members.push(member);
  }

  /** The number of an edge between members, the entry (-1) or the exit (-2), each value once. */
  connect(from: number, to: number, value: number): number {
    const key = `${from},${to},${value}`;
    let edge = this.known.get(key);
    if (edge === undefined) {
      this.known.set(key, (edge = this.known.size));
      this.edges.push(from, to);
      if (from === -1) this.enters++;
      if (to === -2) this.leaves++;
    }
    return edge;
  }

  layOut(width: (member: number) => number, height: (member: number) => number): Layout {
    const first = this.enters > 0 ? 1 : 0;
    const last = this.leaves > 0 ? 1 : 0;
    const n = this.members.length + first + last;
    const [widths, heights] = [new Float32Array(n), new Float32Array(n)];
    this.members.forEach((member, k) => {
      widths[k + first] = width(member);
      heights[k + first] = height(member);
    });
    if (first) widths[0] = 12 + PORT * this.enters;
    if (last) widths[n - 1] = 12 + PORT * this.leaves;
    const edges = Uint32Array.from(this.edges, (member) => (member === -1 ? 0 : member === -2 ? n - 1 : this.place.get(member)! + first));
    return (this.made = layered({ widths, heights, edges }));
  }

  at(member: number): number {
    return this.place.get(member)! + (this.enters > 0 ? 1 : 0);
  }
}

type Piece = [level: Level, edge: number];

/** The pieces of an edge: out of the boxes of its maker, across, into those of its reader. */
function piecesOf(from: number, to: number, value: number, levelOf: (box: number) => Level, outer: (member: number) => number, nItems: number): Piece[] {
  const chain = (item: number): number[] => {
    const boxes = [];
    for (let box = outer(item); box >= 0; box = outer(nItems + box)) boxes.unshift(box);
    return boxes;
  };
  const [a, b] = [chain(from), chain(to)];
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared++;
  const pieces: Piece[] = [];
  const piece = (box: number, x: number, y: number) => pieces.push([levelOf(box), levelOf(box).connect(x, y, value)]);
  let at = from;
  for (let k = a.length - 1; k >= shared; k--) {
    piece(a[k]!, at, -2);
    at = nItems + a[k]!;
  }
  piece(a[shared - 1] ?? -1, at, b.length > shared ? nItems + b[shared]! : to);
  for (let k = shared; k < b.length; k++) piece(b[k]!, -1, k + 1 < b.length ? nItems + b[k + 1]! : to);
  return pieces;
}

export function nested(input: NestedInput): NestedLayout {
  const { widths, heights, edges, values, inside, around } = input;
  const [nItems, nBoxes, m] = [widths.length, around.length, values.length];
  if (nBoxes === 0) return { ...layered(input), boxes: new Float32Array(0) };
  const levels = Array.from({ length: nBoxes + 1 }, () => new Level()); // the last one is outside all boxes
  const levelOf = (box: number) => levels[box < 0 ? nBoxes : box]!;
  const outer = (member: number) => (member < nItems ? inside[member]! : around[member - nItems]!);
  for (let i = 0; i < nItems; i++) {
    levelOf(inside[i]!).add(i);
    for (let box = inside[i]!; box >= 0 && !levelOf(around[box]!).place.has(nItems + box); box = around[box]!) levelOf(around[box]!).add(nItems + box);
  }
  const pieces = Array.from({ length: m }, (_, e) => piecesOf(edges[2 * e]!, edges[2 * e + 1]!, values[e]!, levelOf, outer, nItems));
  const width = (member: number): number => (member < nItems ? widths[member]! : Math.max(levels[member - nItems]!.made!.width, 120) + 2 * PAD);
  const height = (member: number): number => (member < nItems ? heights[member]! : levels[member - nItems]!.made!.height + BOX_TITLE + 2 * PAD);
  for (let box = nBoxes - 1; box >= -1; box--) levelOf(box).layOut(width, height);

  const boxes = new Float32Array(4 * nBoxes);
  const [x, y, rank] = [new Float32Array(nItems), new Float32Array(nItems), new Int32Array(nItems)];
  let ranks = 0;
  for (let box = -1; box < nBoxes; box++) {
    const level = levelOf(box);
    const made = level.made!;
    level.rank = ranks;
    ranks += made.rank.reduce((most, r) => Math.max(most, r + 1), 0);
    for (const member of level.members) {
      const k = level.at(member);
      const [cx, cy] = [level.x + made.x[k]!, level.y + made.y[k]!];
      if (member < nItems) [x[member], y[member], rank[member]] = [cx, cy, level.rank + made.rank[k]!];
      else {
        const [w, h, inner] = [width(member), height(member), levels[member - nItems]!];
        boxes.set([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 4 * (member - nItems));
        [inner.x, inner.y] = [cx - inner.made!.width / 2, cy - h / 2 + BOX_TITLE + PAD];
      }
    }
  }
  const points: number[] = [];
  const [starts, stub] = [new Uint32Array(m + 1), new Uint8Array(m)];
  pieces.forEach((list, e) => {
    starts[e] = points.length;
    for (const [{ made, x: left, y: top }, edge] of list) {
      stub[e] ||= made!.stub[edge]!;
      for (let k = made!.starts[edge]!; k < made!.starts[edge + 1]!; k += 2) points.push(left + made!.points[k]!, top + made!.points[k + 1]!);
    }
    if (stub[e]) points.splice(starts[e]! + 2, points.length - starts[e]! - 4);
  });
  starts[m] = points.length;
  const root = levelOf(-1).made!;
  return { width: root.width, height: root.height, x, y, rank, points: Float32Array.from(points), starts, stub, boxes };
}
