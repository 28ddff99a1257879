import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { fieldFault, formResult, SchemaForm, type FormState } from "../../components/form";
import { ModelChoice, modelsOf } from "../../components/model-choice";
import { Panel } from "../../components/panel";
import { formatSeconds } from "../../components/format";
import { saveFile } from "../../components/save";
import { Empty, Waiting } from "../../components/states";
import { goTo, numberOf, type Address } from "../../state/address";
import { useStore } from "../../state/store";
import type { Field, Model } from "../../api/types";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { AttentionMap } from "./attention";
import { clock, type Range } from "./draw";
import { formats } from "./formats";
import { useLive } from "./listening";
import { Listening, Microphone } from "./microphone";
import { usePlayer } from "./player";
import { cancelHearing, hear, openRecording, useRecording, wantSpans, wantSpectrum, type Averaging } from "./recording";
import type { Span } from "./sound";
import { moved, Timeline } from "./timeline";
import { Transcript, wordAt, wordsOf } from "./transcript";
import "./speech.css";

const t = texts.speech;

const fields: Field[] = [
  { name: "language", type: "string" as const },
  { name: "translate", type: "boolean" as const },
  { name: "prompt", type: "string" as const },
  { name: "temperature", type: "number" as const },
  { name: "beam_size", type: "integer" as const },
].map((field) => ({ ...field, required: false, ...t.fields[field.name as keyof typeof t.fields] }));

function Choose({ primary }: { primary?: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button className={primary ? "primary" : ""} onClick={() => input.current?.click()}>
        {t.choose}
      </button>
      <input
        ref={input}
        type="file"
        accept="audio/*,video/*"
        hidden
        aria-label={t.choose}
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) openRecording(file);
          event.target.value = "";
        }}
      />
    </>
  );
}

/** What the form asks for; it begins with what the address says, and the address follows when a transcription begins. */
function Options({ model, models, address }: { model: Model | null; models: Model[]; address: Address }) {
  const heard = useRecording((state) => state.heard);
  const file = useRecording((state) => state.file);
  const [state, setState] = useState<FormState>(() => Object.fromEntries(fields.map(({ name, type }) => [name, type === "boolean" ? address.query[name] === "true" : (address.query[name] ?? "")])));
  const [strict, setStrict] = useState(false);
  const running = heard?.state === "running";
  const go = () => {
    setStrict(true);
    if (!model || fields.some((field) => fieldFault(field, state[field.name]) !== null)) return;
    const { options } = formResult(fields, state);
    const { translate, ...rest } = options;
    goTo({ query: Object.fromEntries(fields.map(({ name }) => [name, options[name] === undefined || options[name] === false ? null : String(options[name])])), replace: true });
    void hear({ model: model.id, translate: translate === true, fields: Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)])) });
  };
  const begun = useRef<File | null>(heard ? file : null);
  useEffect(() => {
    if (!file || !model || begun.current === file) return;
    begun.current = file;
    go();
  }, [file, model]);
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        go();
      }}
    >
      <ModelChoice models={models} chosen={model} address={address} none={t.noModel} />
      <div className="row">
        <button type="submit" className="primary" disabled={!file || !model || running}>
          {running && <span className="spinner" />}
          {running ? t.going : heard ? t.again : t.go}
        </button>
        {running && (
          <button type="button" onClick={cancelHearing}>
            {texts.cancel}
          </button>
        )}
      </div>
      <SchemaForm fields={fields} state={state} strict={strict} onChange={setState} />
    </form>
  );
}

/** What is shown of the time axis: that of the address until the user moves it, which the address then follows. */
function useRange(address: Address, seconds: number): [Range, (range: Range) => void] {
  const [moved, setMoved] = useState<Range | null>(null);
  const [from, to] = [numberOf(address, "from"), numberOf(address, "to")];
  const file = useRecording((state) => state.file);
  useEffect(() => setMoved(null), [file]);
  useEffect(() => {
    if (!moved) return;
    const entire = moved.from <= 0 && moved.to >= seconds;
    const timer = setTimeout(() => goTo({ query: { from: entire ? null : moved.from.toFixed(3), to: entire ? null : moved.to.toFixed(3) }, replace: true }), 300);
    return () => clearTimeout(timer);
  }, [moved, seconds]);
  const given = useMemo(() => (from !== null && to !== null && from >= 0 && from < to && to <= seconds + 0.001 ? { from, to } : { from: 0, to: seconds }), [from, to, seconds]);
  return [moved ?? given, setMoved];
}

const NO_SPANS: Span[] = [];

