// The text that a model writes on, token by token; kept while other views are shown.
import { create } from "zustand";
import { faultText } from "../../api/client";
import { complete, type Likely, type TextPiece } from "../../api/openai";

export interface Made {
  id: number;
  text: string;
  logprob: number;
  /** The likeliest in its place, the first ones first. */
  top: Likely[];
}

export interface Written {
  prompt: string;
  promptIds: number[];
  made: Made[];
}

interface State extends Written {
  state: "empty" | "running" | "done" | "failed" | "cancelled";
  finish: "stop" | "length" | null;
  fault: string | null;
  /** Tokens of this request and the seconds that they took. */
  count: number;
  seconds: number;
  /** What stood there before, the latest last. */
  before: Written[];
}

export const useWriting = create<State>(() => ({ prompt: "", promptIds: [], made: [], state: "empty", finish: null, fault: null, count: 0, seconds: 0, before: [] }));
const set = useWriting.setState;

export type Fields = Record<string, number | string | string[]>;

let writing = new AbortController();

/** Milliseconds between changes of what is shown. */
const SHOWN_EVERY = 50;

const madeOf = ({ choices }: TextPiece): Made[] =>
  choices.flatMap(({ token_ids, logprobs }) => token_ids.map((id, i) => ({ id, text: logprobs?.tokens[i] ?? "", logprob: logprobs?.token_logprobs[i] ?? 0, top: logprobs?.top_tokens[i] ?? [] })));

/** Writes on from a prompt, or from what stands there: its first tokens, and perhaps another one behind them. */
export async function write(fields: Fields, from: string | Made[]): Promise<void> {
  writing.abort();
  const control = (writing = new AbortController());
  const { prompt, promptIds, made, before } = useWriting.getState();
  const fresh = typeof from === "string";
  const old = made.length === 0 ? before : [...before.slice(-49), { prompt, promptIds, made }];
  const kept = fresh ? [] : from;
  set({ state: "running", finish: null, fault: null, count: 0, seconds: 0, made: kept, before: old, ...(fresh ? { prompt: from, promptIds: [] } : {}) });
  const change = (part: Partial<State> | ((state: State) => Partial<State>)) => writing === control && set(part);
  const begun = performance.now();
  let [pending, told]: [Made[], number] = [[], 0];
  const tell = () => {
    const more = pending;
    pending = [];
    told = performance.now();
    change((state) => ({ made: [...state.made, ...more], count: state.count + more.length, seconds: (told - begun) / 1000 }));
  };
  try {
    for await (const piece of complete(fresh ? from : [...promptIds, ...kept.map(({ id }) => id)], fields, control.signal)) {
      pending.push(...madeOf(piece));
      const { prompt_token_ids: ids, finish_reason: finish } = piece.choices[0] ?? {};
      if (fresh && ids) change({ promptIds: ids });
      if (finish) change({ finish });
      if (performance.now() - told < SHOWN_EVERY) continue;
      tell();
      await new Promise((resolve) => setTimeout(resolve)); // the page stays usable however fast tokens come
    }
    tell();
    change({ state: "done" });
  } catch (fault) {
    tell();
    if (control.signal.aborted) change({ state: "cancelled" });
    else change({ state: "failed", fault: faultText(fault) });
  }
}

export const cancelWriting = (): void => writing.abort();

/** Back to what stood there before. */
export function undo(): void {
  writing.abort();
  writing = new AbortController();
  set(({ before }) => ({ ...before.at(-1), before: before.slice(0, -1), state: "done", finish: null, fault: null, count: 0 }));
}
