import type { RunState } from "../api/types";
import { texts } from "../texts";

const kinds = { queued: "", running: "accent", done: "good", failed: "bad", cancelled: "warn" } as const;

export function StateBadge({ state, live = false }: { state: RunState; live?: boolean }) {
  return (
    <span {...(live ? { role: "status" } : {})} className={`badge ${kinds[state]}`}>
      {texts.run.states[state]}
    </span>
  );
}
