// The form that runs a graph, or runs it twice to compare the values.
import { useEffect, useRef, useState } from "react";
import { api, faultText } from "../../api/client";
import type { Field, ModelDetail, RunRequest, Value } from "../../api/types";
import { Dialog } from "../../components/dialog";
import { DialogForm } from "../../components/dialog-form";
import { emptyForm, fieldFault, formResult, SchemaForm } from "../../components/form";
import { Shown, useAsked } from "../../components/states";
import { goTo } from "../../state/address";
import { modelDetail, refreshRuns, startRun } from "../../state/store";
import { texts } from "../../texts";
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

async function asked(model: string, call: string | undefined): Promise<{ detail: ModelDetail; inputs: Value[] }> {
  const detail = await modelDetail(model);
  if (call === undefined || call === detail.calls[0]) return { detail, inputs: detail.inputs };
  const values = await api.values(model, 0, { call });
  return { detail, inputs: values.filter((value) => value.role === "input") };
}

const DIM = "dim ";
const ORACLE = "oracle";
const isDim = (field: Field) => field.name.startsWith(DIM);

const dimsOf = (inputs: Value[], detail: ModelDetail): Field[] =>
  symbolsOf(inputs, detail.symbols).map(({ name, size }) => ({ name: DIM + name, label: t.dim(name), doc: "", type: "integer", required: true, default: size }));

/** What can be chosen for any run, and for one of two that are compared. */
function choicesOf({ backends }: ModelDetail, inside: boolean, compared: boolean): Field[] {
  const flag = (name: string, label: string, doc: string, on: boolean): Field => ({ name, label, doc, type: "boolean", required: true, default: on });
  const first: Field[] = [
    { name: "seed", label: t.seed, doc: t.seedHint, type: "integer", required: true, default: 0 },
    { name: "backends", label: t.backend, doc: t.backendHint, type: "enum", required: false, choices: backends },
  ];
  if (compared)
    return [...first, { name: "reference", label: t.reference, doc: t.referenceHint, type: "enum", required: true, choices: [ORACLE, ...backends] }, flag("by_node", t.byNode, t.byNodeHint, true)];
  return [
    ...first,
    flag("keep", t.keep, t.keepHint, true),
    flag("keep_inside", t.keepInside, "", inside),
    flag("profile", t.profile, t.profileHint, false),
    flag("oracle", t.oracle, t.oracleHint, false),
  ];
}

interface Props {
  model: string;
  /** Of a job; undefined: its first, or a graph alone. */
  call: string | undefined;
  /** Also values of milli-ops are kept, to begin with. */
  inside?: boolean;
  /** The graph runs twice, on two lists of backends, and the values are compared. */
  compared?: boolean;
  onClose: () => void;
}

interface FormProps extends Props {
  detail: ModelDetail;
  inputs: Value[];
  onCall: (call: string) => void;
}

function RunForm({ model, call: wanted, inside = false, compared = false, detail, inputs, onCall, onClose }: FormProps) {
  const [given, setGiven] = useState<Record<string, Given>>(() => Object.fromEntries(inputs.map((input) => [input.name, nothingGiven])));
  const random = inputs.filter((input) => given[input.name]?.way === "random");
  const choices = choicesOf(detail, inside, compared);
  const fields = [...dimsOf(random, detail), ...choices];
  const [state, setState] = useState(() => emptyForm([...dimsOf(inputs, detail), ...choices]));
  const [strict, setStrict] = useState(false);
  const [going, setGoing] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const control = useRef(new AbortController());
  useEffect(() => () => control.current.abort(), []); // whoever leaves waits for no comparison
  const call = wanted ?? detail.calls[0];
  /** Members of the address of what was begun. */
  const begin = async (): Promise<Record<string, string | null>> => {
    const { backends, reference, by_node, oracle, keep, keep_inside, profile, seed } = formResult(fields, state).options;
    const { inputs, files } = sentInputs(given);
    const dims = Object.fromEntries(fields.filter(isDim).map((field) => [field.name.slice(DIM.length), Number(state[field.name])]));
    const body: RunRequest = { model, kind: "graph", ...(call === undefined ? {} : { call }), ...(backends === undefined ? {} : { backends: String(backends) }), dims, inputs, seed: Number(seed) };
    if (!compared) {
      const run = await startRun({ ...body, keep: keep ? ["*"] : [], keep_inside: keep_inside === true, oracle: oracle === true, profile: profile === true }, files);
      return { run: run.id };
    }
    const other = reference === ORACLE ? { oracle: true } : { backends: String(reference) };
    const found = await api.compareBackends({ ...body, reference: other }, files, control.current.signal);
    await refreshRuns();
    return { run: found.run, with: found.with, by: by_node === true ? "node" : null };
  };
  const send = async () => {
    setStrict(true);
    const faults = [...fields.map((field) => fieldFault(field, state[field.name])), ...inputs.map((input) => givenFault(given[input.name] ?? nothingGiven))];
    if (faults.some((found) => found !== null)) return;
    setGoing(true);
    setFault(null);
    try {
      goTo({ query: await begin(), replace: !compared });
      onClose();
    } catch (failure) {
      if (control.current.signal.aborted) return;
      setFault(faultText(failure));
      setGoing(false);
    }
  };
  return (
    <DialogForm
      hint={compared ? t.compareHint : t.hint}
      fault={fault}
      onSubmit={() => void send()}
      onCancel={onClose}
      actions={
        <button type="submit" className="primary" disabled={going}>
          {going && <span className="spinner" />}
          {compared ? t.compare : t.start}
        </button>
      }
    >
      {compared && detail.calls.length > 1 && (
        <label className="field">
          {texts.graph.call}
          <select value={call} onChange={(event) => onCall(event.target.value)}>
            {detail.calls.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <InputFields inputs={inputs} given={given} strict={strict} onChange={setGiven} />
      <SchemaForm fields={fields} state={state} strict={strict} onChange={setState} />
    </DialogForm>
  );
}

export function RunDialog(props: Props) {
  const [call, setCall] = useState(props.call);
  const key = JSON.stringify([props.model, call ?? null]);
  const found = useAsked(key, () => asked(props.model, call));
  return (
    <Dialog title={props.compared ? t.compareTitle : t.title} onClose={props.onClose}>
      <Shown asked={found}>{(data) => <RunForm key={key} {...props} {...data} call={call} onCall={setCall} />}</Shown>
    </Dialog>
  );
}
