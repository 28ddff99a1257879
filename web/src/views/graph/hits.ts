// Where things are in a drawn graph: what is at a point, in a rectangle, beside an item.
import Flatbush from "flatbush";
import type { Drawn } from "./drawn";
import { BOX_TITLE } from "./nested";

export type Direction = "up" | "down" | "left" | "right";

const STEPS = 16; // points of a curve that are looked at

export class Hits {
  /** Edges of each item. */
  readonly inOut: number[][];
  private readonly items: Flatbush | null;
  private readonly edges: Flatbush | null;

  constructor(private readonly drawn: Drawn) {
    const { items, values } = drawn;
    this.inOut = items.map(() => []);
    this.items = items.length > 0 ? this.indexItems() : null;
    this.edges = values.length > 0 ? this.indexEdges() : null;
  }

  private indexItems(): Flatbush {
    const { items, layout, widths, heights } = this.drawn;
    const index = new Flatbush(items.length);
    items.forEach((_, i) => {
      const [x, y, w, h] = [layout.x[i]!, layout.y[i]!, widths[i]! / 2, heights[i]! / 2];
      index.add(x - w, y - h, x + w, y + h);
    });
    index.finish();
    return index;
  }

  private indexEdges(): Flatbush {
    const { layout, values, edges } = this.drawn;
    const index = new Flatbush(values.length);
    for (let e = 0; e < values.length; e++) {
      let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
      for (let k = layout.starts[e]!; k < layout.starts[e + 1]!; k += 2) {
        left = Math.min(left, layout.points[k]!);
        right = Math.max(right, layout.points[k]!);
        top = Math.min(top, layout.points[k + 1]!);
        bottom = Math.max(bottom, layout.points[k + 1]!);
      }
      index.add(left, top, right, bottom);
      this.inOut[edges[2 * e]!]!.push(e);
      this.inOut[edges[2 * e + 1]!]!.push(e);
    }
    index.finish();
    return index;
  }

  itemsIn = (left: number, top: number, right: number, bottom: number): number[] => this.items?.search(left, top, right, bottom) ?? [];
  edgesIn = (left: number, top: number, right: number, bottom: number): number[] => this.edges?.search(left, top, right, bottom) ?? [];
  item = (x: number, y: number): number | null => this.itemsIn(x, y, x, y)[0] ?? null;
  nearest = (x: number, y: number, wanted: (item: number) => boolean): number | null => this.items?.neighbors(x, y, 1, Infinity, wanted)[0] ?? null;

  /** The unfolded group whose title is at a point, the innermost. */
  box(x: number, y: number): number | null {
    const { boxes } = this.drawn.layout;
    for (let k = this.drawn.boxes.length - 1; k >= 0; k--)
      if (x >= boxes[4 * k]! && x <= boxes[4 * k + 2]! && y >= boxes[4 * k + 1]! && y <= boxes[4 * k + 1]! + BOX_TITLE) return k;
    return null;
  }

  /** The edge that is nearest to a point within its reach. */
  edge(x: number, y: number, reach: number): number | null {
    const { layout } = this.drawn;
    let [best, nearest] = [null as number | null, reach];
    for (const e of this.edgesIn(x - reach, y - reach, x + reach, y + reach)) {
      if (layout.stub[e]) continue;
      for (let k = layout.starts[e]! + 2; k < layout.starts[e + 1]!; k += 2) {
        const [x0, y0, x1, y1] = [layout.points[k - 2]!, layout.points[k - 1]!, layout.points[k]!, layout.points[k + 1]!];
        if (y < y0 - reach || y > y1 + reach) continue;
        for (let step = 0; step <= STEPS; step++) {
          const s = step / STEPS;
          const bend = s * s * (3 - 2 * s); // x of the curve that the scene draws
          const rise = 1.5 * s * (1 - s) + s * s * s;
          const distance = Math.hypot(x - (x0 + (x1 - x0) * bend), y - (y0 + (y1 - y0) * rise));
          if (distance < nearest) [best, nearest] = [e, distance];
        }
      }
    }
    return best;
  }

  /** The item in a direction from another: along an edge, or beside it in its layer; from none: the first. */
  neighbour(from: number | null, direction: Direction): number | null {
    const { layout, edges, items } = this.drawn;
    if (from === null) return items.length > 0 ? 0 : null;
    const [x, rank] = [layout.x[from]!, layout.rank[from]!];
    let best: number | null = null;
    const nearer = (i: number) => best === null || Math.abs(layout.x[i]! - x) < Math.abs(layout.x[best]! - x);
    if (direction === "up" || direction === "down") {
      for (const e of this.inOut[from]!) {
        const other = edges[direction === "up" ? 2 * e : 2 * e + 1]!;
        if (other !== from && nearer(other)) best = other;
      }
      return best;
    }
    for (let i = 0; i < items.length; i++) {
      if (layout.rank[i] !== rank || i === from) continue;
      if ((direction === "left" ? layout.x[i]! < x : layout.x[i]! > x) && nearer(i)) best = i;
    }
    return best;
  }
}
