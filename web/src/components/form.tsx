import { useId } from "react";
import type { Field, Json } from "../api/types";
import { texts } from "../texts";

/** What a form holds while it is edited: text of text fields, truth of boxes, chosen files. */
export type FormState = Record<string, string | boolean | File | null>;

export function emptyForm(fields: Field[]): FormState {
  return Object.fromEntries(
    fields.map((field) => [
      field.name,
      field.type === "boolean"
        ? field.default === true
        : field.type === "upload"
          ? null
          : field.default === undefined || field.default === null
            ? field.type === "enum" && field.required
              ? (field.choices?.[0] ?? "")
              : ""
            : String(field.default),
    ]),
  );
}

/** Why a field cannot be sent as it is, or null. */
export function fieldFault(field: Field, value: FormState[string] | undefined): string | null {
  if (value === undefined || value === null || value === "") return field.required ? texts.form.required(field.label) : null;
  if (field.type === "integer" && !/^[-+]?\d+$/.test(String(value))) return texts.form.integer(field.label);
  if (field.type === "number" && !Number.isFinite(Number(value))) return texts.form.number(field.label);
  return null;
}

/** Options and files of a form without faults; members left empty are left out. */
export function formResult(fields: Field[], state: FormState): { options: Record<string, Json>; files: Record<string, File> } {
  const options: Record<string, Json> = {};
  const files: Record<string, File> = {};
  for (const field of fields) {
    const value = state[field.name];
    if (value === undefined || value === null || value === "") continue;
    if (value instanceof File) files[field.name] = value;
    else if (field.type === "integer" || field.type === "number") options[field.name] = Number(value);
    else options[field.name] = value;
  }
  return { options, files };
}

interface Props {
  fields: Field[];
  state: FormState;
  onChange: (state: FormState) => void;
  /** Shows what is wrong; off until the form was sent once. */
  strict: boolean;
  /** Suggestions for fields of type "file". */
  files?: string[];
}

/** A form from a schema: the loader's options, the ports of a job. */
export function SchemaForm({ fields, state, onChange, strict, files = [] }: Props) {
  const base = useId();
  return (
    <div className="form">
      {fields.map((field) => {
        const id = `${base}${field.name}`;
        const value = state[field.name];
        const fault = strict ? fieldFault(field, value) : null;
        const set = (to: FormState[string]) => onChange({ ...state, [field.name]: to });
        const common = { id, "aria-invalid": fault !== null, "aria-describedby": `${id}.hint`, required: field.required };
        const label = (
          <label htmlFor={id}>
            {field.label}
            {field.required && field.type !== "boolean" ? <span aria-hidden="true"> *</span> : null}
          </label>
        );
        const input =
          field.type === "boolean" ? (
            <input {...common} required={false} type="checkbox" checked={value === true} onChange={(event) => set(event.target.checked)} />
          ) : field.type === "enum" ? (
            <select {...common} value={String(value ?? "")} onChange={(event) => set(event.target.value)}>
              {!field.required && <option value="">–</option>}
              {field.choices?.map((choice) => <option key={choice}>{choice}</option>)}
            </select>
          ) : field.type === "upload" ? (
            <input {...common} type="file" onChange={(event) => set(event.target.files?.[0] ?? null)} />
          ) : (
            <>
              <input
                {...common}
                type="text"
                inputMode={field.type === "integer" ? "numeric" : field.type === "number" ? "decimal" : "text"}
                value={String(value ?? "")}
                list={field.type === "file" ? `${id}.list` : undefined}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => set(event.target.value)}
              />
              {field.type === "file" && (
                <datalist id={`${id}.list`}>
                  {files.map((file) => (
                    <option key={file} value={file} />
                  ))}
                </datalist>
              )}
            </>
          );
        return (
          <div key={field.name} className={field.type === "boolean" ? "field check" : "field"}>
            {field.type === "boolean" ? [<span key="i">{input}</span>, <span key="l">{label}</span>] : [<span key="l">{label}</span>, <span key="i">{input}</span>]}
            <span id={`${id}.hint`} className="hint">
              {field.doc}
            </span>
            {fault && <span className="fault">{fault}</span>}
          </div>
        );
      })}
    </div>
  );
}
