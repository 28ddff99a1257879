// A graph in groups: scopes of names, functions, and blocks that repeat. A group is a stretch of the nodes in their order, so what is
// folded has no cycles, whatever the names say.
import type { Node } from "../../api/types";

export interface Group {
  /** The same whenever this graph is opened: its stretch of nodes. */
  id: string;
  kind: "scope" | "repeat" | "block";
  title: string;
  /** Numbers of nodes: from begin to end, end not counted. */
  begin: number;
  end: number;
  /** Nodes that are drawn, and for a repeat how many blocks it has. */
  n: number;
  blocks: number;
  outer: Group | null;
  inside: Group[];
}

export interface Folding {
  groups: Group[]; // the outermost
  byId: Map<string, Group>;
}

/** A node, or a group of them, in the order of the graph. */
interface Element {
  begin: number; // place among the nodes that are drawn
  end: number;
  sign: number; // the same for what is built alike
  group: Draft | null;
}

interface Draft {
  kind: Group["kind"];
  title: string;
  blocks: number;
  elements: Element[];
}

export const isDrawn = (node: Node): boolean => node.type !== "Constant" || node.in.length > 0;

const MAX_PERIOD = 4000; // elements of a block
const LEAST_BLOCK = 3; // nodes; smaller ones are not worth a frame
const LEAST_HIDDEN = 6; // nodes that a repeat must save
const MAX_DEPTH = 32;

/** The scopes around each node by its name; what has no name is where both its neighbours are. */
function pathsOf(nodes: Node[]): string[][] {
  const mark = nodes.some((node) => node.name.includes("/")) ? "/" : ".";
  const paths = nodes.map(({ name, function: of }) => {
    if (name === "") return of === null ? null : [of];
    const scopes = name.split(mark).filter((part) => part !== "").slice(0, -1).slice(0, MAX_DEPTH);
    return of === null ? scopes : [...scopes, of];
  });
  const after: (string[] | null)[] = new Array(nodes.length).fill(null);
  for (let k = nodes.length - 2; k >= 0; k--) after[k] = paths[k + 1] ?? after[k + 1]!;
  let before: string[] | null = null;
  return paths.map((path, k) => {
    if (path !== null) return (before = path);
    const [a, b]: string[][] = [before ?? [], after[k] ?? []];
    let shared = 0;
    while (shared < a!.length && a![shared] === b![shared]) shared++;
    return a!.slice(0, shared);
  });
}

/** How many values cross from before place k to k and what follows. */
function cutsOf(nodes: Node[]): Int32Array {
  const made = new Map<number, number>();
  const last = new Map<number, number>();
  nodes.forEach((node, k) => {
    for (const value of node.in) if (made.has(value)) last.set(value, k);
    for (const value of node.out) made.set(value, k);
  });
  const cuts = new Int32Array(nodes.length + 1);
  for (const [value, end] of last) {
    cuts[made.get(value)! + 1]!++;
    cuts[end + 1]!--;
  }
  for (let k = 1; k <= nodes.length; k++) cuts[k]! += cuts[k - 1]!;
  return cuts;
}

/** "layers.0" and "layers.31" are "layers". */
function sharedTitle(a: string, b: string): string {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return a.slice(0, n).replace(/[\s._\-0-9]+$/, "");
}

class Folder {
  private readonly signs = new Map<string, number>();
  private readonly cuts: Int32Array;
  private readonly paths: string[][];

  constructor(
    private readonly nodes: Node[],
    private readonly blockTitle: string,
  ) {
    this.cuts = cutsOf(nodes);
    this.paths = pathsOf(nodes);
  }

  private sign(text: string): number {
    let sign = this.signs.get(text);
    if (sign === undefined) this.signs.set(text, (sign = this.signs.size));
    return sign;
  }

  private grouped(kind: Group["kind"], title: string, elements: Element[], blocks = 1): Element {
    const sign = this.sign(`(${elements.map((element) => element.sign).join()})`);
    return { begin: elements[0]!.begin, end: elements.at(-1)!.end, sign, group: { kind, title, blocks, elements } };
  }

  private node(k: number): Element {
    const { domain, type, in: reads, out } = this.nodes[k]!;
    return { begin: k, end: k + 1, sign: this.sign(`${domain}:${type}:${reads.length}:${out.length}`), group: null };
  }

  /** The elements of a stretch, with the scopes from a depth on as groups. */
  scopes(from: number, to: number, depth = 0): Element[] {
    const elements: Element[] = [];
    for (let k = from; k < to; ) {
      const name = this.paths[k]![depth];
      let end = k + 1;
      if (name !== undefined) while (end < to && this.paths[end]![depth] === name) end++;
      if (name === undefined) elements.push(this.node(k));
      else if (end - k < LEAST_BLOCK || (k === from && end === to)) elements.push(...this.scopes(k, end, depth + 1));
      else elements.push(this.grouped("scope", name, this.repeats(this.scopes(k, end, depth + 1))));
      k = end;
    }
    return elements;
  }

