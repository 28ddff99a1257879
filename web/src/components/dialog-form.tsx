import type { ReactNode } from "react";
import { texts } from "../texts";

interface Props {
  hint: string;
  fault: string | null;
  onSubmit: () => void;
  onClose: () => void;
  /** What begins what the form asks for: the last of them submits it. */
  actions: ReactNode;
  children: ReactNode;
}

/** A form in a dialog: what it is for, its fields, why it failed, and below them a way out and the actions. */
export function DialogForm({ hint, fault, onSubmit, onClose, actions, children }: Props) {
  return (
    <form
      className="stack run-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      <p className="muted">{hint}</p>
      {children}
      {fault && (
        <div className="alert" role="alert">
          {fault}
        </div>
      )}
      <div className="row end">
        <button type="button" onClick={onClose}>
          {texts.cancel}
        </button>
        {actions}
      </div>
    </form>
  );
}
