// Layered layout of large graphs: ranks by longest path, order within a layer by barycentres, positions by least squares.
// Plain arrays throughout: 10,000 nodes take some 0.2 s.

export interface LayoutInput {
  /** Of each node; nodes come before those that read them. */
  widths: Float32Array;
  heights: Float32Array;
  /** From and to, in turn. */
  edges: Uint32Array;
}

export interface Layout {
  width: number;
  height: number;
  /** Centres of nodes. */
  x: Float32Array;
  y: Float32Array;
  rank: Int32Array;
  /** Points of edge e: x and y in turn, from starts[e] to starts[e + 1]. An edge that is a stub has two points: where it leaves and
   * where it arrives, with nothing drawn between. */
  points: Float32Array;
  starts: Uint32Array;
  stub: Uint8Array;
}

const GAP = 26; // between nodes of a layer
const LANE = 10; // between edges that pass through a layer
const LAYER_GAP = 42;
const STUB_SPAN = 24; // edges over more layers are stubs
const MAX_LANES = 60_000;
const LANE_WEIGHT = 0.002; // a lane gives way to nodes, else a long graph drifts to one side block by block
const SWEEPS = 12;
const PLACE_SWEEPS = 8;

/** Numbers of a relation by their first member: those of i stand from at[i] to at[i + 1]. */
interface Lists {
  at: Uint32Array;
  to: Uint32Array;
}

function listsOf(n: number, from: ArrayLike<number>, to: ArrayLike<number>): Lists {
  const at = new Uint32Array(n + 1);
  for (let k = 0; k < from.length; k++) at[from[k]! + 1]!++;
  for (let i = 0; i < n; i++) at[i + 1]! += at[i]!;
  const next = at.slice();
  const list = new Uint32Array(from.length);
  for (let k = 0; k < from.length; k++) list[next[from[k]!]!++] = to[k]!;
  return { at, to: list };
}

function ranksOf(n: number, edges: Uint32Array): Int32Array {
  const rank = new Int32Array(n);
  const m = edges.length / 2;
  const all = Array.from({ length: m }, (_, e) => e);
  const from = all.map((e) => edges[2 * e]!);
  const out = listsOf(n, from, all);
  const reads = new Uint8Array(n);
  for (let v = 0; v < n; v++)
    for (let k = out.at[v]!; k < out.at[v + 1]!; k++) {
      const to = edges[2 * out.to[k]! + 1]!;
      if (to <= v) continue; // a graph that is not in order: the edge is a stub
      reads[to] = 1;
      rank[to] = Math.max(rank[to]!, rank[v]! + 1);
    }
  for (let v = n - 1; v >= 0; v--) {
    if (reads[v]) continue; // what reads nothing stands right above its first reader
    let first = Infinity;
    for (let k = out.at[v]!; k < out.at[v + 1]!; k++) first = Math.min(first, rank[edges[2 * out.to[k]! + 1]!]!);
    if (first !== Infinity && first > 0) rank[v] = first - 1;
  }
  return rank;
}

/** Nodes, then the lanes of edges that pass through layers, and how these hang together from layer to layer. */
interface Chains {
  n: number;
  rank: number[];
  width: number[];
  /** Lanes of edge e are the items from firstLane[e] on; -1 where it is a stub. */
  firstLane: Int32Array;
  up: Lists;
  down: Lists;
}

function chainsOf({ widths, edges }: LayoutInput, rank: Int32Array): Chains {
  const m = edges.length / 2;
  const spans = Array.from({ length: m }, (_, e) => rank[edges[2 * e + 1]!]! - rank[edges[2 * e]!]!);
  let limit = STUB_SPAN;
  while (limit > 1 && spans.reduce((sum, span) => sum + (span > 1 && span <= limit ? span - 1 : 0), 0) > MAX_LANES) limit >>= 1;
  const ranks = Array.from(rank);
  const width = Array.from(widths);
  const firstLane = new Int32Array(m).fill(-1);
  const [above, below]: [number[], number[]] = [[], []];
  for (let e = 0; e < m; e++) {
    const [from, to, span] = [edges[2 * e]!, edges[2 * e + 1]!, spans[e]!];
    if (span < 1 || span > limit) continue;
    firstLane[e] = ranks.length;
    let last = from;
    for (let k = 1; k < span; k++) {
      above.push(last);
      below.push((last = ranks.length));
      ranks.push(rank[from]! + k);
      width.push(0);
    }
    above.push(last);
    below.push(to);
  }
  const n = ranks.length;
  return { n, rank: ranks, width, firstLane, up: listsOf(n, below, above), down: listsOf(n, above, below) };
}

/** Crossings of the edges between a layer and the one below (an inversion count by a binary indexed tree). */
function crossings(layer: number[], below: number[], down: Lists, place: Float64Array): number {
  const tree = new Int32Array(below.length + 1);
  let [count, added] = [0, 0];
  for (const v of layer) {
    const ends = Array.from(down.to.subarray(down.at[v], down.at[v + 1]), (w) => place[w]!);
    for (const end of ends) {
      let passed = 0;
      for (let i = end + 1; i > 0; i -= i & -i) passed += tree[i]!;
      count += added - passed;
    }
    for (const end of ends) {
      for (let i = end + 1; i <= below.length; i += i & -i) tree[i]!++;
      added++;
    }
  }
  return count;
}

