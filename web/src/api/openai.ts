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
  no_speech_prob: number;
  /** As below, not of speech that is transcribed live. */
  temperature?: number;
  compression_ratio?: number;
  words?: SpeechWord[];
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
