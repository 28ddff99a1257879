import { useState, type KeyboardEvent, type PointerEvent, type ReactNode } from "react";
import { texts } from "../texts";

export type Side = "left" | "right" | "bottom";

interface Props {
  side: Side;
  /** Names the stored size. */
  id: string;
  title: string;
  initial: number;
  min?: number;
  max?: number;
  tools?: ReactNode;
  header?: ReactNode;
  children: ReactNode;
}

/** A panel at an edge, whose inner edge is dragged (or moved by arrow keys); its size is remembered. */
export function Panel({ side, id, title, initial, min = 140, max = 900, tools, header, children }: Props) {
  const key = `panel.${id}`;
  const [size, setSizeState] = useState(() => Number(localStorage.getItem(key)) || initial);
  const setSize = (to: number) => {
    const bounded = Math.round(Math.min(Math.max(to, min), max));
    setSizeState(bounded);
    localStorage.setItem(key, String(bounded));
  };
  const sign = side === "left" ? 1 : -1;
  const upright = side !== "bottom";

  const drag = (event: PointerEvent<HTMLDivElement>) => {
    const from = upright ? event.clientX : event.clientY;
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    const move = (to: globalThis.PointerEvent) => setSize(size + sign * ((upright ? to.clientX : to.clientY) - from));
    target.addEventListener("pointermove", move);
    target.addEventListener("lostpointercapture", () => target.removeEventListener("pointermove", move), { once: true });
  };
  const nudge = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -16, ArrowUp: -16, ArrowRight: 16, ArrowDown: 16 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    setSize(size + sign * step);
  };
  const splitter = (
    <div
      className={`splitter ${upright ? "vertical" : "horizontal"}`}
      role="separator"
      aria-label={`${texts.shell.resize}: ${title}`}
      aria-orientation={upright ? "vertical" : "horizontal"}
      aria-valuenow={size}
      aria-valuemin={min}
      aria-valuemax={max}
      tabIndex={0}
      onPointerDown={drag}
      onKeyDown={nudge}
    />
  );
  return (
    <section className={`panel-box ${side}`} aria-label={title}>
      {side !== "left" && splitter}
      <div className="panel" style={upright ? { width: size } : { height: size }}>
        <header>
          {header ?? <h2 className="grow ellipsis">{title}</h2>}
          {tools}
        </header>
        {/* focusable, so that it scrolls by keyboard */}
        <div className="content" tabIndex={0} role="group" aria-label={title}>
          {children}
        </div>
      </div>
      {side === "left" && splitter}
    </section>
  );
}
