import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { useSize, useThemeCount } from "../../components/size";
import { texts } from "../../texts";
import type { SpeechWord } from "../../api/openai";
import { clock, drawAxis, drawSpans, drawSpectrum, drawWave, drawWords, HEIGHTS, type Range, type Sheet } from "./draw";
import type { Span, Spectrum, Wave } from "./sound";

const t = texts.speech;
const SHORTEST = 0.02; // seconds that fill the width at most

/** The part of 0 to `seconds` that lies about a point, `factor` times as long. */
function zoomed({ from, to }: Range, factor: number, about: number, seconds: number): Range {
  const length = Math.min(Math.max((to - from) * factor, SHORTEST), seconds);
  return moved({ from: about - ((about - from) / (to - from)) * length, to: about + ((to - about) / (to - from)) * length }, 0, seconds);
}

export function moved({ from, to }: Range, by: number, seconds: number): Range {
  const length = Math.min(to - from, seconds);
  const begin = Math.min(Math.max(from + by, 0), seconds - length);
  return { from: begin, to: begin + length };
}

function draw(canvas: HTMLCanvasElement, { width, height, range, wave, spectrum, spans, words, active }: { width: number; height: number; range: Range; wave: Wave | null; spectrum: Spectrum | null; spans: Span[]; words: SpeechWord[]; active: number }) {
  const context = canvas.getContext("2d");
  if (!context || width === 0 || height === 0) return;
  const style = getComputedStyle(canvas);
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  context.scale(devicePixelRatio, devicePixelRatio);
  const sheet: Sheet = { context, width, height, range, colour: (name) => style.getPropertyValue(name) };
  const spectrumHeight = height - HEIGHTS.wave - HEIGHTS.words - HEIGHTS.axis;
  drawSpans(sheet, spans, 0, HEIGHTS.wave);
  if (wave) drawWave(sheet, wave, 0, HEIGHTS.wave);
  if (spectrum) drawSpectrum(sheet, spectrum, HEIGHTS.wave, spectrumHeight);
  drawWords(sheet, words, active, HEIGHTS.wave + spectrumHeight, HEIGHTS.words);
  drawAxis(sheet, height - HEIGHTS.axis);
  canvas.dataset["drawn"] = [wave && "wave", spectrum && "features", words.length > 0 && "words"].filter(Boolean).join(" ");
}

interface Props {
  seconds: number;
  wave: Wave | null;
  spectrum: Spectrum | null;
  /** Where somebody speaks. */
  spans: Span[];
  words: SpeechWord[];
  /** The word under the cursor, or -1. */
  active: number;
  /** The cursor, in seconds. */
  at: number;
  range: Range;
  onRange: (range: Range) => void;
  /** Plays from there. */
  onPlay: (seconds: number) => void;
  /** Moves the cursor. */
  onSeek: (seconds: number) => void;
  onToggle: () => void;
}

export function Timeline({ seconds, wave, spectrum, spans, words, active, at, range, onRange, onPlay, onSeek, onToggle }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = useSize(canvas) ?? { width: 0, height: 0 };
  const theme = useThemeCount();
  const [hover, setHover] = useState<number | null>(null);
  const length = range.to - range.from;
  useEffect(() => {
    const frame = requestAnimationFrame(() => canvas.current && draw(canvas.current, { width, height, range, wave, spectrum, spans, words, active }));
    return () => cancelAnimationFrame(frame);
  }, [width, height, theme, range, wave, spectrum, spans, words, active]);

  const timeAt = (x: number) => range.from + ((x - (canvas.current?.getBoundingClientRect().left ?? 0)) / width) * length;
  const latest = useRef({ range, timeAt });
  latest.current = { range, timeAt };
  useEffect(() => {
    const element = canvas.current;
    const wheel = (event: WheelEvent) => {
      event.preventDefault(); // React's own listeners are passive
      const now = latest.current;
      const by = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (by !== 0) onRange(moved(now.range, (by / 800) * (now.range.to - now.range.from), seconds));
      else onRange(zoomed(now.range, 1.0015 ** event.deltaY, now.timeAt(event.clientX), seconds));
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, [onRange, seconds]);

  /** A drag moves the stretch that is shown; a click plays from there. */
  const press = (event: PointerEvent<HTMLCanvasElement>) => {
    if (event.button !== 0) return;
    const element = event.currentTarget;
    const [begin, from] = [event.clientX, range];
    let dragged = false;
    element.setPointerCapture(event.pointerId);
    const move = (to: globalThis.PointerEvent) => {
      dragged = dragged || Math.abs(to.clientX - begin) > 3;
      if (dragged) onRange(moved(from, ((begin - to.clientX) / width) * length, seconds));
    };
    element.addEventListener("pointermove", move);
    const up = (to: globalThis.PointerEvent) => {
      element.removeEventListener("pointermove", move);
      if (!dragged && to.type === "pointerup") onPlay(Math.min(Math.max(timeAt(begin), 0), seconds));
    };
    element.addEventListener("pointerup", up, { once: true });
    element.addEventListener("pointercancel", up, { once: true });
  };

  const key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const seek = (to: number) => {
      const bounded = Math.min(Math.max(to, 0), seconds);
      onSeek(bounded);
      if (bounded < range.from || bounded > range.to) onRange(moved(range, bounded - range.from - length / 2, seconds));
    };
    const actions: Record<string, () => void> = {
      " ": onToggle,
      "+": () => onRange(zoomed(range, 0.5, at, seconds)),
      "=": () => onRange(zoomed(range, 0.5, at, seconds)),
      "-": () => onRange(zoomed(range, 2, at, seconds)),
      "0": () => onRange({ from: 0, to: seconds }),
      Home: () => seek(0),
      End: () => seek(seconds),
    };
    if (way && event.shiftKey) onRange(moved(range, (way * length) / 10, seconds));
    else if (way) seek(at + (way * length) / 50);
    else if (actions[event.key]) actions[event.key]?.();
    else return;
    event.preventDefault();
  };

  const place = (time: number) => ((time - range.from) / length) * width;
  const shown = (time: number | null): time is number => time !== null && time >= range.from && time <= range.to && width > 0;
  return (
    <div className="timeline">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={t.canvas}
        aria-describedby="timeline-keys"
        data-from={range.from.toFixed(3)}
        data-to={range.to.toFixed(3)}
        onKeyDown={key}
        onPointerDown={press}
        onPointerMove={(event) => setHover(timeAt(event.clientX))}
        onPointerLeave={() => setHover(null)}
      />
      <p id="timeline-keys" className="sr">
        {t.keys}
      </p>
      {shown(hover) && (
        <div className="timeline-hover" style={{ left: place(hover) }}>
          <span className={place(hover) > width - 70 ? "left" : ""}>{clock(hover, 2)}</span>
        </div>
      )}
      {shown(at) && <div className="timeline-cursor" style={{ left: place(at) }} />}
    </div>
  );
}