function Page({ file, address, model, models, listener }: { file: File; address: Address; model: Model | null; models: Model[]; listener: Model | null }) {
  const { url, wave, spectra, spans, heard } = useRecording();
  const player = usePlayer(url);
  const kind: Averaging = address.query["smooth"] === "same" ? "same" : "none";
  useEffect(() => wantSpectrum(kind), [kind, file]);
  useEffect(() => {
    if (listener) wantSpans(listener.id);
  }, [listener?.id, file]);
  const spectrum = spectra[kind];
  const known = [wave, spectrum].find((one) => typeof one === "object" && one !== null);
  const seconds = typeof known === "object" && known !== null ? known.seconds : 0;
  const [range, setRange] = useRange(address, seconds);
  const words = useMemo(() => wordsOf(heard?.segments ?? []), [heard?.segments]);
  const active = wordAt(words, player.at);
  // what the server cannot read either needs no word of the browser's, so that the server's answer comes first
  const told = typeof spectrum !== "object" ? (spectrum ?? null) : typeof wave === "string" ? t.noWave(wave) : player.broken ? t.noSound : null;
  const fault = told === heard?.fault ? null : told;
  useEffect(() => {
    if (player.playing && player.at > range.to) setRange(moved(range, range.to - range.from, seconds));
  }, [player.playing, player.at, range, seconds, setRange]);
  const toggle = useCallback(() => player.toggle(), [player.toggle]);
  return (
    <div className={`speech-page${address.query["attention"] === "1" ? " attending" : ""}`}>
      <div className="speech-bar">
        <strong className="ellipsis" title={file.name}>
          {file.name}
        </strong>
        <Choose />
        <Microphone model={model} address={address} />
        <button disabled={player.broken || seconds === 0} onClick={toggle}>
          {player.playing ? t.pause : t.play}
        </button>
        <span className="mono" aria-label={t.position}>{`${clock(player.at)} / ${clock(seconds)}`}</span>
        <span className="grow" />
        <label className="row">
          {t.features}
          <select value={kind} onChange={(event) => goTo({ query: { smooth: event.target.value === "same" ? "same" : null }, replace: true })}>
            <option value="none">{t.plain}</option>
            <option value="same">{t.smoothed}</option>
          </select>
        </label>
        <label className="row">
          <input type="checkbox" checked={address.query["attention"] === "1"} onChange={(event) => goTo({ query: { attention: event.target.checked ? 1 : null }, replace: true })} />
          {t.attentionBox}
        </label>
        <div className="row" role="group" aria-label={t.save}>
          {Object.entries(formats).map(([name, { type, write }]) => (
            <button key={name} aria-label={t.saveAs(name)} disabled={heard?.state !== "done"} onClick={() => heard && saveFile(`${file.name.replace(/\.\w+$/, "")}.${name}`, new Blob([write(heard)], { type }))}>
              {name}
            </button>
          ))}
        </div>
      </div>
      {fault !== null && (
        <div className="alert" role="alert">
          {fault}
        </div>
      )}
      {seconds > 0 ? (
        <Timeline
          seconds={seconds}
          wave={typeof wave === "object" ? wave : null}
          spectrum={typeof spectrum === "object" ? spectrum : null}
          spans={typeof spans === "object" && spans !== null ? spans : NO_SPANS}
          words={words}
          active={active}
          at={player.at}
          range={range}
          onRange={setRange}
          onPlay={player.play}
          onSeek={player.seek}
          onToggle={toggle}
        />
      ) : (
        told === null && <Waiting text={t.reading} />
      )}
      {spans !== null && (
        <p className="spans muted" role="status">
          <span className="span-mark" aria-hidden="true" />
          {typeof spans === "string" ? spans : t.spans(spans.length, formatSeconds(spans.reduce((sum, { start, end }) => sum + end - start, 0)))}
        </p>
      )}
      {address.query["attention"] === "1" && <AttentionMap file={file} heard={heard} translate={address.query["translate"] === "true"} at={player.at} range={range} address={address} onPlay={player.play} />}
      <div className="speech-below">
        <section className="transcript" aria-label={t.transcript} tabIndex={0}>
          {heard ? <Transcript heard={heard} seconds={seconds} active={active} onPlay={player.play} /> : <p className="muted">{t.nothing}</p>}
        </section>
        <Panel side="right" id="speech" title={t.options} initial={300} max={600}>
          <Options model={model} models={models} address={address} />
        </Panel>
      </div>
    </div>
  );
}

export default function SpeechView({ model, address }: ViewProps) {
  const all = useStore((state) => state.models);
  const file = useRecording((state) => state.file);
  const live = useLive((state) => state.live);
  const { models, chosen } = modelsOf(all, "speech-to-text", model);
  const listener = modelsOf(all, "voice-activity", model).chosen;
  const named = address.query["recording"];
  if (live) return <Listening live={live} />;
  if (file) return <Page file={file} address={address} model={chosen} models={models} listener={listener} />;
  return (
    <Empty title={t.empty}>
      <p>{named ? t.missing(named) : t.emptyHint}</p>
      <div className="row">
        <Choose primary />
        <Microphone model={chosen} address={address} />
      </div>
    </Empty>
  );
}