function orderLayers(layers: number[][], { n, up, down }: Chains): void {
  const place = new Float64Array(n);
  const middle = new Float64Array(n);
  const number = (layer: number[]) => layer.forEach((v, i) => (place[v] = i));
  layers.forEach(number);
  const sweep = (layer: number[], near: Lists) => {
    for (const v of layer) {
      let sum = 0;
      const [begin, end] = [near.at[v]!, near.at[v + 1]!];
      for (let k = begin; k < end; k++) sum += place[near.to[k]!]!;
      middle[v] = end > begin ? sum / (end - begin) : place[v]!;
    }
    layer.sort((a, b) => middle[a]! - middle[b]! || place[a]! - place[b]!);
    number(layer);
  };
  const total = () => layers.reduce((sum, layer, i) => sum + (i + 1 < layers.length ? crossings(layer, layers[i + 1]!, down, place) : 0), 0);
  let best = layers.map((layer) => layer.slice());
  let fewest = total();
  for (let round = 0; round < SWEEPS && fewest > 0; round++) {
    if (round % 2 === 0) for (let i = 1; i < layers.length; i++) sweep(layers[i]!, up);
    else for (let i = layers.length - 2; i >= 0; i--) sweep(layers[i]!, down);
    const now = total();
    if (now < fewest) {
      fewest = now;
      best = layers.map((layer) => layer.slice());
    }
  }
  best.forEach((layer, i) => (layers[i] = layer));
}

/** Moves a layer's items as near as possible (least squares) to where they want to be, in their order and without overlap. */
function settle(layer: number[], wanted: Float64Array, weight: Float64Array, gaps: Float64Array, x: Float64Array): void {
  const [sums, weights, counts]: [number[], number[], number[]] = [[], [], []];
  let offset = 0;
  for (const v of layer) {
    offset += gaps[v]!;
    let [sum, w, count] = [(wanted[v]! - offset) * weight[v]!, weight[v]!, 1];
    while (sums.length > 0 && sums.at(-1)! / weights.at(-1)! > sum / w) {
      sum += sums.pop()!;
      w += weights.pop()!;
      count += counts.pop()!;
    }
    sums.push(sum);
    weights.push(w);
    counts.push(count);
  }
  let i = 0;
  offset = 0;
  sums.forEach((sum, block) => {
    for (let k = 0; k < counts[block]!; k++, i++) {
      const v = layer[i]!;
      offset += gaps[v]!;
      x[v] = sum / weights[block]! + offset;
    }
  });
}

function placeAcross(layers: number[][], nodes: number, { n, width, up, down }: Chains): Float64Array {
  const x = new Float64Array(n);
  const gaps = new Float64Array(n); // to the item before in the layer, from centre to centre
  for (const layer of layers) {
    let at = 0;
    layer.forEach((v, i) => {
      const before = layer[i - 1];
      if (before !== undefined) gaps[v] = (width[before]! + width[v]!) / 2 + (before < nodes && v < nodes ? GAP : v >= nodes && before >= nodes ? LANE : GAP / 2);
      at += gaps[v]!;
      x[v] = at;
    });
    for (const v of layer) x[v]! -= at / 2;
  }
  const wanted = new Float64Array(n);
  const weight = new Float64Array(n);
  const pull = (layer: number[], lists: Lists[]) => {
    for (const v of layer) {
      let [byNodes, nNodes, byLanes, nLanes] = [0, 0, 0, 0];
      for (const near of lists)
        for (let k = near.at[v]!; k < near.at[v + 1]!; k++) {
          const w = near.to[k]!;
          if (w < nodes) [byNodes, nNodes] = [byNodes + x[w]!, nNodes + 1];
          else [byLanes, nLanes] = [byLanes + x[w]!, nLanes + 1];
        }
      // Nodes follow nodes, lanes follow lanes: a residual stays straight and doesn't bend the trunk that it passes.
      const [sum, total] = nLanes > 0 && (v >= nodes || nNodes === 0) ? [byLanes, nLanes] : [byNodes, nNodes];
      wanted[v] = total > 0 ? sum / total : x[v]!;
      weight[v] = (total > 0 ? total : 0.01) * (v < nodes ? 1 : LANE_WEIGHT);
    }
    settle(layer, wanted, weight, gaps, x);
  };
  for (let round = 0; round < PLACE_SWEEPS; round++) {
    const both = round >= PLACE_SWEEPS - 2;
    for (const layer of layers) pull(layer, both ? [up, down] : [up]);
    for (let i = layers.length - 1; i >= 0; i--) pull(layers[i]!, both ? [up, down] : [down]);
  }
  return x;
}

