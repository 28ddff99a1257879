// A value that is a sound: its waveform along an axis, which is played.
import { useEffect, useMemo, useState } from "react";
import { formatNumber, formatSeconds } from "../../components/format";
import { Plot } from "../../components/plot";
import { saveFile } from "../../components/save";
import { Shown } from "../../components/states";
import { goTo, numberOf, useAddress } from "../../state/address";
import { texts } from "../../texts";
import { usePlayer } from "../speech/player";
import { writeWav } from "../speech/sound";
import type { DrawingProps } from "./drawings";
import { sizeOf, usePlane, type Plane } from "./plane";

const t = texts.value;
const [MIN_SAMPLES, MAX_SAMPLES] = [64, 1 << 24];
const [MIN_RATE, MAX_RATE, USUAL_RATE] = [1000, 192_000, 16_000];
const POINTS = 2000; // of the drawing; each is a least and a greatest sample

export const soundSuits = (shape: number[]): boolean => shape.some((size) => size >= MIN_SAMPLES && size <= MAX_SAMPLES);

/** Samples for a player: what is not finite is silence, and what is louder than full scale makes all quieter. */
function samplesOf(plane: Plane): { samples: Float32Array; peak: number } {
  const samples = Float32Array.from(plane.values, Number).map((x) => (Number.isFinite(x) ? x : 0));
  const peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return { samples: peak > 1 ? samples.map((x) => x / peak) : samples, peak };
}

/** The least and the greatest of each stretch, one after the other. */
function outline(values: ArrayLike<number | bigint>, rate: number): { x: number[]; y: number[] } {
  const step = Math.max(Math.ceil(values.length / POINTS), 1);
  const [x, y]: [number[], number[]] = [[], []];
  for (let from = 0; from < values.length; from += step) {
    let [low, high] = [Infinity, -Infinity];
    for (let i = from; i < Math.min(from + step, values.length); i++) {
      const sample = Number(values[i]);
      if (sample < low) low = sample;
      if (sample > high) high = sample;
    }
    if (low > high) continue; // none is a number
    x.push(from / rate, (from + step / 2) / rate);
    y.push(low, high);
  }
  return { x, y };
}

/** A file's address in the page, for the element that plays it. */
function useUrl(content: Blob): string {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(content);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [content]);
  return url;
}

function RateField({ rate }: { rate: number }) {
  const [text, setText] = useState(String(rate));
  const fine = /^\d+$/.test(text) && Number(text) >= MIN_RATE && Number(text) <= MAX_RATE;
  return (
    <label className="row tight">
      <span className="muted">{t.sampleRate}</span>
      <input
        className="index"
        inputMode="numeric"
        aria-invalid={!fine}
        title={t.sampleRates(MIN_RATE, MAX_RATE)}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => fine && goTo({ query: { rate: Number(text) === USUAL_RATE ? null : text }, replace: true })}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
    </label>
  );
}

function Sounding({ plane, name }: { plane: Plane; name: string }) {
  const wanted = numberOf(useAddress(), "rate") ?? USUAL_RATE;
  const rate = Number.isInteger(wanted) && wanted >= MIN_RATE && wanted <= MAX_RATE ? wanted : USUAL_RATE;
  const { samples, peak } = useMemo(() => samplesOf(plane), [plane]);
  const wav = useMemo(() => new Blob([writeWav(samples, rate)], { type: "audio/wav" }), [samples, rate]);
  const { x, y } = useMemo(() => outline(plane.values, rate), [plane, rate]);
  const player = usePlayer(useUrl(wav));
  const seconds = samples.length / rate;
  return (
    <>
      <div className="row wrap">
        <button className="primary" onClick={player.toggle}>
          {player.playing ? texts.speech.pause : texts.speech.play}
        </button>
        <input type="range" aria-label={texts.speech.position} min={0} max={seconds} step="any" value={Math.min(player.at, seconds)} onChange={(event) => player.seek(Number(event.target.value))} />
        <span className="mono" role="status">
          {t.soundAt(player.at.toFixed(2), formatSeconds(seconds))}
        </span>
        <RateField key={rate} rate={rate} />
        <button onClick={() => saveFile(`${name.replace(/[^\w.-]+/g, "_")}.wav`, wav)}>.wav</button>
        {peak > 1 && <span className="muted">{t.louder(formatNumber(peak, 3))}</span>}
        {player.broken && <span className="muted">{texts.speech.noSound}</span>}
      </div>
      <Plot label={t.waveform} xLabel={t.seconds} yLabel={t.element} x={x} y={y} onPick={(i) => player.play(x[i] ?? 0)} />
    </>
  );
}

export function Sound({ value, axes }: DrawingProps) {
  const along = axes.columns ?? axes.rows;
  const size = sizeOf(value.shape, along);
  const range = useMemo(() => ({ begin: 0, count: Math.min(size, MAX_SAMPLES), step: 1 }), [size]);
  const plane = usePlane(value, { rows: null, columns: along, channel: null, at: axes.at }, { begin: 0, count: 1, step: 1 }, range);
  if (size < MIN_SAMPLES || size > MAX_SAMPLES) return <p className="muted">{t.noSound(MIN_SAMPLES, MAX_SAMPLES)}</p>;
  return <Shown asked={plane}>{(data) => <Sounding plane={data} name={value.name} />}</Shown>;
}
