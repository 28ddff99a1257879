import { useState, type KeyboardEvent } from "react";
import { fieldFault, formResult, SchemaForm, type FormState } from "../../components/form";
import { ModelChoice, modelsOf } from "../../components/model-choice";
import { Panel } from "../../components/panel";
import { LikelihoodKey } from "../../components/probability";
import { goTo } from "../../state/address";
import { useStore } from "../../state/store";
import type { Field } from "../../api/types";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { LensTable } from "./lens";
import { Tokens } from "./tokens";
import { cancelWriting, undo, useWriting, write, type Fields, type Made } from "./writing";
import "./text.css";

const t = texts.text;
const LONGEST = 4000; // characters of a prompt that stand in the address

const fields: Field[] = [
  { name: "max_tokens", type: "integer" as const, default: 64 },
  { name: "temperature", type: "number" as const, default: 0.8 },
  { name: "top_k", type: "integer" as const },
  { name: "top_p", type: "number" as const },
  { name: "min_p", type: "number" as const },
  { name: "repetition_penalty", type: "number" as const },
  { name: "seed", type: "integer" as const },
  { name: "stop", type: "string" as const },
].map((field) => ({ ...field, required: false, ...t.fields[field.name as keyof typeof t.fields] }));

/** What the line below the prompt says. */
function useReport(): string {
  const { state, finish, made, count, seconds } = useWriting();
  const mean = made.reduce((sum, { logprob }) => sum + logprob, 0) / made.length;
  return [
    state === "running" ? t.running : state === "cancelled" ? t.cancelled : finish === "stop" ? t.stopped : finish === "length" ? t.full : "",
    made.length > 0 ? t.tokens(made.length) : "",
    count > 1 && seconds > 0 ? t.speed(Number((count / seconds).toPrecision(3)).toLocaleString("en")) : "",
    made.length > 0 ? t.perplexity(Math.exp(-mean).toPrecision(3)) : "",
  ]
    .filter((part) => part !== "")
    .join(" · ");
}

export default function TextView({ model, address }: ViewProps) {
  const { models, chosen } = modelsOf(
    useStore((state) => state.models),
    "text-generation",
    model,
  );
  const { prompt: written, promptIds, made, state, fault, before } = useWriting();
  const [prompt, setPrompt] = useState(address.query["prompt"] ?? written);
  const [form, setForm] = useState<FormState>(() => Object.fromEntries(fields.map((field) => [field.name, address.query[field.name] ?? String(field.default ?? "")])));
  const [strict, setStrict] = useState(false);
  const report = useReport();
  const running = state === "running";
  const below = address.query["below"] === "1";
  const lens = address.query["lens"] === "1";
  const [lookedAt, setLookedAt] = useState<string | null>(null);
  const given = running ? null : made.length > 0 ? [...promptIds, ...made.map(({ id }) => id)] : lookedAt;

  const go = (from: string | Made[]) => {
    setStrict(true);
    if (!chosen || fields.some((field) => fieldFault(field, form[field.name]) !== null)) return;
    const { options } = formResult(fields, form);
    const { stop, ...rest } = options as Record<string, string | number>;
    const members = Object.fromEntries(fields.map(({ name }) => [name, options[name] === undefined ? null : String(options[name])]));
    goTo({ model: chosen.id, query: { ...members, below: below ? 1 : null, lens: lens ? 1 : null, prompt: prompt.length <= LONGEST ? prompt : null }, replace: true });
    const all: Fields = { ...rest, model: chosen.id, ...(stop === undefined ? {} : { stop: String(stop).replaceAll("\\n", "\n") }) };
    void write(all, from);
  };
  const key = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    go(prompt);
  };
  return (
    <div className="text-page">
      <div className="text-main">
        <label className="field prompt-field">
          {t.prompt}
          <textarea rows={4} value={prompt} spellCheck={false} placeholder={t.promptHint} onChange={(event) => setPrompt(event.target.value)} onKeyDown={key} />
        </label>
        <div className="text-bar">
          <button className="primary" disabled={!chosen || prompt === "" || running} title={t.goHint} onClick={() => go(prompt)}>
            {running && <span className="spinner" />}
            {t.go}
          </button>
          {running && <button onClick={cancelWriting}>{texts.cancel}</button>}
          <button disabled={before.length === 0} onClick={undo}>
            {t.undo}
          </button>
          <span className="muted grow" role="status">
            {report}
          </span>
          <label className="row tight">
            <input type="checkbox" checked={below} onChange={(event) => goTo({ query: { below: event.target.checked ? 1 : null }, replace: true })} />
            {t.below}
          </label>
          <label className="row tight">
            <input type="checkbox" checked={lens} onChange={(event) => goTo({ query: { lens: event.target.checked ? 1 : null }, replace: true })} />
            {t.lensBox}
          </label>
        </div>
        {fault !== null && (
          <div className="alert" role="alert">
            {fault}
          </div>
        )}
        <section className="written" aria-label={t.written} tabIndex={0}>
          {state === "empty" ? <p className="muted">{t.empty}</p> : <Tokens prompt={written} made={made} below={below} onFrom={go} />}
        </section>
        {made.length > 0 && <LikelihoodKey />}
        {lens && chosen && made.length === 0 && (
          <button disabled={prompt === "" || running} onClick={() => setLookedAt(prompt)}>
            {t.lens.look}
          </button>
        )}
        {lens && chosen && <LensTable model={chosen.id} given={given} address={address} />}
      </div>
      <Panel side="right" id="text" title={t.options} initial={280} max={600}>
        <div className="stack">
          <ModelChoice models={models} chosen={chosen} address={address} none={t.noModel} />
          <SchemaForm fields={fields} state={form} strict={strict} onChange={setForm} />
        </div>
      </Panel>
    </div>
  );
}
