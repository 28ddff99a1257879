import { expect, test } from "@playwright/test";
import type { Attribute, Node, Value } from "../src/api/types";
import { compareNodes, countStates, type Row } from "../src/views/diff/differences";
import { match } from "../src/views/diff/match";
import type { Side } from "../src/views/diff/outline";

/** An operator of a graph in the making: what it reads by names, "w…" is a weight [4]. */
interface Made {
  type: string;
  reads: string[];
  out: string;
  name?: string;
  attributes?: Record<string, number>;
}

function graph(nodes: Made[], weights: Record<string, number[]> = {}): Side {
  const values: Value[] = [];
  const numbers = new Map<string, number>();
  const value = (name: string, role: Value["role"], dims: number[]): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, values.length);
    return values.push({ i: values.length, name, type: "", dtype: "float32", dims, ranked: true, kind: "tensor", role, producer: -1, captured: -1, bytes: null }) - 1;
  };
  const made = new Set(nodes.map(({ out }) => out));
  const rows = nodes.map(({ type, reads, out, name = "", attributes = {} }, i): Node => {
    const inputs = reads.map((read) => value(read, made.has(read) ? "value" : read.startsWith("w") ? "initializer" : "input", weights[read] ?? [4]));
    const output = value(out, "value", [4]);
    values[output]!.producer = i;
    const listed = Object.entries(attributes).map(([key, number]): Attribute => ({ name: key, kind: "int", text: String(number), value: number }));
    return { i, name, type, domain: "", function: null, in: inputs, out: [output], graphs: [], known: true, attributes: listed };
  });
  values.find(({ name }) => name === nodes.at(-1)?.out)!.role = "output";
  return { nodes: rows, values };
}

const compared = (a: Side, b: Side): Row[] => compareNodes(a, b, match(a, b));
const pairs = (rows: Row[]) => rows.map(({ a, b, state }) => [a, b, state]);

const chain = (names = true): Made[] => [
  { type: "Conv", reads: ["x", "w1"], out: "a", name: names ? "first" : "" },
  { type: "Relu", reads: ["a"], out: "b", name: names ? "second" : "" },
  { type: "MatMul", reads: ["b", "w2"], out: "c", name: names ? "third" : "" },
  { type: "Softmax", reads: ["c"], out: "d", name: names ? "last" : "", attributes: { axis: -1 } },
];

test("a graph is the same as itself, with names and without", () => {
  for (const names of [true, false]) expect(pairs(compared(graph(chain(names)), graph(chain(names))))).toEqual([0, 1, 2, 3].map((i) => [i, i, "same"]));
  expect(compared({ nodes: [], values: [] }, { nodes: [], values: [] })).toEqual([]);
});

test("an attribute, a weight's shape and an operator that changed are told", () => {
  const other = chain();
  other[3]!.attributes = { axis: 1, flag: 2 };
  other[1] = { type: "Tanh", reads: ["a"], out: "b", name: "other" };
  const rows = compared(graph(chain(), { w2: [4, 4] }), graph(other, { w2: [4, 8] }));
  expect(pairs(rows)).toEqual([[0, 0, "same"], [1, 1, "changed"], [2, 2, "changed"], [3, 3, "changed"]]);
  expect(rows[1]!.changes).toEqual([{ what: "operator", name: "", a: "Relu", b: "Tanh" }, { what: "name", name: "", a: "second", b: "other" }]);
  expect(rows[2]!.changes).toEqual([{ what: "weight", name: "w2", a: "float32 [4, 4]", b: "float32 [4, 8]" }]);
  expect(rows[3]!.changes).toEqual([{ what: "attribute", name: "axis", a: "-1", b: "1" }, { what: "attribute", name: "flag", a: null, b: "2" }]);
});

test("nodes that have other names alone are renamed", () => {
  const other = chain().map((node, k) => ({ ...node, name: `n${k}` }));
  expect(pairs(compared(graph(chain()), graph(other)))).toEqual([0, 1, 2, 3].map((i) => [i, i, "renamed"]));
  expect(countStates(compared(graph(chain()), graph(chain(false))))).toMatchObject({ renamed: 4 });
});

test("a node put in between and one taken away leave the others matched, whatever their names count", () => {
  const numbered = (nodes: Made[]) => nodes.map((node, k) => ({ ...node, name: `${node.type}_${k}` }));
  const longer = chain();
  longer.splice(1, 0, { type: "Abs", reads: ["a"], out: "a2" });
  longer[2] = { ...longer[2]!, reads: ["a2"] };
  const there = compared(graph(numbered(chain())), graph(numbered(longer)));
  expect(pairs(there)).toEqual([[0, 0, "same"], [-1, 1, "added"], [1, 2, "rewired"], [2, 3, "renamed"], [3, 4, "renamed"]]);
  expect(there[2]!.changes[0]).toEqual({ what: "input", name: "0", a: "a", b: "a2" });
  const back = compared(graph(numbered(longer)), graph(numbered(chain())));
  expect(pairs(back)).toEqual([[0, 0, "same"], [1, -1, "removed"], [2, 1, "rewired"], [3, 2, "renamed"], [4, 3, "renamed"]]);
});

test("weights of the same shape are left to be compared by their elements", () => {
  const [row] = compared(graph(chain()), graph(chain()));
  expect(row!.weights).toEqual([[1, 1]]);
});

/** Blocks of a transformer's shape: two ways side by side, joined, and a residual. */
function tower(blocks: number, name: (block: number, part: string) => string): Side {
  const nodes: Made[] = [];
  const weights: Record<string, number[]> = {};
  let x = "x";
  for (let k = 0; k < blocks; k++) {
    const op = (type: string, part: string, ...reads: string[]) => (nodes.push({ type, reads, out: `${k}${part}`, name: name(k, part) }), `${k}${part}`);
    const [q, v] = [op("MatMul", "q", x, `w${name(k, "q")}`), op("MatMul", "v", x, `w${name(k, "v")}`)];
    weights[`w${name(k, "q")}`] = [4, 4];
    weights[`w${name(k, "v")}`] = [4, 4];
    x = op("Add", "sum", op("Mul", "mul", q, op("Sigmoid", "act", v)), x);
  }
  return graph(nodes, weights);
}

test("a block more in the middle is one that was added, by the names of scopes and without any", () => {
  const without = (at: number) => (k: number, part: string) => `layers.${k >= at ? k + 1 : k}/${part}`;
  const rows = compared(tower(8, without(4)), tower(9, without(99)));
  expect(countStates(rows)).toMatchObject({ same: 37, added: 5, rewired: 3, removed: 0, renamed: 0, changed: 0 });
  expect(rows.filter(({ state }) => state === "added").map(({ b }) => b)).toEqual([20, 21, 22, 23, 24]);
  const bare = (blocks: number) => tower(blocks, () => "");
  expect(countStates(compared(bare(8), bare(9)))).toMatchObject({ added: 5, removed: 0, changed: 0 });
});

test("what two graphs have nothing of in common is removed and added", () => {
  const other: Made[] = [{ type: "Exp", reads: ["x"], out: "y", name: "e" }];
  expect(pairs(compared(graph(chain()), graph(other))).sort()).toEqual([[-1, 0, "added"], [0, -1, "removed"], [1, -1, "removed"], [2, -1, "removed"], [3, -1, "removed"]]);
});

test("20,000 nodes are matched", () => {
  const [a, b] = [tower(4000, (k, part) => `l${k}/${part}`), tower(4001, () => "")];
  expect(countStates(compared(a, b))).toMatchObject({ removed: 0, added: 5, changed: 0 });
});
