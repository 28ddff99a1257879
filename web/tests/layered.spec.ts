import { expect, test } from "@playwright/test";
import { layered, type LayoutInput } from "../src/views/graph/layered";

const WIDTH = 100;
const HEIGHT = 40;

const input = (n: number, edges: number[]): LayoutInput => ({
  widths: new Float32Array(n).fill(WIDTH),
  heights: new Float32Array(n).fill(HEIGHT),
  edges: Uint32Array.from(edges),
});

/** Numbers from 0 to 1, the same in every run. */
function numbers(seed: number): () => number {
  return () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
}

function graph(n: number, seed: number): LayoutInput {
  const next = numbers(seed);
  const edges: number[] = [];
  for (let v = 1; v < n; v++) for (let k = 0; k < 1 + Math.floor(next() * 3); k++) edges.push(Math.max(0, v - 1 - Math.floor(next() * next() * 60)), v);
  return input(n, edges);
}

for (const seed of [1, 2, 3])
  test(`edges lead down from node to node, and nodes do not overlap (graph ${seed})`, () => {
    const given = graph(600, seed);
    const made = layered(given);
    const faults: string[] = []; // expect() for each point would take minutes
    const near = (a: number | undefined, b: number) => Math.abs((a ?? NaN) - b) < 0.1;
    let stubs = 0;
    for (let e = 0; e < given.edges.length / 2; e++) {
      const [from, to] = [given.edges[2 * e]!, given.edges[2 * e + 1]!];
      const points = made.points.subarray(made.starts[e], made.starts[e + 1]);
      if (made.rank[to]! <= made.rank[from]!) faults.push(`edge ${e} leads up`);
      if (!near(points[1], made.y[from]! + HEIGHT / 2) || Math.abs(points[0]! - made.x[from]!) > WIDTH / 2) faults.push(`edge ${e} does not begin at its node`);
      if (!near(points.at(-1), made.y[to]! - HEIGHT / 2) || Math.abs(points.at(-2)! - made.x[to]!) > WIDTH / 2) faults.push(`edge ${e} does not end at its node`);
      for (let k = 3; k < points.length; k += 2) if (points[k]! < points[k - 2]!) faults.push(`edge ${e} turns back`);
      stubs += made.stub[e]!;
    }
    const rows = new Map<number, number[]>();
    made.rank.forEach((rank, v) => rows.set(rank, [...(rows.get(rank) ?? []), made.x[v]!]));
    for (const [rank, row] of rows) {
      row.sort((a, b) => a - b);
      row.forEach((x, i) => i > 0 && x - row[i - 1]! <= WIDTH && faults.push(`nodes of layer ${rank} overlap`));
    }
    expect(faults).toEqual([]);
    expect(rows.size).toBeGreaterThan(5);
    expect(stubs).toBeLessThan(given.edges.length / 4);
    expect(Math.min(...made.x) - WIDTH / 2).toBeGreaterThanOrEqual(-0.01);
    expect(Math.max(...made.x) + WIDTH / 2).toBeLessThanOrEqual(made.width + 0.01);
  });

test("a chain of blocks with residuals stays upright", () => {
  const edges: number[] = [];
  for (let block = 0; block < 300; block++) {
    const x = 3 * block;
    edges.push(x, x + 1, x + 1, x + 2, x + 2, x + 3, x, x + 3);
  }
  const made = layered(input(901, edges));
  expect(Math.max(...made.x) - Math.min(...made.x)).toBeLessThan(WIDTH / 2);
});

test("a lattice that can be drawn without crossings is", () => {
  const made = layered(input(8, [0, 3, 0, 2, 1, 5, 1, 4, 2, 6, 3, 6, 4, 7, 5, 7]));
  const order = [2, 3, 4, 5].sort((a, b) => made.x[a]! - made.x[b]!);
  expect(Math.abs(order.indexOf(2) - order.indexOf(3))).toBe(1);
  expect(Math.abs(order.indexOf(4) - order.indexOf(5))).toBe(1);
  expect(Math.sign(made.x[6]! - made.x[7]!)).toBe(Math.sign(made.x[2]! - made.x[4]!));
});

test("graphs that are empty, of one node, or out of order", () => {
  expect(layered(input(0, [])).height).toBe(0);
  expect(layered(input(1, [])).width).toBe(WIDTH);
  expect(layered(input(2, [1, 0])).stub[0]).toBe(1);
});
