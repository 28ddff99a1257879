import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import type { Node } from "../../api/types";
import { texts } from "../../texts";
import { selectNode } from ".";

const t = texts.graph;
const SHOWN = 60;

/** Finds nodes by name or operator; "/" comes here. */
export function Search({ nodes, found, query, onQuery }: { nodes: Node[]; found: number[]; query: string; onQuery: (to: string) => void }) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(-1);
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => {
    const slash = (event: globalThis.KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, dialog *");
      if (event.key !== "/" || typing) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", slash);
    return () => window.removeEventListener("keydown", slash);
  }, []);
  const shown = found.slice(0, SHOWN);
  const listed = open && query.trim() !== "";
  const go = (k: number) => {
    setAt(k);
    const node = shown[k];
    if (node !== undefined) selectNode(node);
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Enter: event.shiftKey ? -1 : 1 }[event.key];
    if (event.key === "Escape") {
      onQuery("");
      setOpen(false);
    } else if (step !== undefined && shown.length > 0) {
      event.preventDefault();
      setOpen(true);
      const next = (at + step + shown.length) % shown.length;
      go(next);
      document.getElementById(`${id}${next}`)?.scrollIntoView({ block: "nearest" });
    }
  };
  return (
    <div className="graph-search" onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}>
      <input
        ref={input}
        type="search"
        role="combobox"
        aria-label={t.search}
        placeholder={t.searchHint}
        aria-expanded={listed}
        aria-controls={`${id}list`}
        aria-activedescendant={listed && at >= 0 ? `${id}${at}` : undefined}
        value={query}
        onFocus={() => setOpen(true)}
        onChange={(event) => {
          setAt(-1);
          setOpen(true);
          onQuery(event.target.value);
        }}
        onKeyDown={key}
      />
      <div className="found" hidden={!listed}>
        <div className="muted count" role="status">
          {t.found(found.length, shown.length)}
        </div>
        <ul id={`${id}list`} role="listbox" aria-label={t.results}>
          {shown.map((node, k) => (
            <li key={node} id={`${id}${k}`} role="option" aria-selected={k === at} onPointerDown={(event) => event.preventDefault()} onClick={() => go(k)}>
              <strong>{nodes[node]?.type}</strong> <span className="mono">{nodes[node]?.name}</span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
