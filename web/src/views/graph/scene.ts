// The canvas: draws the part of a graph that is in sight, and tells what people do there. React knows nothing of its frames.
import type { Seen } from "../../api/digest";
import { smallPicture } from "./cells";
import { LINE_FONT, type Drawn } from "./drawn";
import { TITLE_FONT } from "./titles";
import type { Family } from "./families";
import { Hits, type Direction } from "./hits";
import { Minimap } from "./minimap";
import { drawBoxes, drawBoxTitles, drawStack } from "./boxes";

export interface Told {
  select: (item: number | null) => void;
  /** An edge was chosen. */
  follow: (edge: number) => void;
  enter: (item: number) => void;
  /** The title of an unfolded group was clicked, or clicked twice. */
  box: (box: number, twice: boolean) => void;
  hover: (item: number | null, x: number, y: number) => void;
  /** Another part is in sight, or at another scale; not told of what `lookAs` does. */
  moved?: () => void;
}

/** How a node is coloured, and what is written on it. */
export interface Tint {
  fill: string;
  text: string;
  /** Its colour where names are not drawn; left out: `fill`. */
  small?: string;
}

export interface View {
  x: number;
  y: number;
  scale: number;
}

const [MIN_SCALE, MAX_SCALE] = [0.005, 3];
const TEXT_SCALE = 0.45; // below it names are not drawn
const CURVE_SCALE = 0.25; // below it edges are straight
const EDGE_SCALE = 0.02;
const MARGIN = 24;
const STUB = 13;
const SWATCH = 22; // longer side
const REACH = 7; // pixels around an edge where it can be clicked

/** Curves of an edge from layer to layer, upright at both ends of each piece. */
function trace(path: CanvasRenderingContext2D, points: Float32Array, begin: number, end: number, curved: boolean): void {
  path.moveTo(points[begin]!, points[begin + 1]!);
  for (let k = begin + 2; k < end; k += 2) {
    const [x, y, fromX, fromY] = [points[k]!, points[k + 1]!, points[k - 2]!, points[k - 1]!];
    if (!curved || x === fromX) path.lineTo(x, y);
    else path.bezierCurveTo(fromX, (fromY + y) / 2, x, (fromY + y) / 2, x, y);
  }
}

export class Scene {
  private readonly context: CanvasRenderingContext2D;
  private readonly hits: Hits;
  private readonly minimap: Minimap;
  private view: View = { x: 0, y: 0, scale: 1 };
  private colours: Record<string, string> = {};
  private selected: number | null = null;
  private marked = new Set<number>(); // items, of a search or a value
  private strong = new Set<number>(); // edges
  private pictures = new Map<number, { seen: Seen; picture: HTMLCanvasElement }>(); // by value
  private box: number | null = null; // the unfolded group that is selected
  private tints: (Tint | null)[] | null = null;
  private frame = 0;
  private readonly end = new AbortController();
  private readonly sizes: ResizeObserver;
  private width = 0; // of the canvas, in CSS pixels

  constructor(
    private readonly canvas: HTMLCanvasElement,
    minimap: HTMLCanvasElement,
    private readonly drawn: Drawn,
    private readonly told: Told,
  ) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    this.hits = new Hits(drawn);
    const { signal } = this.end;
    this.minimap = new Minimap(minimap, drawn, (x, y) => this.centre(x, y), signal);
    this.readColours();
    canvas.addEventListener("pointerdown", (event) => this.press(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.point(event), { signal });
    canvas.addEventListener("pointerleave", () => told.hover(null, 0, 0), { signal });
    canvas.addEventListener("dblclick", (event) => this.double(event), { signal });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    window.addEventListener("themechange", () => this.readColours(), { signal });
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(canvas);
    this.resize();
  }

