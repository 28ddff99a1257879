import type { ReactNode } from "react";
import { texts } from "../texts";

interface Props {
  hint?: string;
  fault: string | null;
  onSubmit: () => void;
  onCancel: () => void;
  /** What begins what the form asks for: the last of them submits it. */
  actions: ReactNode;
  children: ReactNode;
}

/** What every dialog holds: what it is for and its fields, which scroll, and below them, always in sight, why it failed, a way out and the actions. */
export function DialogForm({ hint, fault, onSubmit, onCancel, actions, children }: Props) {
  return (
    <form
      className="dialog-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      <div className="content form">
        {hint !== undefined && <p className="muted">{hint}</p>}
        {children}
      </div>
      <footer>
        {fault !== null && (
          <div className="alert" role="alert" tabIndex={0}>
            {fault}
          </div>
        )}
        <button type="button" onClick={onCancel}>
          {texts.cancel}
        </button>
        {actions}
      </footer>
    </form>
  );
}
