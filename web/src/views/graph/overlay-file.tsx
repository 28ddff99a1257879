// Colours of nodes from a file: choosing it and its column, and which of its names are in the graph.
import { useLayoutEffect, useMemo, useRef } from "react";
import { goTo, useAddress } from "../../state/address";
import { texts } from "../../texts";
import { takeFiles } from "../models/open";
import { takeTable, useTable, type Cell } from "./columns";
import type { Loaded } from ".";

const t = texts.overlay.file;
const SHOWN = 5; // names that are not found

async function take(file: File): Promise<void> {
  if (await takeTable(file)) goTo({ query: { colour: "file", column: null }, replace: true });
}

/** Tables that are dropped while a graph is shown colour it. */
export function useDroppedTables(): void {
  useLayoutEffect(() => takeFiles(/\.(json|csv|tsv)$/i, (file) => void take(file)), []);
}

/** The cells of the column that an address names, or of the first, by node; a name is that of a node, or else of a value that it makes. */
export function useColumn({ nodes, values }: Loaded, title: string | undefined): { figures: ReadonlyMap<number, Cell>; note: string | null } {
  useDroppedTables();
  const table = useTable((state) => state.table);
  return useMemo(() => {
    const figures = new Map<number, Cell>();
    const column = table?.columns.find((one) => one.title === title) ?? table?.columns[0];
    if (!column) return { figures, note: t.hint };
    const used = new Set<string>();
    for (const node of nodes) {
      const names = [node.name, ...node.out.map((value) => values[value]?.name ?? "")];
      const name = names.find((one) => one !== "" && column.cells.has(one));
      for (const one of names) if (column.cells.has(one)) used.add(one);
      if (name !== undefined) figures.set(node.i, column.cells.get(name)!);
    }
    const strange = [...column.cells.keys()].filter((name) => !used.has(name));
    const named = strange.slice(0, SHOWN).join(", ") + (strange.length > SHOWN ? ", …" : "");
    return { figures, note: [t.matched(figures.size, nodes.length), strange.length > 0 && t.unmatched(strange.length, named)].filter(Boolean).join(" ") };
  }, [table, title, nodes, values]);
}

export function TableChoice() {
  const table = useTable((state) => state.table);
  const chooser = useRef<HTMLInputElement>(null);
  const title = useAddress().query["column"];
  return (
    <>
      <div className="row tight">
        <button onClick={() => chooser.current?.click()}>{t.choose}</button>
        <span className="ellipsis muted">{table?.file}</span>
      </div>
      <input ref={chooser} type="file" hidden accept=".json,.csv,.tsv" aria-label={t.chosen} onChange={({ target: { files } }) => files?.[0] && void take(files[0])} />
      {table && table.columns.length > 1 && (
        <select aria-label={t.label} value={title ?? table.columns[0]?.title} onChange={(event) => goTo({ query: { column: event.target.value }, replace: true })}>
          {table.columns.map((column) => (
            <option key={column.title}>{column.title}</option>
          ))}
        </select>
      )}
    </>
  );
}
