import { useEffect, useId, useRef, type ReactNode } from "react";
import { texts } from "../texts";

/** A modal dialog with a form in it (dialog-form.tsx); Escape closes it, and focus returns to where it was. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={id} onClose={onClose} onClick={(event) => event.target === ref.current && onClose()}>
      <div className="dialog-body">
        <header>
          <h2 id={id} className="grow">
            {title}
          </h2>
          <button className="plain" aria-label={texts.close} onClick={onClose}>
            ✕
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
