// Transcripts as files, as `sibyl transcribe` writes them.
import type { Heard } from "./recording";
import type { SpeechSegment } from "../../api/openai";

const padded = (n: number, digits: number) => String(n).padStart(digits, "0");

/** "00:01.500", with hours before it where they are wanted or not 0. */
function time(seconds: number, hours: boolean, point: string): string {
  const ms = Math.round(seconds * 1000);
  const rest = `${padded(Math.floor(ms / 60_000) % 60, 2)}:${padded(Math.floor(ms / 1000) % 60, 2)}${point}${padded(ms % 1000, 3)}`;
  return hours || ms >= 3_600_000 ? `${padded(Math.floor(ms / 3_600_000), 2)}:${rest}` : rest;
}

/** Times are those of the words where they are known; "-->" would end a cue's times. */
function cue({ start, end, text, words = [] }: SpeechSegment, hours: boolean, point: string): string {
  const [from, to] = [words[0]?.start ?? start, words.at(-1)?.end ?? end];
  return `${time(from, hours, point)} --> ${time(to, hours, point)}\n${text.trim().replaceAll("-->", "->")}\n\n`;
}

export const formats: Record<string, { type: string; write: (heard: Heard) => string }> = {
  txt: { type: "text/plain", write: ({ segments }) => segments.map(({ text }) => `${text.trim()}\n`).join("") },
  srt: { type: "application/x-subrip", write: ({ segments }) => segments.map((segment, i) => `${i + 1}\n${cue(segment, true, ",")}`).join("") },
  vtt: { type: "text/vtt", write: ({ segments }) => `WEBVTT\n\n${segments.map((segment) => cue(segment, false, ".")).join("")}` },
  json: { type: "application/json", write: ({ end, segments }) => `${JSON.stringify({ ...end, type: undefined, segments: segments.map((segment) => ({ ...segment, type: undefined })) }, null, 2)}\n` },
};
