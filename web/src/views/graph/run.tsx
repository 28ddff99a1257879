// The line that says how the run that is shown goes.
import { api } from "../../api/client";
import type { Run } from "../../api/types";
import { formatCount, formatSeconds } from "../../components/format";
import { StateBadge } from "../../components/run-state";
import { Progress } from "../../components/states";
import { hrefTo, useAddress } from "../../state/address";
import { goesOn } from "../../state/live";
import { attempt, useStore } from "../../state/store";
import { texts } from "../../texts";

const t = texts.run;

/** What became of a run, or how far it is. */
function Course({ run }: { run: Run }) {
  const progress = useStore((state) => state.progress[run.id]);
  const lost = useStore((state) => state.lost);
  const facts = [
    run.seconds !== null && formatSeconds(run.seconds),
    run.backends,
    !goesOn(run) && (run.kind === "graph" || run.kept > 0) && t.kept(formatCount(run.kept)),
    run.dropped > 0 && t.dropped(formatCount(run.dropped)),
    lost > 0 && t.lost(formatCount(lost)),
  ].filter(Boolean);
  return (
    <>
      {goesOn(run) && (
        <div className="run-progress">
          <Progress done={progress?.done ?? 0} total={progress?.total ?? 0} label={t.progress} />
        </div>
      )}
      {run.state === "running" && progress?.node && (
        <span className="ellipsis">
          {progress.node.op_type} <span className="mono muted">{progress.node.name}</span>
        </span>
      )}
      <span className="muted ellipsis grow">{facts.join(" · ")}</span>
      {goesOn(run) && <button onClick={() => void attempt(() => api.cancel(run.id))}>{t.cancel}</button>}
    </>
  );
}

/** The run that is shown; `id` is that of the address, which may be kept no more. */
export function RunLine({ id, run }: { id: string; run: Run | null }) {
  const told = useStore((state) => state.runsTold);
  const { view } = useAddress();
  if (run === null) return told ? <div className="run-line muted">{t.gone(id)}</div> : null;
  return (
    <section className="run-line" aria-label={t.title}>
      <span>{t.name(run.id)}</span>
      <StateBadge state={run.state} live />
      <Course run={run} />
      {run.kind === "job" && view !== "job" && <a href={hrefTo({ view: "job", query: { run: run.id, tab: "run" } })}>{texts.job.title}</a>}
      {run.profile && !goesOn(run) && <a href={hrefTo({ query: { panel: "profile" } })}>{texts.profile.title}</a>}
      {run.error && (
        <div className="alert" role="alert">
          {run.error.message}
        </div>
      )}
    </section>
  );
}
