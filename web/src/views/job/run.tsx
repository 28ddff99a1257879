// Running the job: a form made from its ports, and what comes out.
import { useState } from "react";
import { api, faultText } from "../../api/client";
import type { Field, FieldType, Job, JobOutput, Json, Port, Run } from "../../api/types";
import { Dialog } from "../../components/dialog";
import { DialogForm } from "../../components/dialog-form";
import { emptyForm, fieldFault, SchemaForm, type FormState } from "../../components/form";
import { Shown, useAsked } from "../../components/states";
import { Table } from "../../components/table";
import { goTo, hrefTo } from "../../state/address";
import { goesOn } from "../../state/live";
import { startRun } from "../../state/store";
import { texts } from "../../texts";

const t = texts.job;

/** What a port is typed or chosen with. */
const fieldTypes: Record<string, FieldType> = { text: "string", texts: "string", number: "number", numbers: "string", tokens: "string", flag: "boolean", audio: "upload", tensor: "upload" };
const isList = (type: string): boolean => type === "numbers" || type === "tokens" || type === "texts";

/** The default that the document gives a port, as the form shows it. */
function defaultOf(job: Job, { name, type }: Port): Json {
  const inputs = job.document["inputs"] as Record<string, { default?: Json } | string> | undefined;
  const spec = inputs?.[name];
  const value = typeof spec === "object" ? (spec.default ?? null) : null;
  if (type === "tensor" || (type !== "flag" && value === null)) return null;
  return isList(type) ? JSON.stringify(value) : value;
}

const needed = (a: Port, b: Port): number => Number(a.optional) - Number(b.optional);

/** A field for each port that can be given, those that are needed first. */
export const fieldsOf = (job: Job): Field[] =>
  [...job.inputs].sort(needed).flatMap((port) => {
    const type = fieldTypes[port.type];
    if (type === undefined) return [];
    const hint = port.type in t.hints ? t.hints[port.type as keyof typeof t.hints] : "";
    return [{ name: port.name, label: port.name, doc: [port.doc ?? "", hint].filter(Boolean).join(". "), type, required: !port.optional, default: defaultOf(job, port) }];
  });

/** A list as it is typed: as JSON, or its items with commas between them; undefined: it is none. */
function listOf(text: string, type: string): Json[] | undefined {
  const all = text.trim();
  if (type === "texts" && !all.startsWith("[")) return [text];
  try {
    const list = JSON.parse(all.startsWith("[") ? all : `[${all}]`) as Json[];
    const fits = (item: Json) => (type === "texts" ? typeof item === "string" : typeof item === "number" && (type === "numbers" || (Number.isInteger(item) && item >= 0)));
    return list.every(fits) ? list : undefined;
  } catch {
    return undefined;
  }
}

/** Why a port cannot be given what its field holds, or null. */
function portFault(field: Field, port: Port, value: FormState[string] | undefined): string | null {
  const fault = fieldFault(field, value);
  if (fault !== null || !isList(port.type) || typeof value !== "string" || value === "") return fault;
  return listOf(value, port.type) === undefined ? t.listFaults[port.type as keyof typeof t.listFaults](port.name) : null;
}

/** As a request has them; ports that are left empty, or are as the document has them, are left out. */
function sent(fields: Field[], ports: Map<string, Port>, state: FormState): { inputs: Record<string, Json>; files: Record<string, File> } {
  const inputs: Record<string, Json> = {};
  const files: Record<string, File> = {};
  const first = emptyForm(fields);
  for (const { name, type, required } of fields) {
    const value = state[name] ?? null;
    if (value === null || value === "" || (!required && value === first[name])) continue;
    if (value instanceof File) {
      const part = `file ${Object.keys(files).length}`;
      inputs[name] = { file: part };
      files[part] = value;
    } else if (type === "number") inputs[name] = Number(value);
    else inputs[name] = isList(ports.get(name)!.type) ? listOf(String(value), ports.get(name)!.type)! : value;
  }
  return { inputs, files };
}

