import { useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import type { ProfileSpan } from "../../api/types";
import { formatSeconds } from "../../components/format";
import { texts } from "../../texts";
import { endOf, Flame } from "./flame";

const t = texts.profile;

interface Props {
  spans: ProfileSpan[];
  selected: number | null;
  onSelect: (span: number | null) => void;
  /** Enter on the selected span. */
  onOpen: (span: number) => void;
}

export const spanTitle = (span: ProfileSpan) => [span.kind === "node" || span.kind === "step" ? "" : t.kinds[span.kind], span.op_type].filter(Boolean).join(" ");

export function Timeline({ spans, selected, onSelect, onOpen }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [flame, setFlame] = useState<Flame | null>(null);
  const [tip, setTip] = useState<{ span: number; x: number; y: number } | null>(null);
  const select = useRef(onSelect);
  select.current = onSelect;
  // It is there as soon as the canvas is seen: keys and clicks would be lost.
  useLayoutEffect(() => {
    if (!canvas.current) return;
    const made = new Flame(canvas.current, spans, {
      select: (span) => select.current(span),
      hover: (span, x, y) => setTip(span === null ? null : { span, x, y }),
    });
    setFlame(made);
    return () => made.destroy();
  }, [spans]);
  useLayoutEffect(() => flame?.select(selected), [flame, selected]);
  const key = (event: KeyboardEvent) => {
    if (!flame || event.ctrlKey || event.metaKey || event.altKey) return;
    const ways = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" } as const;
    const way = ways[event.key as keyof typeof ways];
    const actions: Record<string, () => void> = {
      "+": () => flame.zoom(0.7),
      "=": () => flame.zoom(0.7),
      "-": () => flame.zoom(1 / 0.7),
      "0": () => flame.all(),
      f: () => flame.showSelected(),
      Enter: () => selected !== null && onOpen(selected),
      Escape: () => onSelect(null),
    };
    if (way && event.shiftKey) flame.panShare(way === "left" ? -0.2 : way === "right" ? 0.2 : 0);
    else if (way) {
      const next = flame.neighbour(way);
      if (next !== null) onSelect(next);
    } else if (actions[event.key]) actions[event.key]?.();
    else return;
    event.preventDefault();
  };
  const tipped = tip === null ? undefined : spans[tip.span];
  return (
    <div className="timeline">
      <div className="timeline-tools row tight" role="group" aria-label={t.scale}>
        <button aria-label={texts.graph.zoomIn} title={texts.graph.zoomIn} onClick={() => flame?.zoom(0.5)}>
          +
        </button>
        <button aria-label={texts.graph.zoomOut} title={texts.graph.zoomOut} onClick={() => flame?.zoom(2)}>
          −
        </button>
        <button onClick={() => flame?.all()}>{t.allTime}</button>
        <span className="muted ellipsis">{t.timelineHint}</span>
      </div>
      <div className="timeline-box">
        <canvas ref={canvas} style={{ height: flame?.height ?? 100 }} tabIndex={0} role="application" aria-label={t.timeline} aria-describedby="timeline-keys" onKeyDown={key} data-spans={spans.length} />
      </div>
      {tip && tipped && (
        <div className="tip" style={{ left: Math.min(tip.x + 14, (canvas.current?.clientWidth ?? 0) - 240), top: tip.y + 48 }}>
          <strong>{spanTitle(tipped)}</strong> {formatSeconds((endOf(tipped) - tipped.begin) * 1e-6)}
          <div className="mono break">{tipped.name}</div>
          <div className="muted">{tipped.kernel}</div>
        </div>
      )}
      <p id="timeline-keys" className="sr">
        {t.timelineKeys}
      </p>
    </div>
  );
}
