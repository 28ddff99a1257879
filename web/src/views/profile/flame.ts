// The canvas of a profile: spans on a time axis, a lane for each thread, below each span those inside it.
import { colourOf, css, mixed, type Colour } from "../../components/colours";
import { formatSeconds } from "../../components/format";
import type { ProfileSpan } from "../../api/types";
import { texts } from "../../texts";
import { familyOfType } from "../graph/families";

const [ROW, AXIS, GAP] = [19, 20, 18]; // pixels: of a row, of the axis, between threads
const FONT = '11px "DejaVu Sans", sans-serif';
const MIN_TEXT = 30; // pixels of a span from which its name is written

export interface Told {
  select: (span: number) => void;
  hover: (span: number | null, x: number, y: number) => void;
}

interface Row {
  y: number;
  /** Spans, which do not overlap, in the order of their begin. */
  spans: number[];
}

export const endOf = (span: ProfileSpan) => span.end ?? span.begin;

/** A row for each thread and depth. */
function rowsOf(spans: ProfileSpan[]): { rows: Row[]; threads: { thread: number; y: number }[]; height: number } {
  const lanes = new Map<number, number[][]>();
  spans.forEach((span, i) => {
    const lane = lanes.get(span.thread) ?? [];
    lanes.set(span.thread, lane);
    (lane[span.depth] ??= []).push(i);
  });
  const rows: Row[] = [];
  const threads: { thread: number; y: number }[] = [];
  let y = lanes.size > 1 ? AXIS + GAP : AXIS; // threads have names where there are several
  for (const [thread, lane] of lanes) {
    threads.push({ thread, y });
    for (const row of Object.values(lane)) {
      rows.push({ y, spans: row.sort((a, b) => spans[a]!.begin - spans[b]!.begin) });
      y += ROW;
    }
    y += GAP;
  }
  return { rows, threads, height: y };
}

