// A recording while it is made, and the text that the server makes of it meanwhile.
import { create } from "zustand";
import { faultText } from "../../api/client";
import type { SpeechSegment } from "../../api/openai";
import { socket } from "../../api/socket";
import type { ServerMessage } from "../../api/types";
import { currentAddress } from "../../state/address";
import { notify } from "../../state/store";
import { texts } from "../../texts";
import { capture } from "./capture";
import { openRecording, type Heard } from "./recording";
import { RATE, writeWav } from "./sound";

export interface Live {
  /** Whose text it is; null: it is recorded only. */
  model: string | null;
  seconds: number;
  /** Largest magnitude of the last 100 ms. */
  level: number;
  /** Final: these do not change any more. */
  segments: SpeechSegment[];
  /** Of the last segment. */
  language: string;
  /** What comes next; its beginning `stable` was said twice. */
  partial: { text: string; stable: string } | null;
  /** It is at its end, and waits for the last of the text. */
  ending: boolean;
  /** Why there is no more text. */
  fault: string | null;
}

export const useLive = create<{ live: Live | null }>(() => ({ live: null }));
const change = (part: Partial<Live>) => useLive.setState(({ live }) => ({ live: live && { ...live, ...part } }));

const PIECE = RATE / 10; // samples that are shown and sent at once

function joined(blocks: Float32Array[]): Float32Array {
  const all = new Float32Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  return all;
}

interface Following {
  send: (samples: Float32Array) => void;
  /** Resolves when the last text is there. */
  end: () => Promise<void>;
}

/** Has a model write what is sent. Samples wait until the server listens. fields: members of its message `listen`. */
function follow(model: string, fields: Record<string, string>): Following {
  const id = socket.newId();
  const waiting: Float32Array[] = [];
  let state: "waiting" | "listening" | "over" = "waiting";
  let settle = () => {};
  const ended = new Promise<void>((resolve) => (settle = resolve));
  const end = (fault: string | null) => {
    state = "over";
    for (const stop of ends) stop();
    change({ fault, partial: null });
    settle();
  };
  const hear = (message: ServerMessage) => {
    if (!("id" in message) || message.id !== id) return;
    if (message.op === "listening") {
      state = "listening";
      for (const samples of waiting) socket.sendBinary(samples);
    } else if (message.op === "partial") change({ partial: message });
    else if (message.op === "final") {
      const before = useLive.getState().live?.segments ?? [];
      change({ partial: null, language: message.language, segments: [...before, ...message.segments.map((segment, i) => ({ ...segment, id: before.length + i }))] });
    } else if (message.op === "stopped") end(null);
    else if (message.op === "error") end(message.message);
  };
  socket.connect();
  const ends = [socket.messages(hear), socket.states((connection) => connection === "closed" && end(texts.speech.lost))];
  socket.send({ op: "listen", id, model, rate: RATE, format: "f32le", words: true, ...fields });
  return {
    send: (samples) => {
      if (state === "waiting") waiting.push(samples);
      else if (state === "listening") socket.sendBinary(samples);
    },
    end: () => {
      if (state !== "over") socket.send({ op: "stop" });
      return ended;
    },
  };
}

let stop = () => {};

/** Records until `stopListening`; then what was heard is the page's recording, with the text that is there already. */
export async function listen(model: string | null, fields: Record<string, string>): Promise<void> {
  let stopped = false;
  stop = () => (stopped = true);
  useLive.setState({ live: { model, seconds: 0, level: 0, segments: [], language: "", partial: null, ending: false, fault: null } });
  const blocks: Float32Array[] = [];
  let fresh: Float32Array[] = [];
  let following: Following | null = null;
  const pass = () => {
    const samples = joined(fresh);
    fresh = [];
    if (samples.length === 0) return;
    blocks.push(samples);
    following?.send(samples);
    change({ seconds: (useLive.getState().live?.seconds ?? 0) + samples.length / RATE, level: samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0) });
  };
  try {
    const end = await capture((samples) => {
      fresh.push(samples);
      if (fresh.length * samples.length >= PIECE) pass();
    });
    if (model !== null && !stopped) following = follow(model, fields);
    stop = () => {
      stop = () => {};
      end();
      pass();
      change({ ending: true });
      void (following?.end() ?? Promise.resolve()).then(() => keep(joined(blocks)));
    };
    if (stopped) stop();
  } catch (fault) {
    useLive.setState({ live: null });
    notify("error", texts.speech.noMicrophone(faultText(fault)));
  }
}

export const stopListening = (): void => stop();

function keep(samples: Float32Array): void {
  const { live } = useLive.getState();
  useLive.setState({ live: null });
  if (!live || samples.length === 0) return;
  const { model, segments, language, fault } = live;
  const text = segments.map((segment) => segment.text.trim()).join(" ");
  const heard: Heard | null = model === null || fault !== null ? null : { state: "done", model, segments, end: { task: "transcribe", language, duration: samples.length / RATE, text }, fault };
  openRecording(new File([writeWav(samples)], `${texts.speech.microphone}.wav`, { type: "audio/wav" }), heard, currentAddress().view === "speech");
}