/** Lanes of an edge in as few straight runs as there is room for between their neighbours. */
function straighten(layers: number[][], { n, rank, width, firstLane }: Chains, nodes: number, span: (e: number) => number, x: Float64Array): void {
  const place = new Uint32Array(n);
  for (const layer of layers) layer.forEach((v, i) => (place[v] = i));
  const gap = (a: number, b: number) => (width[a]! + width[b]!) / 2 + (a >= nodes && b >= nodes ? LANE : GAP / 2);
  firstLane.forEach((first, e) => {
    if (first < 0) return;
    const end = first + span(e) - 1;
    for (let i = first; i < end; ) {
      let [low, high, sum, j] = [-Infinity, Infinity, 0, i];
      for (; j < end; j++) {
        const layer = layers[rank[j]!]!;
        const [left, right] = [layer[place[j]! - 1], layer[place[j]! + 1]];
        const from = Math.max(low, left === undefined ? -Infinity : x[left]! + gap(left, j));
        const to = Math.min(high, right === undefined ? Infinity : x[right]! - gap(j, right));
        if (from > to) break;
        [low, high, sum] = [from, to, sum + x[j]!];
      }
      if (j === i) j++; // no room at all, but for rounding: it stays
      else x.fill(Math.min(Math.max(sum / (j - i), low), high), i, j);
      i = j;
    }
  });
}

/** Where edges leave or reach a node: side by side in the order of what they lead to. */
function ports(edges: number[], towards: (e: number) => number, centre: number, width: number, set: (e: number, x: number) => void): void {
  const step = Math.min(14, (width - 12) / Math.max(edges.length, 1));
  edges.sort((a, b) => towards(a) - towards(b)).forEach((e, k) => set(e, centre + (k - (edges.length - 1) / 2) * step));
}

export function layered(input: LayoutInput): Layout {
  const { widths, heights, edges } = input;
  const nodes = widths.length;
  const m = edges.length / 2;
  const rank = ranksOf(nodes, edges);
  const chains = chainsOf(input, rank);
  const layers: number[][] = [];
  for (let v = 0; v < chains.n; v++) (layers[chains.rank[v]!] ??= []).push(v);
  for (let i = 0; i < layers.length; i++) layers[i] ??= [];
  orderLayers(layers, chains);
  const across = placeAcross(layers, nodes, chains);
  const span = (e: number) => rank[edges[2 * e + 1]!]! - rank[edges[2 * e]!]!;
  straighten(layers, chains, nodes, span, across);

  let left = Infinity;
  let right = -Infinity;
  for (let v = 0; v < chains.n; v++) {
    left = Math.min(left, across[v]! - chains.width[v]! / 2);
    right = Math.max(right, across[v]! + chains.width[v]! / 2);
  }
  if (chains.n === 0) left = right = 0;
  const tops = new Float64Array(layers.length + 1);
  const tall = layers.map((layer) => layer.reduce((most, v) => (v < nodes ? Math.max(most, heights[v]!) : most), 0));
  tall.forEach((height, i) => (tops[i + 1] = tops[i]! + height + LAYER_GAP));
  const x = new Float32Array(nodes);
  const y = new Float32Array(nodes);
  for (let v = 0; v < nodes; v++) {
    x[v] = across[v]! - left;
    y[v] = tops[rank[v]!]! + tall[rank[v]!]! / 2;
  }

  const [leaves, arrives] = [new Float32Array(m), new Float32Array(m)];
  const all = Array.from({ length: m }, (_, e) => e);
  const out = listsOf(nodes, all.map((e) => edges[2 * e]!), all);
  const into = listsOf(nodes, all.map((e) => edges[2 * e + 1]!), all);
  const lane = (e: number, last: boolean) => chains.firstLane[e]! + (last ? span(e) - 2 : 0);
  const passes = (e: number) => chains.firstLane[e]! >= 0 && span(e) > 1;
  for (let v = 0; v < nodes; v++) {
    ports(Array.from(out.to.subarray(out.at[v], out.at[v + 1])), (e) => (passes(e) ? across[lane(e, false)]! : across[edges[2 * e + 1]!]!), x[v]!, widths[v]!, (e, at) => (leaves[e] = at));
    ports(Array.from(into.to.subarray(into.at[v], into.at[v + 1])), (e) => (passes(e) ? across[lane(e, true)]! : across[edges[2 * e]!]!), x[v]!, widths[v]!, (e, at) => (arrives[e] = at));
  }
  const points: number[] = [];
  const starts = new Uint32Array(m + 1);
  const stub = new Uint8Array(m);
  for (let e = 0; e < m; e++) {
    const [from, to] = [edges[2 * e]!, edges[2 * e + 1]!];
    starts[e] = points.length;
    points.push(leaves[e]!, y[from]! + heights[from]! / 2);
    if (chains.firstLane[e]! < 0) stub[e] = 1;
    else
      for (let k = 1; k < span(e); k++) {
        const at = across[chains.firstLane[e]! + k - 1]! - left;
        const layer = rank[from]! + k;
        points.push(at, tops[layer]!, at, tops[layer]! + tall[layer]!);
      }
    points.push(arrives[e]!, y[to]! - heights[to]! / 2);
  }
  starts[m] = points.length;
  return { width: right - left, height: Math.max(tops[layers.length]! - LAYER_GAP, 0), x, y, rank, points: Float32Array.from(points), starts, stub };
}
