import { useCallback, useEffect, useState, type ReactNode } from "react";
import { faultText } from "../api/client";
import { texts } from "../texts";

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

export function Fault({ fault, retry }: { fault: unknown; retry?: () => void }) {
  return (
    <div className="state fault" role="alert">
      <strong>{texts.failed}</strong>
      <span className="break">{faultText(fault)}</span>
      {retry && <button onClick={retry}>{texts.retry}</button>}
    </div>
  );
}

export function Waiting({ text = texts.loadingData }: { text?: string | undefined }) {
  return (
    <div className="state" role="status">
      <span className="spinner" />
      <span>{text}</span>
    </div>
  );
}

/** done of total; a total of 0 is a bar that only moves. */
export function Progress({ done, total, label }: { done: number; total: number; label: string }) {
  const share = total > 0 ? Math.min(done / total, 1) : 0;
  return (
    <div
      className={total > 0 ? "progress" : "progress unsure"}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(total > 0 ? { "aria-valuenow": Math.round(share * 100) } : {})}
    >
      <div style={total > 0 ? { width: `${share * 100}%` } : {}} />
    </div>
  );
}

export interface Asked<T> {
  data: T | null;
  fault: unknown;
  waiting: boolean;
  again: () => void;
}

/** Asks for something whenever `key` changes (null: nothing to ask); an answer that comes too late is dropped. */
export function useAsked<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [state, setState] = useState<{ key: string | null; data: T | null; fault: unknown }>({ key: null, data: null, fault: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (key === null) return;
    const control = new AbortController();
    ask(control.signal).then(
      (data) => !control.signal.aborted && setState({ key, data, fault: null }),
      (fault: unknown) => !control.signal.aborted && setState({ key, data: null, fault }),
    );
    return () => control.abort();
    // `ask` is a new function at every draw; `key` says what it asks for.
  }, [key, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  const current = state.key === key && key !== null;
  return { data: current ? state.data : null, fault: current ? state.fault : null, waiting: key !== null && !current, again };
}

/** What was asked for, or why it isn't there. */
export function Shown<T>({ asked, waiting, children }: { asked: Asked<T>; waiting?: string; children: (data: T) => ReactNode }) {
  if (asked.fault !== null) return <Fault fault={asked.fault} retry={asked.again} />;
  if (asked.data === null) return <Waiting text={waiting} />;
  return <>{children(asked.data)}</>;
}