  destroy(): void {
    this.end.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  // ---- What others ask for ----

  select(item: number | null): void {
    this.selected = item;
    this.strong = new Set(item === null ? [] : this.hits.inOut[item]);
    this.redraw();
  }

  selectBox(box: number | null): void {
    this.box = box;
    this.redraw();
  }

  /** Where the middle of an item is on the canvas. */
  placeOf(item: number): { x: number; y: number } {
    const { layout } = this.drawn;
    return { x: layout.x[item]! * this.view.scale + this.view.x, y: layout.y[item]! * this.view.scale + this.view.y };
  }

  look(): View {
    return this.view;
  }

  /** Looks at the same scale as another scene did, with an item where it stood there. */
  lookAs({ scale }: View, item: number, at: { x: number; y: number }): void {
    const { layout } = this.drawn;
    this.view = { scale, x: at.x - layout.x[item]! * scale, y: at.y - layout.y[item]! * scale };
    this.canvas.dataset["sized"] = "";
    this.redraw();
  }

  mark(items: Iterable<number>, edges: Iterable<number> = []): void {
    this.marked = new Set(items);
    if (this.selected === null) this.strong = new Set(edges);
    this.redraw();
  }

  /** Shows these values small on the edges of what is selected. */
  swatches(values: ReadonlyMap<number, Seen>): void {
    const before = this.pictures;
    if (values.size === 0 && before.size === 0) return;
    const style = getComputedStyle(this.canvas);
    this.pictures = new Map();
    for (const [value, seen] of values) {
      const old = before.get(value);
      this.pictures.set(value, old?.seen === seen ? old : { seen, picture: smallPicture(style, seen) });
    }
    this.redraw();
  }

  /** Brings an item into sight, and to a scale at which it can be read. */
  show(item: number): void {
    const { layout } = this.drawn;
    const { width, height } = this.size();
    if (this.sees(item) && this.view.scale >= TEXT_SCALE) return;
    const scale = Math.min(Math.max(this.view.scale, 0.8), 1.2);
    this.go({ scale, x: width / 2 - layout.x[item]! * scale, y: height / 2 - layout.y[item]! * scale });
  }

  /** Shows everything, or of a graph that would be too small to read its beginning. */
  fit(all = false): void {
    const { layout } = this.drawn;
    const { width, height } = this.size();
    const whole = Math.min((width - 2 * MARGIN) / Math.max(layout.width, 1), (height - 2 * MARGIN) / Math.max(layout.height, 1), 1.2);
    const scale = Math.max(all ? whole : Math.max(whole, Math.min(0.7, (width - 2 * MARGIN) / Math.max(layout.width, 1)), TEXT_SCALE), MIN_SCALE);
    const tall = layout.height * scale > height - 2 * MARGIN;
    const middle = tall ? layout.x.reduce((sum, x) => sum + x, 0) / Math.max(layout.x.length, 1) : layout.width / 2;
    const wide = layout.width * scale > width - 2 * MARGIN;
    this.go({
      scale,
      x: width / 2 - (wide && layout.x.length > 0 ? layout.x[0]! : middle) * scale,
      y: tall ? MARGIN : height / 2 - (layout.height / 2) * scale,
    });
  }

  zoom(factor: number, at?: { x: number; y: number }): void {
    const { width, height } = this.size();
    const centre = at ?? { x: width / 2, y: height / 2 };
    const scale = Math.min(Math.max(this.view.scale * factor, MIN_SCALE), MAX_SCALE);
    const share = scale / this.view.scale;
    this.go({ scale, x: centre.x - (centre.x - this.view.x) * share, y: centre.y - (centre.y - this.view.y) * share });
  }

  private go(view: View): void {
    this.view = view;
    this.redraw();
    this.told.moved?.();
  }

  /** Colours of items in the place of those of their families: null where one has none; null alone: families. */
  paint(tints: (Tint | null)[] | null): void {
    if (tints === null && this.tints === null) return;
    this.tints = tints;
    this.minimap.forget();
    this.redraw();
  }

  private centre(x: number, y: number): void {
    const { width, height } = this.size();
    this.go({ ...this.view, x: width / 2 - x * this.view.scale, y: height / 2 - y * this.view.scale });
  }

  pan(x: number, y: number): void {
    this.go({ ...this.view, x: this.view.x + x, y: this.view.y + y });
  }

  /** The item in a direction from the selected one: along an edge, or beside it in its layer. */
  neighbour(direction: Direction): number | null {
    return this.hits.neighbour(this.selected, direction);
  }

  /** Whether the middle of an item is in sight. */
  sees(item: number): boolean {
    const { x, y } = this.placeOf(item);
    const { width, height } = this.size();
    return x > 10 && x < width - 10 && y > 10 && y < height - 10;
  }

  /** The item that is wanted nearest to the middle of what is in sight. */
  middle(wanted: (item: number) => boolean): number | null {
    const { width, height } = this.size();
    return this.hits.nearest(...this.inGraph(width / 2, height / 2), wanted);
  }

  private size(): { width: number; height: number } {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** Where a place on the canvas is in the graph. */
  private inGraph(x: number, y: number): [number, number] {
    return [(x - this.view.x) / this.view.scale, (y - this.view.y) / this.view.scale];
  }

  private itemAt(event: MouseEvent): number | null {
    return this.hits.item(...this.inGraph(event.offsetX, event.offsetY));
  }

  private boxAt(event: MouseEvent): number | null {
    return this.hits.box(...this.inGraph(event.offsetX, event.offsetY));
  }

  /** The edge within some pixels of where the pointer is. */
  private edgeAt(event: MouseEvent): number | null {
    return this.view.scale < CURVE_SCALE ? null : this.hits.edge(...this.inGraph(event.offsetX, event.offsetY), REACH / this.view.scale);
  }

  // ---- What people do ----

  private press(event: PointerEvent): void {
    if (event.button !== 0) return;
    let [moved, lastX, lastY] = [0, event.clientX, event.clientY];
    const control = new AbortController();
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener(
      "pointermove",
      (to) => {
        moved += Math.abs(to.clientX - lastX) + Math.abs(to.clientY - lastY);
        if (moved > 4) this.pan(to.clientX - lastX, to.clientY - lastY);
        [lastX, lastY] = [to.clientX, to.clientY];
      },
      { signal: control.signal },
    );
    this.canvas.addEventListener(
      "lostpointercapture",
      () => {
        control.abort();
        if (moved > 4) return;
        const item = this.itemAt(event);
        const edge = item === null ? this.edgeAt(event) : null;
        const box = item === null && edge === null ? this.boxAt(event) : null;
        if (box !== null) this.told.box(box, false);
        else if (edge === null) this.told.select(item);
        else this.told.follow(edge);
      },
      { once: true },
    );
  }

  private point(event: PointerEvent): void {
    if (event.buttons !== 0) return;
    const item = this.itemAt(event);
    this.canvas.style.cursor = item === null && this.edgeAt(event) === null && this.boxAt(event) === null ? "grab" : "pointer";
    this.told.hover(item, event.offsetX, event.offsetY);
  }

  private double(event: MouseEvent): void {
    const item = this.itemAt(event);
    const box = item === null ? this.boxAt(event) : null;
    if (item !== null) this.told.enter(item);
    else if (box !== null) this.told.box(box, true);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const step = event.deltaMode === 1 ? event.deltaY * 20 : event.deltaY;
    this.zoom(Math.exp(-Math.max(-120, Math.min(120, step)) * 0.002), { x: event.offsetX, y: event.offsetY });
  }

  // ---- Drawing ----

  private readColours(): void {
    const style = getComputedStyle(this.canvas);
    const names = ["canvas", "surface", "line", "line-strong", "text", "muted", "accent", "accent-soft", "warn"];
    const families: Family[] = ["product", "activation", "normal", "shape", "reduce", "control", "quantize", "other", "value", "group"];
    for (const name of [...names, ...families.map((family) => `op-${family}`)]) this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    this.minimap.forget();
    for (const [value, { seen }] of this.pictures) this.pictures.set(value, { seen, picture: smallPicture(style, seen) });
    this.redraw();
  }

  private resize(): void {
    const { width, height } = this.size();
    if (width === 0 || height === 0) return;
    const first = this.canvas.dataset["sized"] === undefined;
    this.canvas.dataset["sized"] = "";
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    const wider = width - this.width;
    this.width = width;
    if (first) return this.fit();
    this.view.x += wider / 2; // what was in the middle stays there
    this.draw(); // its new size has emptied the canvas, and this frame's callbacks have run already
  }

  private redraw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const { context, view, colours } = this;
    const { width, height } = this.size();
    if (width === 0) return;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.fillStyle = colours["canvas"]!;
    context.fillRect(0, 0, width, height);
    context.translate(view.x, view.y);
    context.scale(view.scale, view.scale);
    const box = [-view.x / view.scale, -view.y / view.scale, (width - view.x) / view.scale, (height - view.y) / view.scale] as const;
    drawBoxes(context, this.drawn, box, this.box, colours);
    if (view.scale >= EDGE_SCALE) this.drawEdges(box);
    if (view.scale >= TEXT_SCALE) drawBoxTitles(context, this.drawn, box, this.box, colours);
    this.drawNodes(box);
    if (view.scale >= TEXT_SCALE) this.drawSwatches();
    this.minimap.draw(box, (i) => this.colourOf(i), colours["accent"]!);
  }

  private drawEdges(box: readonly [number, number, number, number]): void {
    const { context, view, colours, strong } = this;
    const { layout } = this.drawn;
    const curved = view.scale >= CURVE_SCALE;
    const seen = this.hits.edgesIn(...box);
    context.lineWidth = Math.max(1, 0.7 / view.scale);
    context.strokeStyle = colours["line-strong"]!;
    context.beginPath();
    for (const e of seen) {
      const [begin, end] = [layout.starts[e]!, layout.starts[e + 1]!];
      if (layout.stub[e]) {
        for (const [k, way] of [[begin, STUB], [end - 2, -STUB]] as const) {
          context.moveTo(layout.points[k]!, layout.points[k + 1]!);
          context.lineTo(layout.points[k]!, layout.points[k + 1]! + way);
        }
      } else if (!strong.has(e)) trace(context, layout.points, begin, end, curved);
    }
    context.stroke();
    context.strokeStyle = colours["accent"]!;
    context.lineWidth = Math.max(2, 1.4 / view.scale);
    context.beginPath();
    for (const e of strong) trace(context, layout.points, layout.starts[e]!, layout.starts[e + 1]!, curved);
    context.stroke();
    if (curved) this.drawStubNames(seen);
  }

  /** A long edge is a name below what makes it and one above what reads it. */
  private drawStubNames(seen: number[]): void {
    const { context, colours } = this;
    const { layout, edges, items } = this.drawn;
    context.font = LINE_FONT;
    context.fillStyle = colours["muted"]!;
    context.textAlign = "center";
    const named = new Set<number>();
    for (const e of seen) {
      if (!layout.stub[e]) continue;
      const [begin, last] = [layout.starts[e]!, layout.starts[e + 1]! - 2];
      const [from, to] = [items[edges[2 * e]!]!, items[edges[2 * e + 1]!]!];
      context.fillText(from.title, layout.points[last]!, layout.points[last + 1]! - STUB - 3);
      if (!named.has(edges[2 * e]!)) context.fillText(`→ ${to.title}`, layout.points[begin]!, layout.points[begin + 1]! + STUB + 10);
      named.add(edges[2 * e]!);
    }
  }

  /** One swatch for each value, beside what is selected where one edge carries it and at its maker where several do. */
  private drawSwatches(): void {
    const { context, colours } = this;
    const { layout, edges, values } = this.drawn;
    const shown = new Set<number>();
    context.imageSmoothingEnabled = false;
    context.lineWidth = 1;
    context.strokeStyle = colours["line-strong"]!;
    for (const e of this.strong) {
      const found = this.pictures.get(values[e]!);
      if (!found || shown.has(values[e]!)) continue;
      shown.add(values[e]!);
      const k = edges[2 * e + 1] === this.selected ? layout.starts[e + 1]! - 4 : layout.starts[e]!;
      const [x, y] = layout.stub[e] ? this.stubMiddle(e) : [(layout.points[k]! + layout.points[k + 2]!) / 2, (layout.points[k + 1]! + layout.points[k + 3]!) / 2];
      const { width, height } = found.picture;
      const scale = SWATCH / Math.max(width, height);
      const [w, h] = [Math.max(width * scale, 5), Math.max(height * scale, 5)];
      context.drawImage(found.picture, x - w / 2, y - h / 2, w, h);
      context.strokeRect(x - w / 2, y - h / 2, w, h);
    }
    context.imageSmoothingEnabled = true;
  }

  /** Where an edge that is drawn as a stub comes to what is selected. */
  private stubMiddle(e: number): [number, number] {
    const { layout, edges } = this.drawn;
    const last = layout.starts[e + 1]! - 2;
    const into = edges[2 * e + 1] === this.selected;
    const k = into ? last : layout.starts[e]!;
    return [layout.points[k]!, layout.points[k + 1]! + (into ? -STUB : STUB) / 2];
  }

  private colourOf(item: number): string {
    const { tints, colours } = this;
    return tints === null ? colours[`op-${this.drawn.items[item]!.family}`]! : (tints[item]?.small ?? tints[item]?.fill ?? colours["line"]!);
  }

  private drawNodes(box: readonly [number, number, number, number]): void {
    const { items, layout, widths, heights } = this.drawn;
    const { context, view, colours, marked, selected } = this;
    const detailed = view.scale >= TEXT_SCALE;
    for (const i of this.hits.itemsIn(...box)) {
      const item = items[i]!;
      const [w, h] = [widths[i]!, heights[i]!];
      const [left, top] = [layout.x[i]! - w / 2, layout.y[i]! - h / 2];
      const [colour, tint] = [this.colourOf(i), this.tints?.[i] ?? null];
      const strong = i === selected || marked.has(i);
      if (!detailed) {
        context.fillStyle = strong ? colours["accent"]! : colour;
        context.fillRect(left, top, w, h);
        continue;
      }
      if (item.group) drawStack(context, left, top, w, h, item.group.kind === "repeat" ? 2 : 0, colours);
      context.beginPath();
      context.roundRect(left, top, w, h, item.kind === "value" ? h / 2 : 5);
      context.fillStyle = tint ? tint.fill : i === selected ? colours["accent-soft"]! : colours["surface"]!;
      context.fill();
      context.lineWidth = strong ? (tint ? 3.5 : 2.5) : item.deep || item.group ? 2 : 1;
      context.strokeStyle = strong ? colours["accent"]! : item.deep || item.group ? colour : colours["line-strong"]!;
      context.stroke();
      if (item.kind !== "value" && this.tints === null) {
        context.fillStyle = colour;
        context.fillRect(left + 5, top + 6, 3, h - 12);
      }
      this.drawText(item.title, item.line, layout.x[i]! + (item.kind === "value" ? 0 : 4), layout.y[i]!, tint?.text ?? null);
    }
  }

  private drawText(title: string, line: string, x: number, y: number, colour: string | null): void {
    const { context, colours } = this;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = colour ?? colours["text"]!;
    context.font = TITLE_FONT;
    context.fillText(title, x, line === "" ? y : y - 8);
    context.fillStyle = colour ?? colours["muted"]!;
    context.font = LINE_FONT;
    context.fillText(line, x, y + 9);
    context.textBaseline = "alphabetic";
  }
}
