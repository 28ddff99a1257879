// The document of a job as text. What is changed is checked by the server as it is typed, and opened as a job of its own.
import { useEffect, useMemo, useRef, useState } from "react";
import { api, ApiError } from "../../api/client";
import type { Job, JobCheck, JobFault } from "../../api/types";
import { useAsked } from "../../components/states";
import { goTo } from "../../state/address";
import { copyText } from "../../state/files";
import { attempt, refreshModels } from "../../state/store";
import { texts } from "../../texts";
import { lineAt, placeOf, placeOfLine } from "./pointer";

const t = texts.job;
const [WAIT, LINE] = [300, 18]; // ms after the last key; pixels of a line

/** An edited document, and what the server says of it. */
export interface Draft {
  /** null: the document is as it was opened. */
  text: string | null;
  edit: (text: string | null) => void;
  /** Of this text; null while it is not known. */
  checked: JobCheck | null;
  /** The last draft without a fault. */
  job: Job | null;
}

/** What the server refuses to look at, as too long a text, is a fault of the whole. */
const check = (text: string): Promise<JobCheck> =>
  api.checkJob(text).catch((fault: unknown) => {
    if (fault instanceof ApiError) return { valid: false, errors: [{ path: "", line: null, message: fault.message }], job: null };
    throw fault;
  });

export function useDraft(): Draft {
  const [text, edit] = useState<string | null>(null);
  const [settled, setSettled] = useState<string | null>(null);
  const good = useRef<Job | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), text === null ? 0 : WAIT);
    return () => clearTimeout(timer);
  }, [text]);
  const asked = useAsked(settled, () => check(settled ?? ""));
  const checked = text === settled ? asked.data : null;
  if (checked?.job) good.current = checked.job;
  return { text, edit, checked, job: text === null ? null : good.current };
}

function placed(text: string, { path, line }: JobFault): { from: number; to: number } {
  return line === null ? placeOf(text, path) : placeOfLine(text, line);
}

export function Document({ job, draft }: { job: Job; draft: Draft }) {
  const original = useMemo(() => JSON.stringify(job.document, null, 2), [job]);
  const area = useRef<HTMLTextAreaElement>(null);
  const text = draft.text ?? original;
  const fault = draft.checked?.errors[0];
  const place = fault && placed(text, fault);
  const line = place && lineAt(text, place.from);
  const lines = text.split("\n");
  const show = () => {
    area.current?.focus();
    if (place) area.current?.setSelectionRange(place.from, place.to);
    area.current?.parentElement?.scrollTo({ top: ((line ?? 1) - 4) * LINE });
  };
  const open = () =>
    void attempt(async () => {
      const { id } = await api.openJob(text);
      await refreshModels();
      goTo({ view: "job", model: id });
    });
  return (
    <>
      <div className="row end">
        <button onClick={() => void copyText(text)}>{texts.copy}</button>
        <button disabled={draft.text === null} onClick={() => draft.edit(null)}>
          {t.revert}
        </button>
        <button className="primary" disabled={draft.checked?.valid !== true} title={t.openDraftHint} onClick={open}>
          {t.openDraft}
        </button>
      </div>
      {fault && line !== undefined ? (
        <div role="alert">
          <button className="alert job-fault" title={t.showFault} onClick={show}>
            <strong>{t.line(line)}</strong> {fault.message}
          </button>
        </div>
      ) : (
        <p className="muted" role="status">
          {draft.text === null ? t.editHint : draft.checked ? t.valid : t.checking}
        </p>
      )}
      <div className="job-editor">
        {line !== undefined && <div className="job-band" style={{ top: (line - 1) * LINE, height: LINE }} />}
        <textarea
          ref={area}
          className="job-document"
          aria-label={t.document}
          aria-invalid={fault !== undefined}
          spellCheck={false}
          wrap="off"
          rows={lines.length}
          cols={lines.reduce((most, { length }) => Math.max(most, length), 40) + 2}
          value={text}
          onChange={({ target }) => draft.edit(target.value === original ? null : target.value)}
        />
      </div>
    </>
  );
}