export function RunDialog({ model, job, onClose }: { model: string; job: Job; onClose: () => void }) {
  const fields = fieldsOf(job);
  const ports = new Map(job.inputs.map((port) => [port.name, port]));
  const [state, setState] = useState(() => emptyForm(fields));
  const [keep, setKeep] = useState(false);
  const [strict, setStrict] = useState(false);
  const [going, setGoing] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const send = async () => {
    setStrict(true);
    const faults = fields.flatMap((field) => portFault(field, ports.get(field.name)!, state[field.name]) ?? []);
    setFault(faults[0] ?? null);
    if (faults.length > 0) return;
    setGoing(true);
    try {
      const { inputs, files } = sent(fields, ports, state);
      const run = await startRun({ model, kind: "job", inputs, keep: keep ? ["*"] : [] }, files);
      goTo({ query: { run: run.id, tab: "run" }, replace: true });
      onClose();
    } catch (failure) {
      setFault(faultText(failure));
      setGoing(false);
    }
  };
  return (
    <Dialog title={t.run} onClose={onClose}>
      <DialogForm
        hint={t.runHint}
        fault={fault}
        onSubmit={() => void send()}
        onCancel={onClose}
        actions={
          <button type="submit" className="primary" disabled={going}>
            {going && <span className="spinner" />}
            {texts.run.start}
          </button>
        }
      >
        <SchemaForm fields={fields} state={state} strict={strict} onChange={setState} />
        <label className="row">
          <input type="checkbox" checked={keep} onChange={(event) => setKeep(event.target.checked)} />
          {t.keep}
        </label>
      </DialogForm>
    </Dialog>
  );
}

// ---- What comes out ----

const time = (value: Json | undefined): string => (typeof value === "number" ? value.toFixed(2) : "–");

/** Segments and spans: times, and what is said. */
function Times({ name, rows }: { name: string; rows: Record<string, Json>[] }) {
  const numbered = new Map(rows.map((row, k) => [row, k]));
  const said = rows.some((row) => typeof row["text"] === "string");
  return (
    <Table
      label={name}
      rows={rows}
      id={(row) => numbered.get(row)!}
      columns={[
        { id: "start", title: t.start, number: true, cell: (row) => time(row["start"]) },
        { id: "end", title: t.end, number: true, cell: (row) => time(row["end"]) },
        ...(said ? [{ id: "text", title: t.said, cell: (row: Record<string, Json>) => String(row["text"]) }] : []),
      ]}
    />
  );
}

function OutputValue({ run, output: { name, type, value } }: { run: Run; output: JobOutput }) {
  if (type === "tensor" || type === "audio") return <a href={hrefTo({ view: "value", model: run.model, query: { run: run.id, name } })}>{t.elements}</a>;
  if ((type === "segments" || type === "spans") && Array.isArray(value)) return value.length === 0 ? <span className="muted">{texts.none}</span> : <Times name={name} rows={value as Record<string, Json>[]} />;
  if (type === "text") return value === "" ? <span className="muted">{t.noText}</span> : <div className="job-text">{String(value)}</div>;
  return <code className="break">{value === null ? "–" : JSON.stringify(value)}</code>;
}

/** Outputs of the run that is shown. */
export function Outputs({ run }: { run: Run }) {
  const asked = useAsked(run.state === "done" ? run.id : null, () => api.runOutputs(run.id));
  if (goesOn(run)) return <p className="muted">{t.going}</p>;
  if (run.state !== "done") return <p className="muted">{t.nothing}</p>;
  return (
    <Shown asked={asked}>
      {(outputs) => (
        <div className="inspector">
          {outputs.map((output) => (
            <section key={output.name} className="inspector-part" aria-label={output.name}>
              <h3>
                {output.name} <span className="mono">{output.type}</span>
              </h3>
              <OutputValue run={run} output={output} />
            </section>
          ))}
        </div>
      )}
    </Shown>
  );
}
