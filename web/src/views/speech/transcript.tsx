import { memo, useEffect, useRef, type ReactNode } from "react";
import type { SpeechSegment, SpeechWord } from "../../api/openai";
import { likelihood, LikelihoodKey, percent } from "../../components/probability";
import { Empty, Progress } from "../../components/states";
import { texts } from "../../texts";
import { clock } from "./draw";
import type { Heard } from "./recording";

const t = texts.speech;

interface Row {
  segment: SpeechSegment;
  /** Number of its first word among all. */
  first: number;
}

const Line = memo(function Line({ segment, first, active, onPlay }: Row & { active: number; onPlay?: ((seconds: number) => void) | undefined }) {
  const current = useRef<HTMLButtonElement>(null);
  useEffect(() => void current.current?.scrollIntoView({ block: "nearest" }), [active]);
  const silence = segment.no_speech_prob == null ? "" : `, ${t.noSpeech(percent(segment.no_speech_prob))}`;
  const facts = t.confidence(percent(Math.exp(segment.avg_logprob))) + silence;
  return (
    <li>
      <button className="plain mono time" title={facts} aria-label={t.playFrom(clock(segment.start))} disabled={!onPlay} onClick={() => onPlay?.(segment.start)}>
        {clock(segment.start)}
      </button>
      <span className="words">
        {segment.words?.length
          ? segment.words.map(({ word, start, probability }, i) => (
              <button
                key={i}
                ref={first + i === active ? current : null}
                className={`word ${likelihood(probability)}`}
                aria-current={first + i === active ? "true" : undefined}
                title={`${clock(start, 2)} · ${percent(probability)}`}
                disabled={!onPlay}
                onClick={() => onPlay?.(start)}
              >
                {word.trim()}
              </button>
            ))
          : segment.text.trim()}
      </span>
    </li>
  );
});

/** Segments with their words; a click plays from there. children: what comes after them. */
export function Segments({ segments, active = -1, onPlay, children }: { segments: SpeechSegment[]; active?: number; onPlay?: (seconds: number) => void; children?: ReactNode }) {
  let first = 0;
  const rows = segments.map((segment) => {
    const row = { segment, first };
    first += segment.words?.length ?? 0;
    return row;
  });
  return (
    <>
      <ol className="segments">
        {rows.map((row) => {
          const within = active >= row.first && active < row.first + (row.segment.words?.length ?? 0);
          return <Line key={row.segment.id} {...row} active={within ? active : -1} onPlay={onPlay} />;
        })}
        {children}
      </ol>
      {first > 0 && <LikelihoodKey />}
    </>
  );
}

/** What was heard in a recording, as far as it is transcribed. */
export function Transcript({ heard, seconds, active, onPlay }: { heard: Heard; seconds: number; active: number; onPlay: (seconds: number) => void }) {
  const last = heard.segments.at(-1);
  return (
    <>
      {heard.state === "running" && <Progress done={last?.end ?? 0} total={last ? seconds : 0} label={t.progress} />}
      {heard.fault !== null && (
        <div className="alert" role="alert">
          {heard.fault}
        </div>
      )}
      {heard.state === "cancelled" && <p className="alert info">{t.cancelled}</p>}
      {heard.state === "done" && !last && <Empty title={t.silent} />}
      <Segments segments={heard.segments} active={active} onPlay={onPlay} />
    </>
  );
}

export const wordsOf = (segments: SpeechSegment[]): SpeechWord[] => segments.flatMap((segment) => segment.words ?? []);

/** The word that is spoken at a time, or the last before it that ended less than 0.3 s ago; -1 where there is none. */
export function wordAt(words: SpeechWord[], seconds: number): number {
  let [low, high] = [0, words.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle]!.start <= seconds) low = middle + 1;
    else high = middle;
  }
  const word = words[low - 1];
  return word && seconds < word.end + 0.3 ? low - 1 : -1;
}
