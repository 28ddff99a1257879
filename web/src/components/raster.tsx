import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import type { Colour } from "./colours";
import { useSize, useThemeCount } from "./size";

interface Props {
  label: string;
  rows: number;
  columns: number;
  /** Cells are squares. */
  square?: boolean;
  paint: (style: CSSStyleDeclaration) => (row: number, column: number) => Colour;
  /** What is said of the cell below the pointer, or the one that the arrow keys have come to. */
  describe: (row: number, column: number) => string;
  /** Several rasters that point to one cell share it. */
  shared?: [Cell | null, (cell: Cell | null) => void];
}

export type Cell = [number, number];

const MAX_CELL = 32;

/** A rectangle of coloured cells, scaled to the room there is; each says what it is. */
export function Raster({ label, rows, columns, square = false, paint, describe, shared }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(box);
  const theme = useThemeCount();
  const own = useState<Cell | null>(null);
  const [cell, setCell] = shared ?? own;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context) return;
    const colour = paint(getComputedStyle(canvas.current));
    const image = context.createImageData(columns, rows);
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        image.data.set(colour(r, c), 4 * (r * columns + c));
        image.data[4 * (r * columns + c) + 3] = 255;
      }
    context.putImageData(image, 0, 0);
  }, [rows, columns, paint, theme]);
  const room = { width: size?.width ?? 0, height: size?.height ?? 0 };
  const scales = [Math.min(room.width / columns, MAX_CELL), Math.min(room.height / rows, MAX_CELL)] as const;
  const [sx, sy] = square ? [Math.min(...scales), Math.min(...scales)] : scales;
  const within = (row: number, column: number): Cell => [Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1)];
  const point = (event: PointerEvent) => setCell(within(Math.floor(event.nativeEvent.offsetY / sy), Math.floor(event.nativeEvent.offsetX / sx)));
  const key = (event: KeyboardEvent) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    setCell(cell ? within(cell[0] + step[0]!, cell[1] + step[1]!) : [0, 0]);
  };
  const [row, column] = cell ? within(...cell) : [0, 0];
  return (
    <div className="raster">
      <div ref={box} className="room">
        <div className="raster-cells" style={{ width: columns * sx, height: rows * sy }}>
          <canvas ref={canvas} width={columns} height={rows} tabIndex={0} role="application" aria-label={label} onPointerMove={point} onPointerLeave={() => setCell(null)} onKeyDown={key} />
          {cell && <div className="raster-cell" style={{ left: column * sx, top: row * sy, width: Math.max(sx, 3), height: Math.max(sy, 3) }} />}
        </div>
      </div>
      <div className="raster-said mono" role="status">
        {cell ? describe(row, column) : "\u00a0"}
      </div>
    </div>
  );
}
