// The graph in small, with a frame around what is in sight; a press goes there.
import type { Drawn } from "./drawn";

export type Box = readonly [left: number, top: number, right: number, bottom: number];

export class Minimap {
  /** The items in small, drawn once; null: again. */
  private overview: HTMLCanvasElement | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly drawn: Drawn,
    go: (x: number, y: number) => void,
    signal: AbortSignal,
  ) {
    // As the graph is wide and tall, as far as there is room: long graphs are drawn wider than they are.
    const { width, height } = drawn.layout;
    const scale = Math.min(200 / Math.max(width, 1), 220 / Math.max(height, 1));
    canvas.style.width = `${Math.max(width * scale, 56)}px`;
    canvas.style.height = `${Math.max(height * scale, 40)}px`;
    canvas.addEventListener("pointerdown", (event) => this.press(event, go), { signal });
  }

  private press(event: PointerEvent, go: (x: number, y: number) => void): void {
    const { width, height } = this.drawn.layout;
    const to = (at: PointerEvent) => go((at.offsetX / this.canvas.clientWidth) * width, (at.offsetY / this.canvas.clientHeight) * height);
    const control = new AbortController();
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.addEventListener("pointermove", to, { signal: control.signal });
    this.canvas.addEventListener("lostpointercapture", () => control.abort(), { once: true });
    to(event);
  }

  /** The colours have changed. */
  forget(): void {
    this.overview = null;
  }

  draw(box: Box, colourOf: (item: number) => string, frame: string): void {
    const { layout, items, widths, heights } = this.drawn;
    const everything = box[0] <= 0 && box[1] <= 0 && box[2] >= layout.width && box[3] >= layout.height;
    this.canvas.hidden = everything;
    if (everything) return;
    const [width, height] = [this.canvas.clientWidth * devicePixelRatio, this.canvas.clientHeight * devicePixelRatio];
    const context = this.canvas.getContext("2d");
    if (!context || width === 0) return;
    const [sx, sy] = [width / Math.max(layout.width, 1), height / Math.max(layout.height, 1)];
    if (this.overview === null || this.overview.width !== width || this.overview.height !== height) {
      this.overview = document.createElement("canvas");
      this.overview.width = width;
      this.overview.height = height;
      const small = this.overview.getContext("2d");
      items.forEach((_, i) => {
        if (!small) return;
        small.fillStyle = colourOf(i);
        small.fillRect((layout.x[i]! - widths[i]! / 2) * sx, (layout.y[i]! - heights[i]! / 2) * sy, Math.max(widths[i]! * sx, 1), Math.max(heights[i]! * sy, 1));
      });
    }
    this.canvas.width = width;
    this.canvas.height = height;
    context.drawImage(this.overview, 0, 0);
    context.strokeStyle = frame;
    context.lineWidth = 2 * devicePixelRatio;
    const [left, top] = [Math.max(box[0] * sx, 1), Math.max(box[1] * sy, 1)];
    context.strokeRect(left, top, Math.max(Math.min(box[2] * sx, width - 1) - left, 3), Math.max(Math.min(box[3] * sy, height - 1) - top, 3));
  }
}
