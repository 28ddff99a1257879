import { useId, type KeyboardEvent, type ReactNode } from "react";

export interface Tab {
  id: string;
  title: string;
  content: () => ReactNode;
}

/** Tabs with the keys that people expect: arrows, Home and End. */
export function Tabs({ label, tabs, chosen, onChoose }: { label: string; tabs: Tab[]; chosen: string; onChoose: (id: string) => void }) {
  const base = useId();
  const at = Math.max(tabs.findIndex((tab) => tab.id === chosen), 0);
  const step = (event: KeyboardEvent<HTMLDivElement>) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    const tab = to === undefined ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!tab) return;
    event.preventDefault();
    onChoose(tab.id);
    document.getElementById(`${base}${tab.id}`)?.focus();
  };
  return (
    <>
      <div className="tabs" role="tablist" aria-label={label} onKeyDown={step}>
        {tabs.map((tab, i) => (
          <button key={tab.id} id={`${base}${tab.id}`} role="tab" aria-selected={i === at} aria-controls={`${base}panel`} tabIndex={i === at ? 0 : -1} onClick={() => onChoose(tab.id)}>
            {tab.title}
          </button>
        ))}
      </div>
      <div id={`${base}panel`} role="tabpanel" aria-labelledby={`${base}${tabs[at]?.id}`} className="stack">
        {tabs[at]?.content()}
      </div>
    </>
  );
}
