import { useMemo, useState, type ReactNode } from "react";

export interface Column<T> {
  id: string;
  title: string;
  /** Right-aligned figures. */
  number?: boolean;
  /** The title is there for screen readers alone: a column of buttons. */
  mute?: boolean;
  cell: (row: T) => ReactNode;
  /** Makes the column sortable. */
  sort?: (row: T) => number | string;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string | number;
  onRow?: (row: T) => void;
  selected?: string | number | null;
  sortBy?: { column: string; down: boolean };
}

const classOf = <T,>(column: Column<T>) => (column.number ? "number" : column.mute ? "mute" : "");

/** A table that sorts by its headings; rows are chosen by click or Enter. */
export function Table<T>({ label, columns, rows, id, onRow, selected = null, sortBy }: Props<T>) {
  const [order, setOrder] = useState(sortBy ?? null);
  const sorted = useMemo(() => {
    const key = columns.find((column) => column.id === order?.column)?.sort;
    if (!order || !key) return rows;
    const sign = order.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }));
    });
  }, [rows, columns, order]);
  return (
    <div className="table-box" tabIndex={0} role="group" aria-label={label}>
      <table className="table">
        <thead>
          <tr>
            {columns.map((column) => {
              const active = order?.column === column.id;
              return (
                <th key={column.id} scope="col" className={classOf(column)} {...(active ? { "aria-sort": order.down ? "descending" : "ascending" } : {})}>
                  {column.sort ? (
                    <button onClick={() => setOrder({ column: column.id, down: active ? !order.down : Boolean(column.number) })}>
                      {column.title}
                      {active ? (order.down ? " ↓" : " ↑") : ""}
                    </button>
                  ) : (
                    <span className={column.mute ? "sr" : ""}>{column.title}</span>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr
              key={id(row)}
              {...(onRow && {
                className: "clickable",
                tabIndex: 0,
                onClick: () => onRow(row),
                onKeyDown: (event) => event.key === "Enter" && event.target === event.currentTarget && onRow(row),
              })}
              {...(selected !== null ? { "aria-selected": selected === id(row) } : {})}
            >
              {columns.map((column) => (
                <td key={column.id} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Name and value pairs; those without a value are left out. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of
        .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
        .map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
