// What a run is given: for each input random elements, numbers that are typed, or a file.
import { useId, useState, type DragEvent } from "react";
import type { Json, RunInput, Value } from "../../api/types";
import { texts } from "../../texts";

const t = texts.inputs;
const ways = ["random", "data", "file"] as const;

export interface Given {
  way: (typeof ways)[number];
  /** "": the run's. */
  seed: string;
  /** Numbers in nested lists, as JSON. */
  data: string;
  file: File | null;
}

export const nothingGiven: Given = { way: "random", seed: "", data: "", file: null };

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Why an input cannot be sent as it is, or null. */
export function givenFault({ way, seed, data, file }: Given): string | null {
  if (way === "random") return /^\d*$/.test(seed.trim()) ? null : t.seedFault;
  if (way === "file") return file === null ? t.fileFault : null;
  const value = parsed(data);
  return typeof value === "number" || typeof value === "boolean" || Array.isArray(value) ? null : t.dataFault;
}

/** As a request has them; inputs that are random with the run's seed are left out. */
export function sentInputs(given: Record<string, Given>): { inputs: Record<string, RunInput>; files: Record<string, File> } {
  const inputs: Record<string, RunInput> = {};
  const files: Record<string, File> = {};
  for (const [name, { way, seed, data, file }] of Object.entries(given)) {
    if (way === "data") inputs[name] = { data: parsed(data) ?? null };
    else if (way === "file" && file) {
      const part = `file ${Object.keys(files).length}`;
      inputs[name] = { file: part };
      files[part] = file;
    } else if (seed.trim() !== "") inputs[name] = { random: Number(seed) };
  }
  return { inputs, files };
}

interface FieldProps {
  input: Value;
  given: Given;
  strict: boolean;
  onChange: (to: Given) => void;
}

function InputField({ input, given, strict, onChange }: FieldProps) {
  const id = useId();
  const [over, setOver] = useState(false);
  const fault = strict ? givenFault(given) : null;
  const set = (change: Partial<Given>) => onChange({ ...given, ...change });
  const drag = (event: DragEvent) => {
    event.preventDefault();
    setOver(event.type === "dragover");
  };
  const drop = (event: DragEvent) => {
    drag(event);
    const file = event.dataTransfer.files[0];
    if (file) set({ way: "file", file });
  };
  const common = { id, "aria-invalid": fault !== null };
  return (
    <fieldset className={over ? "input-field over" : "input-field"} onDragOver={drag} onDragLeave={drag} onDrop={drop}>
      <legend>
        <span className="mono break">{input.name}</span> <span className="mono muted break">{input.type}</span>
      </legend>
      <div className="row">
        <select aria-label={t.way(input.name)} value={given.way} onChange={(event) => set({ way: event.target.value as Given["way"] })}>
          {ways.map((way) => (
            <option key={way} value={way}>
              {t.ways[way]}
            </option>
          ))}
        </select>
        {given.way === "random" && (
          <input {...common} className="grow" aria-label={t.seed(input.name)} placeholder={t.seedHint} inputMode="numeric" value={given.seed} onChange={(event) => set({ seed: event.target.value })} />
        )}
        {given.way === "file" && (
          <label className="button file-button grow">
            <input {...common} type="file" className="sr" accept=".npy,.npz" aria-label={t.file(input.name)} onChange={(event) => set({ file: event.target.files?.[0] ?? null })} />
            <span className="ellipsis">{given.file?.name ?? t.fileHint}</span>
          </label>
        )}
      </div>
      {given.way === "data" && (
        <textarea {...common} aria-label={t.data(input.name)} placeholder="[[1, 2], [3, 4]]" rows={3} spellCheck={false} value={given.data} onChange={(event) => set({ data: event.target.value })} />
      )}
      {fault && <span className="fault">{fault}</span>}
    </fieldset>
  );
}

interface Props {
  inputs: Value[];
  given: Record<string, Given>;
  strict: boolean;
  onChange: (to: Record<string, Given>) => void;
}

export function InputFields({ inputs, given, strict, onChange }: Props) {
  return inputs.map((input) => (
    <InputField key={input.name} input={input} given={given[input.name] ?? nothingGiven} strict={strict} onChange={(to) => onChange({ ...given, [input.name]: to })} />
  ));
}
