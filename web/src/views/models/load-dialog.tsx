import { useEffect, useId, useRef, useState } from "react";
import { openModel } from "./open";
import { faultText } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { DialogForm } from "../../components/dialog-form";
import { Openings } from "../../components/openings";
import { emptyForm, fieldFault, formResult, SchemaForm, type FormState } from "../../components/form";
import { followModels, notify, useStore } from "../../state/store";
import { texts } from "../../texts";

const t = texts.models;

/** The load dialog: a loader, and a form made from its schema. What it has begun goes on where it is closed, and ends where it is cancelled. */
export function LoadDialog({ onClose }: { onClose: () => void }) {
  const { loaders, available } = useStore();
  const id = useId();
  const [chosen, setChosen] = useState(loaders[0]?.id ?? "");
  const loader = loaders.find((row) => row.id === chosen) ?? loaders[0];
  const [states, setStates] = useState<Record<string, FormState>>({}); // of loaders whose form was touched
  const [strict, setStrict] = useState(false);
  const [going, setGoing] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const control = useRef(new AbortController());
  const hidden = useRef(false);
  useEffect(followModels, []);
  useEffect(() => {
    hidden.current = false;
    return () => void (hidden.current = true);
  }, []);
  if (!loader) return null;
  const state = states[loader.id] ?? emptyForm(loader.fields);

  const send = async () => {
    setStrict(true);
    if (loader.fields.some((field) => fieldFault(field, state[field.name]) !== null)) return;
    setGoing(true);
    setFault(null);
    try {
      const { options, files } = formResult(loader.fields, state);
      await openModel(loader.id, options, files, { signal: control.current.signal, hidden: () => hidden.current });
      if (!hidden.current) onClose();
    } catch (failure) {
      if (control.current.signal.aborted) return;
      if (hidden.current) notify("error", faultText(failure));
      setFault(faultText(failure));
      setGoing(false);
    }
  };

  return (
    <Dialog title={t.dialog} onClose={onClose}>
      <DialogForm
        fault={fault}
        onSubmit={() => void send()}
        onCancel={() => {
          control.current.abort();
          onClose();
        }}
        actions={
          <button type="submit" className="primary" disabled={going}>
            {going && <span className="spinner" />}
            {going ? t.going : t.go}
          </button>
        }
      >
        <div className="field">
          <label htmlFor={id}>{t.loader}</label>
          <select id={id} value={loader.id} onChange={(event) => setChosen(event.target.value)}>
            {loaders.map((row) => (
              <option key={row.id} value={row.id}>
                {row.label}
              </option>
            ))}
          </select>
          <span className="hint">{loader.doc}</span>
        </div>
        <SchemaForm
          key={loader.id}
          fields={loader.fields}
          state={state}
          strict={strict}
          files={available.map((row) => row.file)}
          onChange={(to) => setStates({ ...states, [loader.id]: to })}
        />
        {going && <Openings />}
      </DialogForm>
    </Dialog>
  );
}
