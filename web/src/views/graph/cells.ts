// The cells of a digest as a picture.
import type { Seen } from "../../api/digest";
import { aroundZero, css } from "../../components/colours";

const CROSSED = 5; // pixels of a cell, from which a cross is seen

/** Draws the cells: one colour for numbers below 0, one for those above, and a cross where elements are not finite. */
export function drawCells(context: CanvasRenderingContext2D, style: CSSStyleDeclaration, seen: Seen, x: number, y: number, cell: number): void {
  const scale = aroundZero(style);
  let most = 0;
  for (const value of seen.cells) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  for (let i = 0; i < seen.cells.length; i++) {
    const value = seen.cells[i]!;
    const [left, top] = [x + (i % seen.columns) * cell, y + Math.floor(i / seen.columns) * cell];
    const share = most > 0 && Number.isFinite(value) ? value / most : 0;
    context.fillStyle = css(scale(share));
    context.fillRect(left, top, cell, cell);
    if (!seen.marked[i]) continue;
    context.fillStyle = style.getPropertyValue("--cell-marked");
    context.fillRect(left, top, cell, cell);
    if (cell < CROSSED) continue;
    context.strokeStyle = style.getPropertyValue("--surface");
    context.beginPath();
    context.moveTo(left + 1, top + 1);
    context.lineTo(left + cell - 1, top + cell - 1);
    context.moveTo(left + cell - 1, top + 1);
    context.lineTo(left + 1, top + cell - 1);
    context.stroke();
  }
}

/** The picture with one pixel for each cell. */
export function smallPicture(style: CSSStyleDeclaration, seen: Seen): HTMLCanvasElement {
  const made = document.createElement("canvas");
  made.width = Math.max(seen.columns, 1);
  made.height = Math.max(seen.rows, 1);
  const context = made.getContext("2d");
  if (context) drawCells(context, style, seen, 0, 0, 1);
  return made;
}
