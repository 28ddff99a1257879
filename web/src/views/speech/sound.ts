// What is drawn of a recording, in levels of halving detail, so that ten minutes cost no more than a second.
import { readNpy } from "../../api/npy";
import { ask } from "../../api/recordings";

export const RATE = 16_000;
/** Samples per pair of minimum and maximum. */
const BLOCK = 32;

export interface Wave {
  seconds: number;
  samples: Float32Array;
  /** Minimum and maximum of each block, of two, of four, … */
  levels: { block: number; ends: Float32Array }[];
}

/** Decodes a recording as the browser can, in mono at 16 kHz. */
async function decode(file: Blob): Promise<{ seconds: number; samples: Float32Array }> {
  const decoded = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  const samples = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const data = decoded.getChannelData(channel);
    for (let i = 0; i < data.length; i++) samples[i]! += data[i]! / decoded.numberOfChannels;
  }
  return { seconds: decoded.duration, samples };
}

export async function readWave(file: File): Promise<Wave> {
  const { seconds, samples } = await decode(file);
  return { seconds, samples, levels: waveLevels(samples) };
}

/** A WAV file of 16 bits in mono. */
export function writeWav(samples: Float32Array, rate = RATE): ArrayBuffer {
  const bytes = new ArrayBuffer(44 + 2 * samples.length);
  const view = new DataView(bytes);
  const text = (at: number, letters: string) => Array.from(letters).forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, bytes.byteLength - 8, true);
  text(8, "WAVEfmt ");
  [16, 0x10001, rate, 2 * rate, 0x100002].forEach((word, i) => view.setUint32(16 + 4 * i, word, true)); // PCM, 1 channel; 2 bytes, 16 bits
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(Math.min(Math.max(x, -1), 1) * 32767), true));
  return bytes;
}

function waveLevels(samples: Float32Array): Wave["levels"] {
  let ends = new Float32Array(2 * Math.ceil(samples.length / BLOCK));
  for (let i = 0; 2 * i < ends.length; i++) {
    let [low, high] = [Infinity, -Infinity];
    for (const x of samples.subarray(i * BLOCK, (i + 1) * BLOCK)) {
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
    ends[2 * i] = low;
    ends[2 * i + 1] = high;
  }
  const levels = [{ block: BLOCK, ends }];
  for (let block = 2 * BLOCK; ends.length > 1024; block *= 2) {
    const half = new Float32Array(2 * Math.ceil(ends.length / 4));
    for (let i = 0; i < half.length; i += 2) {
      half[i] = Math.min(ends[2 * i]!, ends[2 * i + 2] ?? Infinity);
      half[i + 1] = Math.max(ends[2 * i + 1]!, ends[2 * i + 3] ?? -Infinity);
    }
    ends = half;
    levels.push({ block, ends });
  }
  return levels;
}

export interface Spectrum {
  seconds: number;
  bands: number;
  frames: number;
  /** Frames per second. */
  rate: number;
  least: number;
  most: number;
  /** Each frame's bands as 0 to 255; then the larger of each two frames, of four, … */
  levels: { every: number; cells: Uint8Array }[];
}

/** Features of the library itself, the same numbers as a model gets; smooth: "none" or "same". */
export async function readSpectrum(file: File, smooth: string, signal: AbortSignal): Promise<Spectrum> {
  const form = new FormData();
  form.set("smooth", smooth);
  const answer = await ask("/api/features", file, form, signal);
  const rate = Number(answer.headers.get("X-Sample-Rate")) / Number(answer.headers.get("X-Hop-Length"));
  const { shape, data } = readNpy(await answer.arrayBuffer());
  const [bands = 0, frames = 0] = shape;
  let [least, most] = [Infinity, -Infinity];
  for (const x of data) {
    least = Math.min(least, x);
    most = Math.max(most, x);
  }
  const scale = 255 / Math.max(most - least, 1e-9);
  const cells = new Uint8Array(data.length);
  for (let band = 0; band < bands; band++) for (let i = 0; i < frames; i++) cells[i * bands + band] = (data[band * frames + i]! - least) * scale;
  return { seconds: frames / rate, bands, frames, rate, least, most, levels: spectrumLevels(cells, bands) };
}

function spectrumLevels(first: Uint8Array, bands: number): Spectrum["levels"] {
  const levels = [{ every: 1, cells: first }];
  for (let [cells, every] = [first, 2]; cells.length > 512 * bands; every *= 2) {
    const half = new Uint8Array(bands * Math.ceil(cells.length / bands / 2));
    for (let i = 0; i < half.length; i++) {
      const at = Math.floor(i / bands) * 2 * bands + (i % bands);
      half[i] = Math.max(cells[at]!, cells[at + bands] ?? 0);
    }
    cells = half;
    levels.push({ every, cells });
  }
  return levels;
}

/** A stretch in which somebody speaks, in seconds. */
export interface Span {
  start: number;
  end: number;
}

export async function readSpans(file: File, model: string, signal: AbortSignal): Promise<Span[]> {
  const form = new FormData();
  form.set("model", model);
  const answer = await ask("/api/spans", file, form, signal);
  return ((await answer.json()) as { spans: Span[] }).spans;
}
