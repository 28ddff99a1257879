import { useEffect } from "react";
import { Empty } from "../../components/states";
import { currentAddress, type Address } from "../../state/address";
import type { Model } from "../../api/types";
import { texts } from "../../texts";
import { clock } from "./draw";
import { listen, stopListening, type Live } from "./listening";
import { Segments } from "./transcript";

const t = texts.speech;

/** Records from the microphone; with a model, what is said is transcribed meanwhile, with the options of the address. */
export function Microphone({ model, address }: { model: Model | null; address: Address }) {
  const fields = Object.fromEntries(["language", "prompt"].flatMap((name) => (address.query[name] ? [[name, address.query[name]]] : [])));
  return (
    <button onClick={() => void listen(model?.id ?? null, fields)}>
      <span className="record-dot" aria-hidden="true" />
      {t.record}
    </button>
  );
}

/** What is said while it is recorded: what is final, then what may still change. */
export function Listening({ live }: { live: Live }) {
  const { model, seconds, level, segments, partial, ending, fault } = live;
  useEffect(() => () => void (currentAddress().view !== "speech" && stopListening()), []);
  return (
    <div className="speech-page">
      <div className="speech-bar">
        <button aria-pressed="true" disabled={ending} onClick={stopListening}>
          <span className="record-dot on" aria-hidden="true" />
          {t.stopRecording(clock(seconds, 0))}
        </button>
        <meter aria-label={t.level} value={Math.sqrt(level)} />
        <span className="muted" role="status">
          {ending ? t.ending : fault !== null ? "" : model === null ? t.recordingOnly : t.listening(model)}
        </span>
      </div>
      {fault !== null && (
        <div className="alert" role="alert">
          {t.noText(fault)}
        </div>
      )}
      <section className="transcript" aria-label={t.transcript} tabIndex={0}>
        {segments.length === 0 && partial === null && <Empty title={model === null || fault !== null ? t.recording : t.speak} />}
        <Segments segments={segments}>
          {partial !== null && (
            <li className="partial" ref={(line) => line?.scrollIntoView({ block: "nearest" })}>
              <span className="words">
                {partial.stable}
                <span className="muted">{partial.text.slice(partial.stable.length)}</span>
              </span>
            </li>
          )}
        </Segments>
      </section>
    </div>
  );
}