  /** The stretch of equal blocks that saves most; null where nothing repeats. */
  private longest(elements: Element[]): { at: number; period: number; total: number } | null {
    const n = elements.length;
    const signs = Int32Array.from(elements, (element) => element.sign);
    let best: { at: number; period: number; total: number } | null = null;
    let most = LEAST_HIDDEN - 1;
    const weigh = (at: number, period: number, total: number) => {
      const begin = (i: number) => elements[i]!.begin;
      const block = elements[at + period - 1]!.end - begin(at);
      const saved = block * (Math.floor(total / period) - 1);
      if (block < LEAST_BLOCK || saved <= most) return;
      most = saved;
      best = { at, period, total };
    };
    for (let period = 1; period <= Math.min(n >> 1, MAX_PERIOD); period++) {
      let run = 0;
      for (let i = 0; i + period <= n; i++) {
        if (i + period < n && signs[i] === signs[i + period]) run++;
        else {
          if (run >= period) weigh(i - run, period, run + period);
          run = 0;
        }
      }
    }
    return best;
  }

  /** Where a block is best begun: between few values, and then with as many blocks as there are. */
  private phase(elements: Element[], { at, period, total }: { at: number; period: number; total: number }): number {
    let [best, fewest, most] = [0, Infinity, 0];
    for (let offset = 0; offset < period; offset++) {
      const blocks = Math.floor((total - offset) / period);
      const cut = this.cuts[elements[at + offset + period]?.begin ?? this.nodes.length]!;
      if (blocks >= 2 && (cut < fewest || (cut === fewest && blocks > most))) [best, fewest, most] = [offset, cut, blocks];
    }
    return best;
  }

  repeats(elements: Element[]): Element[] {
    const found = this.longest(elements);
    if (!found) return elements;
    const offset = this.phase(elements, found);
    const { period } = found;
    const at = found.at + offset;
    const blocks = Math.floor((found.total - offset) / period);
    const end = at + blocks * period;
    const all: Element[] = [];
    for (let k = 0; k < blocks; k++) {
      const slice = elements.slice(at + k * period, at + (k + 1) * period);
      const alone = slice.length === 1 && slice[0]!.group !== null;
      all.push(alone ? slice[0]! : this.grouped("block", `${this.blockTitle} ${k}`, this.repeats(slice)));
    }
    const title = sharedTitle(all[0]!.group!.title, all.at(-1)!.group!.title) || this.blockTitle;
    return [...this.repeats(elements.slice(0, at)), this.grouped("repeat", title, all, blocks), ...this.repeats(elements.slice(end))];
  }
}

/** `blockTitle`: what a repeated block is called that no name tells apart. */
export function fold(nodes: Node[], blockTitle: string): Folding {
  const drawn = nodes.filter(isDrawn);
  const folder = new Folder(drawn, blockTitle);
  const byId = new Map<string, Group>();
  const groupsOf = (elements: Element[], outer: Group | null): Group[] =>
    elements.flatMap(({ begin, end, group }) => {
      if (!group) return [];
      const [first, last] = [drawn[begin]!.i, drawn[end - 1]!.i + 1];
      const { kind, title, blocks } = group;
      let id = `${first}-${last}`;
      while (byId.has(id)) id += "-"; // a group of one group has the same stretch
      const made: Group = { id, kind, title, begin: first, end: last, n: end - begin, blocks, outer, inside: [] };
      byId.set(id, made);
      made.inside = groupsOf(group.elements, made);
      return [made];
    });
  return { groups: groupsOf(folder.repeats(folder.scopes(0, drawn.length)), null), byId };
}

/** The groups around a node, the outermost first. */
export function groupsAround(groups: Group[], node: number): Group[] {
  const found = groups.find((group) => group.begin <= node && node < group.end);
  return found ? [found, ...groupsAround(found.inside, node)] : [];
}

const FIRST_SHOWN = 80;

/** What is unfolded at first: the outer scopes, as long as they leave room; repeats stay closed. */
export function openAtFirst({ groups }: Folding, n: number): string[] {
  const open: string[] = [];
  let shown = n - groups.reduce((sum, group) => sum + group.n - 1, 0);
  const queue = groups.slice();
  for (let group = queue.shift(); group; group = queue.shift()) {
    if (group.kind === "repeat") continue;
    const more = group.n - group.inside.reduce((sum, inner) => sum + inner.n - 1, 0);
    if (shown + more > FIRST_SHOWN) continue;
    shown += more;
    open.push(group.id);
    queue.push(...group.inside);
  }
  return open;
}
