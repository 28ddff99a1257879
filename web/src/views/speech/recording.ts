// The recording that the page has, and what was heard in it; kept while other views are shown.
import { create } from "zustand";
import { transcribe, type SpeechEnd, type SpeechSegment } from "../../api/openai";
import { faultText } from "../../api/client";
import { goTo } from "../../state/address";
import { readSpans, readSpectrum, readWave, type Span, type Spectrum, type Wave } from "./sound";

export type Averaging = "none" | "same";

export interface Heard {
  state: "running" | "done" | "failed" | "cancelled";
  model: string;
  segments: SpeechSegment[];
  end: SpeechEnd | null;
  fault: string | null;
}

interface State {
  file: File | null;
  /** For the element that plays it. */
  url: string;
  /** null while it is decoded; a text: why the browser cannot. */
  wave: Wave | string | null;
  /** Plain and smoothed; as above, and missing until somebody looks. */
  spectra: Partial<Record<Averaging, Spectrum | string>>;
  /** Where somebody speaks; null until somebody looks, a text: why it is not known. */
  spans: Span[] | string | null;
  heard: Heard | null;
}

const empty = { file: null, url: "", wave: null, spectra: {}, spans: null, heard: null };
export const useRecording = create<State>(() => empty);
const set = useRecording.setState;

let hearing = new AbortController();
let reading = new AbortController();

/** Takes the place of the recording before, and shows it. heard: what is known to be said in it. */
export function openRecording(file: File, heard: Heard | null = null, show = true): void {
  hearing.abort();
  reading.abort();
  reading = new AbortController();
  const before = useRecording.getState().url;
  if (before !== "") URL.revokeObjectURL(before);
  set({ ...empty, file, heard, url: URL.createObjectURL(file) });
  const keep = (wave: Wave | string) => useRecording.getState().file === file && set({ wave });
  readWave(file).then(keep, (fault: unknown) => keep(faultText(fault)));
  if (show) goTo({ view: "speech", query: { recording: file.name, from: null, to: null } });
}

const asked = new WeakMap<File, Set<Averaging>>();

/** Asks for features of the recording once. */
export function wantSpectrum(kind: Averaging): void {
  const { file } = useRecording.getState();
  if (!file || asked.get(file)?.has(kind)) return;
  asked.set(file, (asked.get(file) ?? new Set()).add(kind));
  const keep = (spectrum: Spectrum | string) => useRecording.getState().file === file && set((state) => ({ spectra: { ...state.spectra, [kind]: spectrum } }));
  readSpectrum(file, kind, reading.signal).then(keep, (fault: unknown) => keep(faultText(fault)));
}

/** Asks a model where somebody speaks, once. */
export function wantSpans(model: string): void {
  const { file, spans } = useRecording.getState();
  if (!file || spans !== null || spansOf === file) return;
  spansOf = file;
  const keep = (found: Span[] | string) => useRecording.getState().file === file && set({ spans: found });
  readSpans(file, model, reading.signal).then(keep, (fault: unknown) => keep(faultText(fault)));
}
let spansOf: File | null = null;

export interface Wishes {
  model: string;
  translate: boolean;
  fields: Record<string, string>;
}

/** Transcribes the recording, in the place of what was heard before. */
export async function hear({ model, translate, fields }: Wishes): Promise<void> {
  const { file } = useRecording.getState();
  if (!file) return;
  hearing.abort();
  const control = (hearing = new AbortController());
  const change = (part: Partial<Heard>) => hearing === control && set((state) => ({ heard: state.heard && { ...state.heard, ...part } }));
  set({ heard: { state: "running", model, segments: [], end: null, fault: null } });
  try {
    for await (const event of transcribe(file, translate, { ...fields, model }, control.signal)) {
      if (event.type === "transcript.text.done") change({ state: "done", end: event });
      else change({ segments: [...(useRecording.getState().heard?.segments ?? []), event] });
    }
  } catch (fault) {
    if (control.signal.aborted) change({ state: "cancelled" });
    else change({ state: "failed", fault: faultText(fault) });
  }
}

export const cancelHearing = (): void => hearing.abort();
