// Digests of some values of a run, as they come: over the WebSocket while the run goes on, and from what it has kept.
import { useEffect, useReducer, useRef } from "react";
import { api } from "../api/client";
import { seenInAnswer, seenInFrame, type Seen } from "../api/digest";
import { socket } from "../api/socket";
import type { Run, Subscription } from "../api/types";

const MAX_NAMES = 64; // of a subscription
const MAX_BYTES = 256; // of a name
const INTERVAL = 0.1; // seconds between two iterations of a value: a loop sends more than a browser reads

/** Names in loops without the number of the turn: "loops[3]/d" is "loops[*]/d". */
export const withoutTurns = (name: string): string => name.replace(/\[\d+\]\//g, "[*]/");

/** A glob for a name, whose "[*]/" stands for every turn and whose other characters stand for themselves. */
export const globOf = (name: string): string =>
  name
    .split("[*]/")
    .map((part) => part.replace(/[[*?\\]/g, "[$&]"))
    .join("[[]*]/");

/** What stands before the names of values inside a model that a job calls, in what its run keeps: "decoder/step[*]/model/h". */
export const prefixOfCall = (call: string): string => `${call}/step[*]/model/`;

/** The call and the name in its model, of a value inside a model that a job calls; null: a value of a node. */
function insideCall(name: string): [call: string, inside: string] | null {
  const found = /^(.+?)\/step\[\*\]\/model\/(.+)$/s.exec(name);
  return found ? [found[1]!, found[2]!] : null;
}

/** What is followed of a run, all of it in one graph, and what stands before the names in its frames; null: nothing comes live. */
function followed(run: Run, names: string[]): { wanted: Pick<Subscription, "call" | "names">; prefix: string } | null {
  if (run.kind === "graph") return { wanted: { ...(run.call === null ? {} : { call: run.call }), names: names.map(globOf) }, prefix: "" };
  const inside = names.map(insideCall).filter((found) => found !== null);
  const call = inside[0]?.[0];
  return call === undefined ? null : { wanted: { call, names: inside.map(([, name]) => globOf(name)) }, prefix: prefixOfCall(call) };
}

export const goesOn = (run: Run): boolean => run.state === "queued" || run.state === "running";

const PAGE = 1000; // of kept values

/** The names with which a run kept a value, in loops one for each iteration of the last page of them; [] where it has not. */
export async function namesOf(run: string, name: string): Promise<string[]> {
  const q = name.split("[*]/").at(-1) ?? name;
  const first = await api.runValues(run, { q, count: PAGE });
  for (let end = first.total; end > 0; end -= PAGE) {
    const from = Math.max(end - PAGE, 0);
    const { values } = from === 0 ? first : await api.runValues(run, { q, from, count: end - from });
    const found = values.map((value) => value.name).filter((other) => withoutTurns(other) === name);
    if (found.length > 0) return [...new Set(found)];
  }
  return [];
}

async function kept(run: string, name: string): Promise<Seen | null> {
  const exact = (await namesOf(run, name)).at(-1);
  if (exact === undefined) return null;
  const value = await api.runValue(run, exact);
  return seenInAnswer(value.digest, value.dtype, value.shape);
}

/** Digests by name, of those that have come. `names`: as withoutTurns writes them. */
export function useSeen(run: Run | null, names: string[], inside: boolean): ReadonlyMap<string, Seen> {
  const known = useRef({ run: "", seen: new Map<string, Seen>(), final: new Set<string>() });
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const id = run?.id ?? "";
  if (known.current.run !== id) known.current = { run: id, seen: new Map(), final: new Set() };
  const wanted = names.filter((name) => new TextEncoder().encode(globOf(name)).length <= MAX_BYTES).slice(0, MAX_NAMES);
  const key = JSON.stringify(wanted);
  const open = run !== null && goesOn(run);
  const full = run !== null && run.dropped > 0; // what came live may be later than what found room

  useEffect(() => {
    const follow = run !== null && open && wanted.length > 0 ? followed(run, wanted) : null;
    if (follow === null) return;
    const subscription = socket.newId();
    let frame = 0;
    const endFrames = socket.frames((got) => {
      if (got.header.id !== subscription || got.header.op !== "digest") return;
      known.current.seen.set(follow.prefix + withoutTurns(got.header.name), seenInFrame(got));
      if (frame === 0)
        frame = requestAnimationFrame(() => {
          frame = 0;
          redraw();
        });
    });
    const end = socket.subscribe(subscription, { run: id, ...follow.wanted, inside, values_only: true, interval: INTERVAL });
    return () => {
      end();
      endFrames();
      cancelAnimationFrame(frame);
    };
  }, [id, open, key, inside]);

  useEffect(() => {
    if (id === "") return;
    const store = known.current;
    let late = false;
    for (const name of wanted) {
      if (open ? store.seen.has(name) : store.final.has(name)) continue;
      kept(id, name).then(
        (seen) => {
          if (late) return;
          if (!open) store.final.add(name);
          if (seen !== null && !((open || full) && store.seen.has(name))) store.seen.set(name, seen);
          redraw();
        },
        () => undefined, // the run was forgotten meanwhile: there is nothing to show
      );
    }
    return () => {
      late = true;
    };
  }, [id, open, key]);
  return known.current.seen;
}
