import { offline } from "../../session/answers";
import { nested, type NestedInput, type NestedLayout } from "./nested";

let worker: Worker | null = null;
let asks = 0;
const waiting = new Map<number, { resolve: (layout: NestedLayout) => void; reject: (fault: Error) => void }>();

function start(): Worker {
  const made = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
  made.onmessage = ({ data }: MessageEvent<{ ask: number; layout: NestedLayout }>) => {
    waiting.get(data.ask)?.resolve(data.layout);
    waiting.delete(data.ask);
  };
  made.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message));
    waiting.clear();
    worker = null;
  };
  return made;
}

/** Lays out in a worker, which a file that stands alone has not. */
export function layOut(input: NestedInput): Promise<NestedLayout> {
  if (offline) return Promise.resolve(nested(input));
  worker ??= start();
  const ask = asks++;
  return new Promise((resolve, reject) => {
    waiting.set(ask, { resolve, reject });
    worker?.postMessage({ ask, input });
  });
}
