// OpenAI's routes as the page uses them: transcriptions and completions, as they come.
import { request } from "./client";
import { events } from "./events";
import { ask } from "./recordings";

export interface SpeechWord {
  word: string;
  start: number;
  end: number;
  probability: number;
}

export interface SpeechSegment {
  id: number;
  start: number;
  end: number;
  text: string;
  avg_logprob: number;
  no_speech_prob: number | null; // null: the model has none
  /** As below, not of speech that is transcribed live. */
  temperature?: number;
  compression_ratio?: number;
  words?: SpeechWord[];
  /** Hundredths of a second at which its window begins, and its tokens. */
  seek?: number;
  tokens?: number[];
}

export interface SpeechEnd {
  task: string;
  language: string;
  duration: number;
  text: string;
}

export type SpeechEvent = ({ type: "transcript.text.segment" } & SpeechSegment) | ({ type: "transcript.text.done" } & SpeechEnd);

/** A recording's segments as soon as each is final, with words; and the end. fields: of the form, those that are empty left out. */
export async function* transcribe(file: File, translate: boolean, fields: Record<string, string>, signal: AbortSignal): AsyncGenerator<SpeechEvent> {
  const form = new FormData();
  const all = { ...fields, response_format: "verbose_json", stream: "true", "timestamp_granularities[]": "word" };
  for (const [name, value] of Object.entries(all)) if (value !== "") form.set(name, value);
  yield* events<SpeechEvent>(await ask(`/v1/audio/${translate ? "translations" : "transcriptions"}`, file, form, signal));
}

export interface AttentionToken extends Likely {
  /** The likeliest in its place, the first ones first. */
  top: Likely[];
}

/** What a layer of the decoder looks at for the tokens of a window. */
export interface Attention {
  start: number;
  step: number;
  layer: number;
  layers: number;
  heads: number;
  positions: number;
  tokens: AttentionToken[];
  /** 255 times the root of each share, by head, token and position. */
  cells: Uint8Array;
}

export async function readAttention(file: File, fields: Record<string, string>, signal: AbortSignal): Promise<Attention> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== "") form.set(name, value);
  const answer = (await (await ask("/api/attention", file, form, signal)).json()) as Omit<Attention, "cells"> & { cells: string };
  return { ...answer, cells: Uint8Array.from(atob(answer.cells), (letter) => letter.charCodeAt(0)) };
}

export interface Likely {
  id: number;
  token: string;
  logprob: number;
}

export interface TextPiece {
  choices: {
    text: string;
    finish_reason: "stop" | "length" | null;
    token_ids: number[];
    prompt_token_ids?: number[];
    logprobs: { tokens: string[]; token_logprobs: number[]; top_tokens: Likely[][] } | null;
  }[];
}

/** A text as it comes, with ids and alternatives of tokens. prompt: a text, or ids. */
export async function* complete(prompt: string | number[], fields: Record<string, number | string | string[]>, signal: AbortSignal): AsyncGenerator<TextPiece> {
  const body = JSON.stringify({ ...fields, prompt, stream: true, logprobs: 5, return_token_ids: true });
  yield* events<TextPiece>(await request("/v1/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body, signal }));
}
