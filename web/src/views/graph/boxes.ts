// Groups on the canvas: frames around what is unfolded, and the edges of the cards below a block that repeats.
import { TITLE_FONT, groupTitle, type Drawn } from "./drawn";
import { BOX_TITLE } from "./nested";

type Colours = Record<string, string>;

export function drawBoxes(context: CanvasRenderingContext2D, drawn: Drawn, seen: readonly [number, number, number, number], selected: number | null, colours: Colours, detailed: boolean): void {
  const { boxes } = drawn.layout;
  context.textBaseline = "middle";
  context.textAlign = "left";
  drawn.boxes.forEach((group, k) => {
    const [left, top, right, bottom] = [boxes[4 * k]!, boxes[4 * k + 1]!, boxes[4 * k + 2]!, boxes[4 * k + 3]!];
    if (right < seen[0] || bottom < seen[1] || left > seen[2] || top > seen[3]) return;
    context.beginPath();
    context.roundRect(left, top, right - left, bottom - top, 8);
    context.globalAlpha = 0.5;
    context.fillStyle = colours["surface"]!;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = k === selected ? 2.5 : 1;
    context.strokeStyle = colours[k === selected ? "accent" : "op-group"]!;
    context.stroke();
    if (!detailed) return;
    context.font = TITLE_FONT;
    context.fillStyle = colours[k === selected ? "accent" : "muted"]!;
    context.fillText(`▾ ${groupTitle(group)}`, left + 10, top + BOX_TITLE / 2 + 1, right - left - 20);
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
