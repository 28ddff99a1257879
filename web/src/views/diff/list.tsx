import { useEffect, useMemo, useRef } from "react";
import { Table, type Column } from "../../components/table";
import { texts } from "../../texts";
import { states, type Row, type State } from "./differences";
import { selectRow, toggleState, type Compared } from "./load";
import { colours } from "./step";

const t = texts.diff;
const SHOWN = 400; // rows of the table

export function Badge({ state }: { state: State }) {
  const [strong, soft] = colours[state];
  return (
    <span className="badge" style={{ color: `var(${strong})`, background: `var(${soft})` }}>
      <span aria-hidden="true">{t.signs[state]} </span>
      {t.states[state]}
    </span>
  );
}

/** The kinds of nodes, how many there are, and which of them are listed. */
export function Filters({ counts, shown }: { counts: Record<State, number>; shown: ReadonlySet<State> }) {
  return (
    <div className="row wrap" role="group" aria-label={t.shown}>
      {states.map((state) => {
        const [strong, soft] = colours[state];
        const on = shown.has(state);
        return (
          <button key={state} className="diff-filter" aria-pressed={on} style={on ? { color: `var(${strong})`, background: `var(${soft})`, borderColor: `var(${strong})` } : {}} onClick={() => toggleState(shown, state)}>
            <span aria-hidden="true">{t.signs[state]}</span> {t.states[state]} <span className="mono">{counts[state].toLocaleString("en")}</span>
          </button>
        );
      })}
    </div>
  );
}

function whatDiffers(row: Row): string {
  const parts = row.changes.filter(({ what }) => what !== "name").map(({ what, name }) => t.changedWhat(t.what[what], name));
  if (row.state === "changed" && row.changes.every(({ what }) => what === "input" || what === "name")) parts.push(t.elements);
  if (row.state === "renamed") parts.push(t.what.name);
  return parts.join(", ");
}

export function List({ compared: { a, b }, listed, row }: { compared: Compared; listed: Row[]; row: Row | undefined }) {
  const box = useRef<HTMLDivElement>(null);
  const at = row ? listed.findIndex(({ id }) => id === row.id) : -1;
  const from = at < SHOWN ? 0 : at - SHOWN / 2;
  const columns = useMemo((): Column<Row>[] => {
    const nodes = ({ a: i, b: j }: Row) => [a.nodes[i], b.nodes[j]] as const;
    const both = (one: string | undefined, other: string | undefined) => (one !== undefined && other !== undefined && one !== other ? `${one} → ${other}` : (other ?? one ?? ""));
    return [
      { id: "state", title: t.state, cell: ({ state }) => <Badge state={state} /> },
      { id: "operator", title: t.operator, cell: (one) => both(nodes(one)[0]?.type, nodes(one)[1]?.type) },
      { id: "name", title: t.name, cell: (one) => <span className="mono break">{both(nodes(one)[0]?.name, nodes(one)[1]?.name)}</span> },
      { id: "difference", title: t.difference, cell: (one) => <span className="break">{whatDiffers(one)}</span> },
    ];
  }, [a, b]);
  useEffect(() => {
    box.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [row?.id, from]);
  const rows = listed.slice(from, from + SHOWN);
  return (
    <div ref={box} className="diff-list">
      {listed.length > SHOWN && <p className="muted">{t.rows(from + 1, from + rows.length, listed.length)}</p>}
      {listed.length === 0 ? <p className="muted">{t.none}</p> : <Table label={t.list} columns={columns} rows={rows} id={({ id }) => id} onRow={selectRow} selected={row?.id ?? null} />}
    </div>
  );
}
