import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { readAttention, type Attention, type AttentionToken, type SpeechSegment } from "../../api/openai";
import { likelihood, percent } from "../../components/probability";
import { Empty, Shown, useAsked } from "../../components/states";
import { useSize, useThemeCount } from "../../components/size";
import { goTo, numberOf, type Address } from "../../state/address";
import { texts } from "../../texts";
import { clock, palette, type Range } from "./draw";
import type { Heard } from "./recording";

const t = texts.speech.attention;
const ROW = 18; // pixels of a token's height
const CARD = 230; // pixels of width

/** The stretches of a recording that were encoded at once, with the tokens of their text. */
function windowsOf(segments: SpeechSegment[]): { start: number; tokens: number[] }[] {
  const all = new Map<number, number[]>();
  for (const { seek = 0, tokens = [] } of segments) all.set(seek, [...(all.get(seek) ?? []), ...tokens]);
  return [...all].map(([seek, tokens]) => ({ start: seek / 100, tokens })).filter(({ tokens }) => tokens.length > 0);
}

/** Shares of one head, or the mean of all, as [token, position]. */
function sharesOf({ cells, heads, positions, tokens }: Attention, head: number | null): Float32Array {
  const size = tokens.length * positions;
  const chosen = head === null ? Array.from({ length: heads }, (_, h) => h) : [head];
  const all = new Float32Array(size);
  for (const h of chosen) for (let i = 0; i < size; i++) all[i]! += (cells[h * size + i]! / 255) ** 2 / chosen.length;
  return all;
}

/** A column per pixel of the time axis, a row per token; the strongest position of a pixel counts. */
function paint(canvas: HTMLCanvasElement, width: number, range: Range, { start, step, positions, tokens }: Attention, shares: Float32Array): void {
  const context = canvas.getContext("2d");
  if (!context || width === 0) return;
  const style = getComputedStyle(canvas);
  const colours = palette((name) => style.getPropertyValue(name));
  const most = shares.reduce((max, share) => Math.max(max, share), 1e-9);
  const perPixel = (range.to - range.from) / width;
  const image = new ImageData(width, tokens.length);
  const pixels = new Uint32Array(image.data.buffer);
  for (let x = 0; x < width; x++) {
    const first = Math.floor((range.from + x * perPixel - start) / step);
    const last = Math.max(Math.floor((range.from + (x + 1) * perPixel - start) / step), first + 1);
    if (last <= 0 || first >= positions) continue;
    for (let row = 0; row < tokens.length; row++) {
      let share = 0;
      for (let i = Math.max(first, 0); i < Math.min(last, positions); i++) share = Math.max(share, shares[row * positions + i]!);
      pixels[row * width + x] = colours[Math.round(Math.sqrt(share / most) * 255)]!;
    }
  }
  [canvas.width, canvas.height] = [width, tokens.length];
  context.putImageData(image, 0, 0);
}

function Card({ token, left, top }: { token: AttentionToken; left: number; top: number }) {
  return (
    <div className="token-card attention-card" role="status" style={{ left, top, width: CARD }}>
      <div className="row">
        <code className="grow ellipsis">{JSON.stringify(token.token)}</code>
        <strong>{percent(Math.exp(token.logprob ?? -Infinity))}</strong>
      </div>
      <div className="muted">{t.instead}</div>
      {token.top.map(({ id, token: text, logprob }) => (
        <div key={id} className="alternative" aria-current={id === token.id ? "true" : undefined}>
          <code className="ellipsis">{JSON.stringify(text)}</code>
          <span className="bar">
            <span style={{ width: `${Math.exp(logprob ?? -Infinity) * 100}%` }} />
          </span>
          <span className="number">{percent(Math.exp(logprob ?? -Infinity))}</span>
        </div>
      ))}
    </div>
  );
}

