// Saving what is shown as a file that needs neither the model nor the server.
import { useMemo, useState } from "react";
import { api, faultText } from "../../api/client";
import type { Model, Run, RunValue, Value } from "../../api/types";
import { Dialog } from "../../components/dialog";
import { DialogForm } from "../../components/dialog-form";
import { formatBytes } from "../../components/format";
import { saveFile } from "../../components/save";
import { Shown, useAsked } from "../../components/states";
import { pack } from "../../session/archive";
import { collect, MAX_DIGESTS, MAX_ELEMENTS, MAX_MILLI, valuesOfRun } from "../../session/collect";
import { writeReport } from "../../session/report";
import { runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";

const t = texts.session;

interface Props {
  model: Model;
  call: string | undefined;
  /** Of all of its graphs. */
  nodes: number;
  run: Run | null;
  /** The run of the address to compare with. */
  reference: string | undefined;
  onClose: () => void;
}

/** What can be chosen: values that the run kept, and weights of the main graph. */
interface Chosen {
  listed: RunValue[];
  weights: Value[];
}

async function choices({ model, call }: Props, run: Run | null): Promise<Chosen> {
  const [listed, values] = await Promise.all([run ? valuesOfRun(run.id) : [], api.values(model.id, 0, { call })]);
  return { listed, weights: values.filter(({ role, bytes }) => role === "initializer" && bytes !== null) };
}

/** Elements are saved where they are wanted, and no more than fit. */
function Elements({ label, bytes, wanted, onChange }: { label: string; bytes: number; wanted: boolean; onChange: (wanted: boolean) => void }) {
  const fits = bytes <= MAX_ELEMENTS;
  return (
    <>
      <label className="row">
        <input type="checkbox" checked={wanted && fits} disabled={!fits} onChange={(event) => onChange(event.target.checked)} />
        {label}
      </label>
      {!fits && <p className="hint muted">{t.tooMany(formatBytes(MAX_ELEMENTS))}</p>}
    </>
  );
}

function Form({ model, call, nodes, run, reference, listed, weights, onClose }: Props & Chosen) {
  const all = useStore((state) => state.runs);
  const others = useMemo(() => runsOf(all, model.id).filter((other) => other.ended !== null && other.id !== run?.id && other.kind === "graph"), [all, model.id, run?.id]);
  const [q, setQ] = useState("");
  const [elements, setElements] = useState(false);
  const [planned, setPlanned] = useState(false);
  const [milli, setMilli] = useState(false);
  const [chosenOther, setOther] = useState<string | null>(null);
  const other = chosenOther ?? (others.some(({ id }) => id === reference) ? reference! : ""); // runs may be told later
  const [going, setGoing] = useState<"session" | "report" | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [withWeights, setWithWeights] = useState(false);
  const named = <T extends { name: string }>(all: T[]) => all.filter(({ name }) => name.toLowerCase().includes(q.trim().toLowerCase()));
  const [chosen, chosenWeights] = [named(listed), named(weights)];
  const sizeOf = (all: { bytes: number | null }[]) => all.reduce((sum, value) => sum + (value.bytes ?? 0), 0);
  const [bytes, weightBytes] = [sizeOf(chosen), sizeOf(chosenWeights)];
  const save = async (as: "session" | "report") => {
    setGoing(as);
    setFault(null);
    try {
      const held = withWeights && weightBytes <= MAX_ELEMENTS ? chosenWeights : [];
      const session = await collect({ model, call, run: run?.id ?? null, reference: other || null, chosen, elements: elements && bytes <= MAX_ELEMENTS, weights: held, planned, milli });
      if (as === "session") saveFile(`${model.id}.sibyl.zip`, new Blob([pack(session)], { type: "application/zip" }));
      else saveFile(`${model.id}.html`, await writeReport(session));
      onClose();
    } catch (failure) {
      setFault(faultText(failure));
      setGoing(null);
    }
  };
  return (
    <DialogForm
      hint={t.hint}
      fault={fault}
      onSubmit={() => void save("session")}
      onCancel={onClose}
      actions={
        <>
          <button type="button" disabled={going !== null} title={t.reportHint} onClick={() => void save("report")}>
            {going === "report" && <span className="spinner" />}
            {t.report}
          </button>
          <button type="submit" className="primary" disabled={going !== null}>
            {going === "session" && <span className="spinner" />}
            {t.save}
          </button>
        </>
      }
    >
      {run === null && <p className="alert info">{t.noRun}</p>}
      <label className="field">
        {t.chosen}
        <input type="search" value={q} placeholder={t.all} onChange={(event) => setQ(event.target.value)} />
        {run && <span className="hint">{t.found(chosen.length, listed.length, MAX_DIGESTS)}</span>}
      </label>
      {run && (
        <>
          <Elements label={t.elements(formatBytes(bytes))} bytes={bytes} wanted={elements} onChange={setElements} />
          {others.length > 0 && (
            <label className="field">
              {t.reference}
              <select value={other} onChange={(event) => setOther(event.target.value)}>
                <option value="">{t.noReference}</option>
                {others.map(({ id }) => (
                  <option key={id} value={id}>
                    {texts.run.name(id)}
                  </option>
                ))}
              </select>
            </label>
          )}
        </>
      )}
      {weights.length > 0 && <Elements label={t.weights(chosenWeights.length, weights.length, formatBytes(weightBytes))} bytes={weightBytes} wanted={withWeights} onChange={setWithWeights} />}
      <label className="row">
        <input type="checkbox" checked={planned} onChange={(event) => setPlanned(event.target.checked)} />
        {t.planned}
      </label>
      <label className="row">
        <input type="checkbox" checked={milli} disabled={nodes > MAX_MILLI} onChange={(event) => setMilli(event.target.checked)} />
        {t.milli(nodes)}
      </label>
      {nodes > MAX_MILLI && <p className="hint muted">{t.manyMilli(MAX_MILLI)}</p>}
    </DialogForm>
  );
}

export function SaveDialog(props: Props) {
  const run = props.run?.ended == null ? null : props.run;
  const asked = useAsked(run?.id ?? "", () => choices(props, run));
  return (
    <Dialog title={t.title} onClose={props.onClose}>
      <Shown asked={asked}>{(found) => <Form {...props} {...found} run={run} />}</Shown>
    </Dialog>
  );
}