/** A step of 1, 2 or 5 times a power of ten that is at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}

export class Flame {
  private readonly context: CanvasRenderingContext2D;
  private readonly rows: Row[];
  private readonly threads: { thread: number; y: number }[];
  readonly height: number;
  private readonly total: number;
  private begin = 0; // of what is in sight, microseconds
  private end: number;
  private selected: number | null = null;
  private colours: { fill: Colour; edge: Colour }[] = [];
  private theme: Record<string, Colour> = {};
  private frame = 0;
  private readonly stop = new AbortController();
  private readonly sizes: ResizeObserver;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly spans: ProfileSpan[],
    private readonly told: Told,
  ) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    ({ rows: this.rows, threads: this.threads, height: this.height } = rowsOf(spans));
    this.total = this.end = spans.reduce((last, span) => Math.max(last, endOf(span)), 1);
    const { signal } = this.stop;
    canvas.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.point(event), { signal });
    canvas.addEventListener("pointerleave", () => told.hover(null, 0, 0), { signal });
    canvas.addEventListener("dblclick", () => this.all(), { signal });
    window.addEventListener("themechange", () => this.readColours(), { signal });
    this.readColours();
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(canvas);
  }

  destroy(): void {
    this.stop.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  select(span: number | null): void {
    this.selected = span;
    const chosen = span === null ? undefined : this.spans[span];
    if (chosen && (chosen.begin > this.end || endOf(chosen) < this.begin)) this.pan((chosen.begin + endOf(chosen)) / 2 - (this.begin + this.end) / 2);
    this.redraw();
  }

  all(): void {
    [this.begin, this.end] = [0, this.total];
    this.redraw();
  }

  /** The time of what is in sight becomes `factor` times as long, around the time `at`. */
  zoom(factor: number, at = (this.begin + this.end) / 2): void {
    const length = Math.min(Math.max((this.end - this.begin) * factor, 0.1), this.total);
    const share = (at - this.begin) / (this.end - this.begin);
    this.begin = Math.min(Math.max(at - share * length, 0), this.total - length);
    this.end = this.begin + length;
    this.redraw();
  }

  pan(by: number): void {
    const length = this.end - this.begin;
    this.begin = Math.min(Math.max(this.begin + by, 0), this.total - length);
    this.end = this.begin + length;
    this.redraw();
  }

  panShare(share: number): void {
    this.pan(share * (this.end - this.begin));
  }

  /** Shows the time of the selected span. */
  showSelected(): void {
    const span = this.selected === null ? undefined : this.spans[this.selected];
    if (!span) return;
    const margin = Math.max((endOf(span) - span.begin) * 0.05, 0.05);
    [this.begin, this.end] = [Math.max(span.begin - margin, 0), Math.min(endOf(span) + margin, this.total)];
    this.redraw();
  }

  /** The span beside the selected one, around it, or the first inside it. */
  neighbour(way: "left" | "right" | "up" | "down"): number | null {
    const at = this.selected;
    if (at === null) return this.spans.length > 0 ? 0 : null;
    const { parent, thread, depth } = this.spans[at]!;
    if (way === "up") return parent >= 0 && this.spans[parent] ? parent : null;
    if (way === "down") {
      const inside = this.spans.findIndex((span) => span.parent === at);
      return inside >= 0 ? inside : null;
    }
    const row = this.rows.find(({ spans }) => this.spans[spans[0]!]!.thread === thread && this.spans[spans[0]!]!.depth === depth)?.spans ?? [];
    return row[row.indexOf(at) + (way === "left" ? -1 : 1)] ?? null;
  }

  // ---- What people do ----

  private timeAt(x: number): number {
    return this.begin + (x / Math.max(this.canvas.clientWidth, 1)) * (this.end - this.begin);
  }

  private spanAt(x: number, y: number): number | null {
    const row = this.rows.find((other) => y >= other.y && y < other.y + ROW - 1);
    const time = this.timeAt(x);
    const reach = (this.end - this.begin) / Math.max(this.canvas.clientWidth, 1); // a pixel
    const k = row ? this.firstFrom(row, time) : -1;
    const span = row?.spans[k];
    return span !== undefined && this.spans[span]!.begin <= time + reach ? span : null;
  }

  /** Place in the row of the first span that ends at a time or after it. */
  private firstFrom(row: Row, time: number): number {
    let [low, high] = [0, row.spans.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (endOf(this.spans[row.spans[middle]!]!) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0) return;
    let [moved, last] = [0, event.clientX];
    const control = new AbortController();
    this.canvas.setPointerCapture(event.pointerId);
    const move = (to: PointerEvent) => {
      moved += Math.abs(to.clientX - last);
      if (moved > 4) this.pan(((last - to.clientX) / Math.max(this.canvas.clientWidth, 1)) * (this.end - this.begin));
      last = to.clientX;
    };
    const released = () => {
      control.abort();
      const span = moved > 4 ? null : this.spanAt(event.offsetX, event.offsetY);
      if (span !== null) this.told.select(span);
    };
    this.canvas.addEventListener("pointermove", move, { signal: control.signal });
    this.canvas.addEventListener("lostpointercapture", released, { once: true });
  }

  private point(event: PointerEvent): void {
    if (event.buttons !== 0) return;
    const span = this.spanAt(event.offsetX, event.offsetY);
    this.canvas.style.cursor = span === null ? "grab" : "pointer";
    this.told.hover(span, event.offsetX, event.offsetY);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const step = (event.deltaMode === 1 ? 20 : 1) * event.deltaY;
    if (event.shiftKey) this.panShare(Math.sign(step || event.deltaX) * 0.1);
    else this.zoom(Math.exp(Math.max(-120, Math.min(120, step)) * 0.003), this.timeAt(event.offsetX));
  }

  // ---- Drawing ----

  private readColours(): void {
    const style = getComputedStyle(this.canvas);
    for (const name of ["surface", "text", "muted", "line", "line-strong", "accent", "warn"]) this.theme[name] = colourOf(style, `--${name}`);
    this.colours = [];
    for (const span of this.spans) {
      const outer = this.colours[span.parent];
      const edge = span.kind === "node" ? colourOf(style, `--op-${familyOfType(span.op_type)}`) : span.kind === "run" ? this.theme["line-strong"]! : span.kind === "step" && outer ? outer.edge : this.theme["warn"]!;
      this.colours.push({ edge, fill: mixed(this.theme["surface"]!, edge, span.kind === "step" ? 0.2 : 0.38) });
    }
    this.redraw();
  }

  private resize(): void {
    this.canvas.width = Math.round(this.canvas.clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(this.height * devicePixelRatio);
    this.redraw();
  }

  private redraw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const { context } = this;
    const width = this.canvas.clientWidth;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.fillStyle = css(this.theme["surface"]!);
    context.fillRect(0, 0, width, this.height);
    context.font = FONT;
    context.textBaseline = "middle";
    this.drawAxis(width);
    for (const row of this.rows) this.drawRow(row, width);
    context.fillStyle = css(this.theme["muted"]!);
    if (this.threads.length > 1) this.threads.forEach(({ y }, k) => context.fillText(texts.profile.thread(k + 1), 4, y - GAP / 2));
  }

  private drawAxis(width: number): void {
    const { context, begin, end } = this;
    const step = niceStep(((end - begin) / Math.max(width, 1)) * 90);
    context.strokeStyle = css(this.theme["line"]!);
    context.fillStyle = css(this.theme["muted"]!);
    context.lineWidth = 1;
    context.beginPath();
    for (let time = Math.ceil(begin / step) * step; time <= end; time += step) {
      const x = Math.round(((time - begin) / (end - begin)) * width) + 0.5;
      context.moveTo(x, 0);
      context.lineTo(x, this.height);
      context.fillText(formatSeconds(Number(time.toPrecision(12)) * 1e-6), x + 4, AXIS / 2);
    }
    context.stroke();
  }

  private drawRow({ y, spans }: Row, width: number): void {
    const { context, begin, end } = this;
    const scale = width / (end - begin);
    let drawn = -1; // pixel up to which this row has been drawn
    for (let k = this.firstFrom({ y, spans }, begin); k < spans.length; k++) {
      const i = spans[k]!;
      const span = this.spans[i]!;
      if (span.begin > end) return;
      const [left, right] = [Math.max((span.begin - begin) * scale, -1), Math.min((endOf(span) - begin) * scale, width + 1)];
      if (right < drawn + 0.5 && i !== this.selected) continue; // many share a pixel: one is drawn
      drawn = Math.max(Math.ceil(right), Math.floor(left) + 1);
      const { fill, edge } = this.colours[i]!;
      const chosen = i === this.selected;
      context.fillStyle = css(right - left < 3 ? edge : fill);
      context.fillRect(left, y, Math.max(right - left - 0.5, 1), ROW - 2);
      if (chosen) {
        context.strokeStyle = css(this.theme["accent"]!);
        context.lineWidth = 2;
        context.strokeRect(left, y, Math.max(right - left - 1, 2), ROW - 2);
      }
      if (right - left < MIN_TEXT) continue;
      context.fillStyle = css(this.theme["text"]!);
      this.fitText(span.op_type || `${span.kind} ${span.name}`, left + 4, y + ROW / 2 - 1, right - left - 8);
    }
  }

  private fitText(text: string, x: number, y: number, room: number): void {
    let shown = text;
    while (shown.length > 1 && this.context.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
    if (shown.length > 2 || shown === text) this.context.fillText(shown, x, y);
  }
}