function Heat({ attention, head, range, onPlay }: { attention: Attention; head: number | null; range: Range; onPlay: (seconds: number) => void }) {
  const section = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSize(canvas)?.width ?? 0;
  const theme = useThemeCount();
  const shares = useMemo(() => sharesOf(attention, head), [attention, head]);
  const [shown, setShown] = useState<{ token: number; top: number } | null>(null);
  const [cell, setCell] = useState<{ token: number; seconds: number } | null>(null);
  const { tokens, positions, start, step } = attention;
  useEffect(() => {
    if (canvas.current) paint(canvas.current, width, range, attention, shares);
  }, [width, theme, range, attention, shares]);
  const show = (token: number, element: HTMLElement) => {
    const around = section.current?.getBoundingClientRect();
    const row = element.getBoundingClientRect();
    const high = 40 + 24 * ((tokens[token]?.top.length ?? 0) + 2);
    if (around) setShown({ token, top: Math.max(0, Math.min(row.top - around.top, innerHeight - around.top - high)) });
  };
  const key = (event: KeyboardEvent<HTMLElement>, i: number) => {
    const to = { ArrowUp: i - 1, ArrowDown: i + 1, Home: 0, End: tokens.length - 1 }[event.key];
    if (event.key === "Escape") setShown(null);
    const next = to === undefined ? undefined : section.current?.querySelectorAll<HTMLElement>(".attention-token")[to];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  const point = (x: number, y: number): { token: number; seconds: number } => ({
    token: Math.min(Math.max(Math.floor(y / ROW), 0), tokens.length - 1),
    seconds: range.from + (x / Math.max(width, 1)) * (range.to - range.from),
  });
  const said = () => {
    if (!cell) return "\u00a0";
    const at = Math.floor((cell.seconds - start) / step);
    const share = at >= 0 && at < positions ? shares[cell.token * positions + at]! : 0;
    return t.said(JSON.stringify(tokens[cell.token]?.token ?? ""), clock(cell.seconds, 2), percent(share));
  };
  /** Where a token attends to the most. */
  const peak = (i: number) => {
    const row = shares.subarray(i * positions, (i + 1) * positions);
    return start + step * row.indexOf(row.reduce((max, share) => Math.max(max, share), 0));
  };
  return (
    <div ref={section} className="attention-map">
      <div className="attention-scroll" onScroll={() => setShown(null)}>
        <canvas
          ref={canvas}
          role="img"
          aria-label={t.canvas}
          style={{ height: tokens.length * ROW }}
          onPointerMove={(event) => setCell(point(event.nativeEvent.offsetX, event.nativeEvent.offsetY))}
          onPointerLeave={() => setCell(null)}
          onClick={(event) => onPlay(Math.max(point(event.nativeEvent.offsetX, event.nativeEvent.offsetY).seconds, 0))}
        />
        <div className="attention-tokens" role="group" aria-label={t.tokens} onMouseLeave={() => setShown(null)}>
          {tokens.map((token, i) => (
            <button
              key={i}
              tabIndex={i === (shown?.token ?? 0) ? 0 : -1}
              className={`plain attention-token ${likelihood(Math.exp(token.logprob ?? -Infinity))}`}
              style={{ height: ROW }}
              aria-label={t.token(JSON.stringify(token.token), percent(Math.exp(token.logprob ?? -Infinity)))}
              onMouseEnter={(event) => show(i, event.currentTarget)}
              onFocus={(event) => show(i, event.currentTarget)}
              onBlur={() => setShown(null)}
              onKeyDown={(event) => key(event, i)}
              onClick={() => onPlay(peak(i))}
            >
              {token.token.trim() === "" ? JSON.stringify(token.token) : token.token.trim()}
            </button>
          ))}
        </div>
      </div>
      {shown && tokens[shown.token] && <Card token={tokens[shown.token]!} left={110} top={shown.top} />}
      <div className="attention-said mono muted">{said()}</div>
    </div>
  );
}

/** What the decoder looks at in the audio for each token of the transcript, below the time axis. */
export function AttentionMap({ file, heard, translate, at, range, address, onPlay }: { file: File; heard: Heard | null; translate: boolean; at: number; range: Range; address: Address; onPlay: (seconds: number) => void }) {
  const windows = useMemo(() => windowsOf(heard?.segments ?? []), [heard?.segments]);
  const under = Math.max(0, windows.filter(({ start }) => start <= at + 0.01).length - 1);
  const index = Math.min(numberOf(address, "window") ?? under, Math.max(windows.length - 1, 0));
  const layer = numberOf(address, "layer");
  const head = numberOf(address, "head");
  const window = heard?.state === "running" ? undefined : windows[index];
  const language = heard?.end?.language ?? "";
  const last = useRef(0); // layers that the model has, once it is known
  const asked = useAsked(window ? JSON.stringify([file.name, file.lastModified, heard?.model, window, layer, language, translate]) : null, async (signal) => {
    const ask = (number: number) => readAttention(file, { model: heard?.model ?? "", tokens: window?.tokens.join(",") ?? "", start: String(window?.start ?? 0), layer: String(number), language, task: translate ? "translate" : "transcribe" }, signal);
    const first = await ask(layer ?? last.current);
    if (layer !== null || first.layer === first.layers - 1) return first;
    last.current = first.layers - 1; // the last is shown where none is chosen
    return ask(last.current);
  });
  const { layers = 0, heads = 0 } = asked.data ?? {};
  const known = useRef({ layers, heads });
  if (asked.data) known.current = { layers, heads };
  const set = (query: Record<string, string | number | null>) => goTo({ query, replace: true });
  return (
    <section className="attention" aria-label={t.title}>
      <div className="attention-bar">
        <h2>{t.title}</h2>
        {windows.length > 1 && (
          <label className="row tight">
            {t.window}
            <select value={index} onChange={(event) => set({ window: event.target.value })}>
              {windows.map(({ start }, i) => (
                <option key={start} value={i}>
                  {clock(start)}
                </option>
              ))}
            </select>
          </label>
        )}
        <label className="row tight">
          {t.layer}
          <select value={layer ?? Math.max(known.current.layers - 1, 0)} onChange={(event) => set({ layer: event.target.value })}>
            {Array.from({ length: Math.max(known.current.layers, 1) }, (_, i) => (
              <option key={i}>{i}</option>
            ))}
          </select>
        </label>
        <label className="row tight">
          {t.head}
          <select value={head ?? ""} onChange={(event) => set({ head: event.target.value === "" ? null : event.target.value })}>
            <option value="">{t.mean}</option>
            {Array.from({ length: known.current.heads }, (_, i) => (
              <option key={i} value={i}>
                {i}
              </option>
            ))}
          </select>
        </label>
      </div>
      {window ? <Shown asked={asked}>{(attention) => <Heat attention={attention} head={head !== null && head < attention.heads ? head : null} range={range} onPlay={onPlay} />}</Shown> : <Empty title={t.empty} />}
    </section>
  );
}
