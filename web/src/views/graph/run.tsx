// Running the graph that is shown: the form that starts a run, and the line that says how it goes.
import { useState } from "react";
import { api, faultText } from "../../api/client";
import type { Field, ModelDetail, Run, Value } from "../../api/types";
import { Dialog } from "../../components/dialog";
import { DialogForm } from "../../components/dialog-form";
import { emptyForm, fieldFault, formResult, SchemaForm } from "../../components/form";
import { formatCount, formatSeconds } from "../../components/format";
import { StateBadge } from "../../components/run-state";
import { Progress, Shown, useAsked } from "../../components/states";
import { goTo, hrefTo, useAddress } from "../../state/address";
import { goesOn } from "../../state/live";
import { attempt, modelDetail, startRun, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { Loaded } from ".";
import { givenFault, InputFields, nothingGiven, sentInputs, type Given } from "./inputs";

const t = texts.run;
const LENGTH = 8; // of a symbolic dim, to begin with

/** Symbolic dims of the inputs with a size that suits most graphs: 1 for what is never more than the number of inputs in a batch. */
export function symbolsOf(inputs: Value[], known: string[]): { name: string; size: number }[] {
  const batch = new Map<string, boolean>();
  for (const { dims } of inputs)
    dims.forEach((dim, k) => {
      if (typeof dim !== "string" || !(known.includes(dim) || /^[A-Za-z_][\w./:-]*$/.test(dim))) return;
      batch.set(dim, (batch.get(dim) ?? true) && k === 0 && dims.length > 1);
    });
  return [...batch].map(([name, first]) => ({ name, size: first || /batch/i.test(name) ? 1 : LENGTH }));
}

async function asked(loaded: Loaded): Promise<{ detail: ModelDetail; inputs: Value[] }> {
  const { model, view } = loaded.place;
  const detail = await modelDetail(model);
  if (view.call === undefined || view.call === detail.calls[0]) return { detail, inputs: detail.inputs };
  const values = await api.values(model, 0, { call: view.call });
  return { detail, inputs: values.filter((value) => value.role === "input") };
}

const DIM = "dim ";
const isDim = (field: Field) => field.name.startsWith(DIM);

/** Sizes of the dims of these inputs, and what can be chosen for any run. */
function fieldsOf(inputs: Value[], detail: ModelDetail, inside: boolean): Field[] {
  const flag = (name: string, label: string, doc: string, on: boolean): Field => ({ name, label, doc, type: "boolean", required: true, default: on });
  return [
    ...symbolsOf(inputs, detail.symbols).map(({ name, size }): Field => ({ name: DIM + name, label: t.dim(name), doc: "", type: "integer", required: true, default: size })),
    { name: "seed", label: t.seed, doc: t.seedHint, type: "integer", required: true, default: 0 },
    { name: "backends", label: t.backend, doc: t.backendHint, type: "enum", required: false, choices: detail.backends },
    flag("keep", t.keep, t.keepHint, true),
    flag("keep_inside", t.keepInside, "", inside),
    flag("profile", t.profile, t.profileHint, false),
    flag("oracle", t.oracle, t.oracleHint, false),
  ];
}

interface Props {
  loaded: Loaded;
  onClose: () => void;
}

function RunForm({ loaded, detail, inputs, onClose }: Props & { detail: ModelDetail; inputs: Value[] }) {
  const [given, setGiven] = useState<Record<string, Given>>(() => Object.fromEntries(inputs.map((input) => [input.name, nothingGiven])));
  const random = inputs.filter((input) => given[input.name]?.way === "random");
  const all = fieldsOf(inputs, detail, loaded.holder !== null);
  const fields = [...fieldsOf(random, detail, false).filter(isDim), ...all.filter((field) => !isDim(field))];
  const [state, setState] = useState(() => emptyForm(all));
  const [strict, setStrict] = useState(false);
  const [going, setGoing] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const send = async () => {
    setStrict(true);
    const faults = [...fields.map((field) => fieldFault(field, state[field.name])), ...inputs.map((input) => givenFault(given[input.name] ?? nothingGiven))];
    if (faults.some((found) => found !== null)) return;
    setGoing(true);
    setFault(null);
    try {
      const { model, view } = loaded.place;
      const call = view.call ?? detail.calls[0];
      const { backends, oracle, keep, keep_inside, profile, seed } = formResult(fields, state).options;
      const sent = sentInputs(given);
      const run = await startRun(
        {
          model,
          kind: "graph",
          ...(call === undefined ? {} : { call }),
          ...(backends === undefined ? {} : { backends: String(backends) }),
          dims: Object.fromEntries(fields.filter(isDim).map((field) => [field.name.slice(DIM.length), Number(state[field.name])])),
          inputs: sent.inputs,
          seed: Number(seed),
          keep: keep ? ["*"] : [],
          keep_inside: keep_inside === true,
          oracle: oracle === true,
          profile: profile === true,
        },
        sent.files,
      );
      goTo({ query: { run: run.id }, replace: true });
      onClose();
    } catch (failure) {
      setFault(faultText(failure));
      setGoing(false);
    }
  };
  return (
    <DialogForm
      hint={t.hint}
      fault={fault}
      onSubmit={() => void send()}
      onClose={onClose}
      actions={
        <button type="submit" className="primary" disabled={going}>
          {t.start}
        </button>
      }
    >
      <InputFields inputs={inputs} given={given} strict={strict} onChange={setGiven} />
      <SchemaForm fields={fields} state={state} strict={strict} onChange={setState} />
    </DialogForm>
  );
}

export function RunDialog({ loaded, onClose }: Props) {
  const { model, view } = loaded.place;
  const found = useAsked(JSON.stringify([model, view.call ?? null]), () => asked(loaded));
  return (
    <Dialog title={t.title} onClose={onClose}>
      <Shown asked={found}>{(data) => <RunForm loaded={loaded} onClose={onClose} {...data} />}</Shown>
    </Dialog>
  );
}

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
