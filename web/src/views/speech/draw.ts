// Waveform, spectrogram, words and seconds of a stretch of a recording, on one canvas.
import type { Span, Spectrum, Wave } from "./sound";
import { RATE } from "./sound";
import type { SpeechWord } from "../../api/openai";

export interface Range {
  from: number;
  to: number;
}

/** Heights of the parts, from the top; the spectrogram takes the rest. */
export const HEIGHTS = { wave: 96, words: 24, axis: 20 };

export interface Sheet {
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  range: Range;
  colour: (name: string) => string;
}

const place = ({ width, range }: Sheet, seconds: number) => ((seconds - range.from) / (range.to - range.from)) * width;

export function drawWave(sheet: Sheet, wave: Wave, top: number, height: number): void {
  const { context, width, range, colour } = sheet;
  const perPixel = ((range.to - range.from) * RATE) / width;
  const middle = top + height / 2;
  const level = wave.levels.filter(({ block }) => block <= perPixel / 2).at(-1);
  context.fillStyle = context.strokeStyle = colour("--accent");
  if (perPixel < 4) {
    context.beginPath();
    const first = Math.max(Math.floor(range.from * RATE) - 1, 0);
    const last = Math.min(Math.ceil(range.to * RATE) + 1, wave.samples.length);
    for (let i = first; i < last; i++) context.lineTo(place(sheet, i / RATE), middle - (wave.samples[i]! * height) / 2);
    context.stroke();
    return;
  }
  for (let x = 0; x < width; x++) {
    const [from, to] = [range.from * RATE + x * perPixel, range.from * RATE + (x + 1) * perPixel];
    let [low, high] = [Infinity, -Infinity];
    if (level) {
      const end = Math.min(Math.ceil(to / level.block), level.ends.length / 2);
      for (let i = Math.max(Math.floor(from / level.block), 0); i < end; i++) {
        low = Math.min(low, level.ends[2 * i]!);
        high = Math.max(high, level.ends[2 * i + 1]!);
      }
    } else {
      for (const sample of wave.samples.subarray(Math.max(Math.floor(from), 0), Math.max(Math.ceil(to), 0))) {
        low = Math.min(low, sample);
        high = Math.max(high, sample);
      }
    }
    if (high >= low) context.fillRect(x, middle - (high * height) / 2, 1, Math.max(((high - low) * height) / 2, 1));
  }
}

/** Where somebody speaks, behind the waveform. */
export function drawSpans(sheet: Sheet, spans: Span[], top: number, height: number): void {
  const { context, width, range, colour } = sheet;
  const [ground, edge] = [colour("--good-soft"), colour("--good")];
  for (const { start, end } of spans) {
    if (end < range.from || start > range.to) continue;
    const [from, to] = [Math.max(place(sheet, start), 0), Math.min(place(sheet, end), width)];
    context.fillStyle = ground;
    context.fillRect(from, top, Math.max(to - from, 1), height);
    context.fillStyle = edge;
    context.fillRect(from, top + height - 3, Math.max(to - from, 1), 3);
  }
}

const channels = (colour: string): number[] => {
  const digits = colour.trim().slice(1);
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
};

/** 256 colours between those that the theme names --spectrum-0 to -3, as bytes of an image. */
export function palette(colour: Sheet["colour"]): Uint32Array {
  const stops = [0, 1, 2, 3].map((i) => channels(colour(`--spectrum-${i}`)));
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const at = (value / 255) * 3;
    const below = Math.min(Math.floor(at), 2);
    const mix = (k: number) => Math.round(stops[below]![k]! + (stops[below + 1]![k]! - stops[below]![k]!) * (at - below));
    return (255 << 24) | (mix(2) << 16) | (mix(1) << 8) | mix(0);
  });
}

const stage = document.createElement("canvas");

/** A column per pixel, a row per band, then stretched to the height. */
export function drawSpectrum(sheet: Sheet, spectrum: Spectrum, top: number, height: number): void {
  const { context, width, range } = sheet;
  const { bands, rate, frames, levels } = spectrum;
  const perPixel = ((range.to - range.from) * rate) / width;
  const { every, cells } = levels.filter((level) => level.every <= perPixel).at(-1) ?? levels[0]!;
  const n = Math.ceil(frames / every);
  const colours = palette(sheet.colour);
  const image = new ImageData(width, bands);
  const pixels = new Uint32Array(image.data.buffer);
  for (let x = 0; x < width; x++) {
    const first = Math.floor((range.from * rate + x * perPixel) / every);
    if (first < 0 || first >= n) continue;
    const last = Math.min(Math.max(Math.floor((range.from * rate + (x + 1) * perPixel) / every), first + 1), n);
    for (let band = 0; band < bands; band++) {
      let value = 0;
      for (let i = first; i < last; i++) value = Math.max(value, cells[i * bands + band]!);
      pixels[(bands - 1 - band) * width + x] = colours[value]!;
    }
  }
  stage.width = width;
  stage.height = bands;
  stage.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(stage, 0, top, width, height);
}

/** Words at their times; those that find no room are marks. */
export function drawWords(sheet: Sheet, words: SpeechWord[], active: number, top: number, height: number): void {
  const { context, width, range, colour } = sheet;
  context.font = `12px ${colour("--font")}`;
  context.textBaseline = "middle";
  const [plain, chosen] = [
    [colour("--accent-soft"), colour("--text")] as const,
    [colour("--accent"), colour("--accent-text")] as const,
  ];
  words.forEach(({ word, start, end }, i) => {
    if (end < range.from || start > range.to) return;
    const [from, to] = [Math.max(place(sheet, start), 0), Math.min(place(sheet, end), width)];
    const [ground, ink] = i === active ? chosen : plain;
    context.fillStyle = ground;
    context.fillRect(from, top + 2, Math.max(to - from - 1, 1), height - 4);
    if (to - from < 10) return;
    const text = word.trim();
    const wide = context.measureText(text).width;
    if (wide + 4 > to - from) return;
    context.fillStyle = ink;
    context.fillText(text, (from + to - wide) / 2, top + height / 2 + 1);
  });
}

const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** "1:02.5": minutes, and seconds with as many digits as the step has. */
export function clock(seconds: number, digits = 1): string {
  const text = (seconds % 60).toFixed(digits);
  return `${Math.floor(seconds / 60)}:${text.padStart(digits > 0 ? digits + 3 : 2, "0")}`;
}

export function drawAxis(sheet: Sheet, top: number): void {
  const { context, width, range, colour } = sheet;
  const step = steps.find((one) => (one / (range.to - range.from)) * width >= 70) ?? 3600;
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  context.font = `11px ${colour("--font")}`;
  context.textBaseline = "top";
  context.fillStyle = colour("--muted");
  for (let i = Math.ceil(range.from / step); i * step <= range.to; i++) {
    const x = place(sheet, i * step);
    context.fillRect(Math.round(x), top, 1, 4);
    const text = clock(i * step, digits);
    if (x + context.measureText(text).width + 4 < width) context.fillText(text, x + 3, top + 5);
  }
}
