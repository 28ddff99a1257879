// Groups on the canvas: frames around what is unfolded, and the edges of the cards below a block that repeats.
import type { Drawn } from "./drawn";
import { BOX_TITLE } from "./nested";
import { groupTitle, TITLE_FONT } from "./titles";

type Colours = Record<string, string>;

type Bounds = readonly [left: number, top: number, right: number, bottom: number];
type Frames = Pick<Drawn, "boxes"> & { layout: Pick<Drawn["layout"], "boxes"> };

/** Goes through the frames that reach into what is seen. */
function eachBox({ boxes, layout }: Frames, seen: Bounds, draw: (k: number, group: Drawn["boxes"][number], bounds: Bounds) => void): void {
  boxes.forEach((group, k) => {
    const [left, top, right, bottom] = layout.boxes.slice(4 * k, 4 * k + 4) as unknown as Bounds;
    if (right >= seen[0] && bottom >= seen[1] && left <= seen[2] && top <= seen[3]) draw(k, group, [left, top, right, bottom]);
  });
}

/** The frames, below all else. */
export function drawBoxes(context: CanvasRenderingContext2D, drawn: Frames, seen: Bounds, selected: number | null, colours: Colours): void {
  eachBox(drawn, seen, (k, _, [left, top, right, bottom]) => {
    context.beginPath();
    context.roundRect(left, top, right - left, bottom - top, 8);
    context.globalAlpha = 0.5;
    context.fillStyle = colours["surface"]!;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = k === selected ? 2.5 : 1;
    context.strokeStyle = colours[k === selected ? "accent" : "op-group"]!;
    context.stroke();
  });
}

/** Their titles, above the edges, which would run through the text: each hides what is below it. */
export function drawBoxTitles(context: CanvasRenderingContext2D, drawn: Frames, seen: Bounds, selected: number | null, colours: Colours): void {
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.font = TITLE_FONT;
  eachBox(drawn, seen, (k, group, [left, top, right]) => {
    const text = `▾ ${groupTitle(group)}`;
    const room = right - left - 20;
    context.fillStyle = colours["surface"]!;
    context.fillRect(left + 7, top + 4, Math.min(context.measureText(text).width, room) + 6, BOX_TITLE - 6);
    context.fillStyle = colours[k === selected ? "accent" : "muted"]!;
    context.fillText(text, left + 10, top + BOX_TITLE / 2 + 1, room);
  });
  context.textBaseline = "alphabetic";
}

export function drawStack(context: CanvasRenderingContext2D, left: number, top: number, width: number, height: number, cards: number, colours: Colours): void {
  context.lineWidth = 1;
  context.fillStyle = colours["surface"]!;
  context.strokeStyle = colours["op-group"]!;
  for (let k = cards; k > 0; k--) {
    context.beginPath();
    context.roundRect(left + 4 * k, top + 4 * k, width, height, 5);
    context.fill();
    context.stroke();
  }
}
