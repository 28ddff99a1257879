import { expect, test } from "@playwright/test";
import type { Node } from "../src/api/types";
import { fold } from "../src/views/graph/fold";
import { nested } from "../src/views/graph/nested";

const node = (i: number, type: string, reads: number[], name = ""): Node => ({ i, name, type, domain: "", function: null, in: reads, out: [i], graphs: [], known: true });

test("groups are stretches of nodes, and repeats begin where fewest values cross", () => {
  const nodes = [node(0, "Conv", [])];
  for (let k = 0; k < 5; k++) {
    const x = 4 * k;
    nodes.push(node(x + 1, "Relu", [x]), node(x + 2, "Tanh", [x]), node(x + 3, "Mul", [x + 1, x + 2]), node(x + 4, "Add", [x, x + 3]));
  }
  const [repeat, ...more] = fold(nodes, "block").groups;
  expect(more).toEqual([]);
  expect(repeat).toMatchObject({ kind: "repeat", begin: 1, end: 21, blocks: 5 });
  expect(repeat?.inside.map((block) => block.id)).toEqual(["1-5", "5-9", "9-13", "13-17", "17-21"]);
  expect(fold([], "block").groups).toEqual([]);
  expect(fold([node(0, "Relu", []), node(1, "Neg", [0])], "block").groups).toEqual([]);
});

test("names that come back make two groups, never a cycle", () => {
  const names = ["a", "a", "a", "b", "b", "b", "a", "a", "a"];
  const kinds = ["Relu", "Neg", "Exp", "Log", "Tanh", "Abs", "Sin", "Cos", "Tan"];
  const { groups } = fold(names.map((name, i) => node(i, kinds[i]!, i > 0 ? [i - 1] : [], `${name}/${i}`)), "block");
  expect(groups.map(({ title, begin, end }) => [title, begin, end])).toEqual([["a", 0, 3], ["b", 3, 6], ["a", 6, 9]]);
});

test("edges cross the borders of boxes in pieces that meet, and boxes hold what is inside them", () => {
  // 0 -> [1 -> [2 -> 3] -> 4] -> 5, and 0 -> 3, 2 -> 5
  const edges = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 0, 3, 2, 5];
  const n = 6;
  const made = nested({
    widths: new Float32Array(n).fill(100),
    heights: new Float32Array(n).fill(40),
    edges: Uint32Array.from(edges),
    values: Uint32Array.from([0, 1, 2, 3, 4, 0, 2]),
    inside: Int32Array.from([-1, 0, 1, 1, 0, -1]),
    around: Int32Array.from([-1, 0]),
  });
  const [outer, inner] = [made.boxes.subarray(0, 4), made.boxes.subarray(4, 8)];
  expect(inner[0]!).toBeGreaterThan(outer[0]!);
  expect(inner[3]!).toBeLessThan(outer[3]!);
  for (const [item, box] of [[1, outer], [2, inner], [3, inner], [4, outer]] as const) {
    expect(made.x[item]! - 50).toBeGreaterThanOrEqual(box[0]!);
    expect(made.x[item]! + 50).toBeLessThanOrEqual(box[2]!);
    expect(made.y[item]! - 20).toBeGreaterThanOrEqual(box[1]!);
    expect(made.y[item]! + 20).toBeLessThanOrEqual(box[3]!);
  }
  for (let e = 0; e < edges.length / 2; e++) {
    const points = made.points.subarray(made.starts[e], made.starts[e + 1]);
    expect(points[1]).toBeCloseTo(made.y[edges[2 * e]!]! + 20, 3);
    expect(points.at(-1)).toBeCloseTo(made.y[edges[2 * e + 1]!]! - 20, 3);
    for (let k = 3; k < points.length; k += 2) expect(points[k]!).toBeGreaterThanOrEqual(points[k - 2]! - 0.01);
  }
});
