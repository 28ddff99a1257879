// Two drawn graphs that show the same part: which items belong together, and one scene after the other.
import type { Value } from "../../api/types";
import type { Drawn } from "../graph/drawn";
import type { Scene, Tint } from "../graph/scene";
import { states, type Row, type State } from "./differences";

const isInput = ({ role }: Value) => role === "input" || role === "capture";

/** For each item of a graph the one of the other that shows the same; -1: none does. */
export function partners(from: { drawn: Drawn; values: Value[] }, to: { drawn: Drawn; values: Value[] }, toOther: Int32Array): Int32Array {
  const ports = ({ drawn, values }: typeof from) => {
    const items = values.flatMap((value) => (drawn.itemsOfValue.get(value.i) ?? []).map((item) => ({ item, input: isInput(value) })));
    return [items.filter(({ input }) => input), items.filter(({ input }) => !input)].map((list) => list.map(({ item }) => item));
  };
  const [mine, others] = [ports(from), ports(to)];
  const found = Int32Array.from(from.drawn.items, ({ kind, i, group }) => {
    if (kind === "value") return -1;
    for (let node = i; node < (group?.end ?? i + 1); node++) if (toOther[node]! >= 0) return to.drawn.holders[toOther[node]!]!;
    return -1;
  });
  mine.forEach((items, way) => items.forEach((item, k) => (found[item] = others[way]![k] ?? -1)));
  return found;
}

/** The state of each item: of a folded group that of its node that differs most, of those that are coloured. */
export function itemStates(drawn: Drawn, rows: Row[], side: "a" | "b"): (State | null)[] {
  const found = new Array<State | null>(drawn.items.length).fill(null);
  for (const row of rows) {
    const item = row[side] < 0 ? -1 : drawn.holders[row[side]]!;
    const before = item < 0 ? null : found[item]!;
    if (item >= 0 && (before === null || states.indexOf(row.state) < states.indexOf(before))) found[item] = row.state;
  }
  return found;
}

/** Colour variables of each state: of its text, and below it. */
export const colours: Record<State, [strong: string, soft: string]> = {
  changed: ["--warn", "--warn-soft"],
  removed: ["--bad", "--bad-soft"],
  added: ["--good", "--good-soft"],
  rewired: ["--accent", "--accent-soft"],
  renamed: ["--op-normal", "--sunken"],
  same: ["--muted", "--sunken"],
};

export function tintsOf(found: (State | null)[]): (Tint | null)[] {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(name).trim();
  const tints = Object.fromEntries(states.map((state) => [state, { fill: read(colours[state][1]), text: read(colours[state][0]), small: read(colours[state][0]) }])) as Record<State, Tint>;
  return found.map((state) => state && tints[state]);
}

/** Keeps one scene beside the other: an item of both stands at the same place in each, until it is out of sight. */
export class Step {
  private anchor: [number, number] | null = null;
  private held = false;

  constructor(
    private readonly scenes: [Scene, Scene],
    private readonly partners: [Int32Array, Int32Array],
  ) {}

  /** Takes this item as the one that stays beside its partner. */
  hold(item: number, side: 0 | 1): void {
    const other = this.partners[side][item] ?? -1;
    if (other >= 0) this.anchor = side === 0 ? [item, other] : [other, item];
  }

  /** At first: the beginnings of both stand beside each other. */
  begin(y: Float32Array): void {
    let first = -1;
    this.partners[0].forEach((other, item) => {
      if (other >= 0 && (first < 0 || y[item]! < y[first]!)) first = item;
    });
    if (first >= 0) this.hold(first, 0);
    this.follow(0);
  }

  /** A scene has moved: the other goes there. */
  follow(side: 0 | 1): void {
    if (this.held) return;
    const [one, other] = side === 0 ? this.scenes : [this.scenes[1], this.scenes[0]];
    if (this.anchor === null || !one.sees(this.anchor[side])) {
      const item = one.middle((i) => this.partners[side][i]! >= 0);
      if (item !== null) this.hold(item, side);
    }
    if (this.anchor) other.lookAs(one.look(), this.anchor[side === 0 ? 1 : 0], one.placeOf(this.anchor[side]));
  }

  /** Shows an item in both; where one has none, the other stays beside what is there already. */
  show(items: [number, number]): void {
    const side = items[0] >= 0 ? 0 : 1;
    if (items[side] < 0) return;
    this.held = true;
    this.scenes[side].show(items[side]);
    this.held = false;
    if (items[0] >= 0 && items[1] >= 0) this.anchor = [items[0], items[1]];
    else this.anchor = null;
    this.follow(side);
  }
}
