import { useEffect, useId, useRef, type ReactNode } from "react";
import { texts } from "../texts";

/** A modal dialog; Escape closes it, and focus returns to where it was. */
export function Dialog({ title, onClose, footer, children }: { title: string; onClose: () => void; footer?: ReactNode; children: ReactNode }) {
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
        <div className="content">{children}</div>
        {footer && <footer>{footer}</footer>}
      </div>
    </dialog>
  );
}
