// Tables about nodes that other tools wrote: a column of figures or classes by the names of nodes, from JSON or CSV.
import { create } from "zustand";
import { faultText } from "../../api/client";
import { notify } from "../../state/store";
import { texts } from "../../texts";

const t = texts.overlay.file;
const [MAX_BYTES, MAX_ROWS, MAX_COLUMNS] = [64 << 20, 500_000, 1000];

export type Cell = number | string;

export interface Column {
  title: string;
  /** By name of a node or of a value that it makes. */
  cells: Map<string, Cell>;
}

export interface NodeTable {
  file: string;
  columns: Column[];
}

/** The table that was given last; it stays with the tab. */
export const useTable = create<{ table: NodeTable | null }>(() => ({ table: null }));

type Row = { name: string; at: string; cells: [string, unknown][] };

const isName = (title: string) => /^(node|name|node[ _]?name)$/i.test(title.trim());

/** Rows of cells; quotes enclose separators, line ends and, doubled, quotes. */
function splitCsv(text: string): { cells: string[]; line: number }[] {
  const first = text.slice(0, text.search(/\r?\n|$/));
  const separator = [";", "\t"].find((mark) => first.split(mark).length > first.split(",").length) ?? ",";
  const rows: { cells: string[]; line: number }[] = [];
  let [cells, cell, quoted, line, begun]: [string[], string, boolean, number, number] = [[], "", false, 1, 1];
  const end = () => {
    cells.push(cell);
    if (cells.some((one) => one !== "")) rows.push({ cells, line: begun });
    if (rows.length > MAX_ROWS) throw new Error(t.tooMany(MAX_ROWS));
    [cells, cell, begun] = [[], "", line];
  };
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]!;
    if (letter === "\n") line++;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (letter === '"' && cell === "") quoted = true;
    else if (letter === separator) {
      cells.push(cell);
      cell = "";
    } else if (letter === "\n") end();
    else if (letter !== "\r") cell += letter;
  }
  if (quoted) throw new Error(t.openQuote(begun));
  end();
  return rows;
}

const isNumber = (text: string) => text.trim() !== "" && !Number.isNaN(Number(text));

function csvRows(text: string): Row[] {
  const all = splitCsv(text);
  const head = all[0];
  if (!head) return [];
  if (head.cells.length < 2) throw new Error(t.oneColumn);
  const titled = !head.cells.slice(1).every(isNumber);
  const titles = titled ? head.cells.map((title, i) => title.trim() || t.column(i + 1)) : head.cells.map((_, i) => t.column(i + 1));
  const names = Math.max(titles.findIndex(isName), 0);
  return all.slice(titled ? 1 : 0).map(({ cells, line }) => {
    if (cells.length !== titles.length) throw new Error(t.uneven(line, cells.length, titles.length));
    return { name: cells[names]!, at: t.line(line), cells: titles.flatMap((title, i) => (i === names ? [] : [[title, cells[i]!] as [string, unknown]])) };
  });
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function jsonRows(text: string): Row[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (fault) {
    throw new Error(t.noJson(String(fault)));
  }
  if (isObject(content)) return Object.entries(content).map(([name, value]) => ({ name, at: `“${name}”`, cells: isObject(value) ? Object.entries(value) : [[t.value, value]] }));
  if (!Array.isArray(content)) throw new Error(t.shape);
  return content.map((row: unknown, i) => {
    const key = isObject(row) ? Object.keys(row).find(isName) : undefined;
    if (!isObject(row) || key === undefined || typeof row[key] !== "string") throw new Error(t.noName(i));
    return { name: row[key], at: t.entry(i), cells: Object.entries(row).filter(([title]) => title !== key) };
  });
}

/** Of rows to columns: those whose every cell is a number are numbers, the others classes; empty cells say nothing. */
function columnsOf(rows: Row[]): Column[] {
  const found = new Map<string, Map<string, unknown>>();
  const seen = new Map<string, string>();
  for (const { name, at, cells } of rows) {
    const before = seen.get(name);
    if (before !== undefined) throw new Error(t.twice(name, before, at));
    seen.set(name, at);
    for (const [title, cell] of cells) {
      if (cell === null || cell === "") continue;
      if (typeof cell !== "number" && typeof cell !== "string" && typeof cell !== "boolean") throw new Error(t.badCell(title, at));
      if (!found.has(title)) found.set(title, new Map());
      found.get(title)!.set(name, cell);
    }
    if (found.size > MAX_COLUMNS) throw new Error(t.tooWide(MAX_COLUMNS));
  }
  return [...found].map(([title, cells]) => {
    const numbers = [...cells.values()].every((cell) => typeof cell === "number" || (typeof cell === "string" && isNumber(cell)));
    return { title, cells: new Map([...cells].map(([name, cell]) => [name, numbers ? Number(cell) : String(cell)])) };
  });
}

/** Errors say what is wrong and where. */
export function readTable(file: string, text: string): NodeTable {
  const json = /\.json$/i.test(file) || (!/\.(csv|tsv)$/i.test(file) && /^\s*[[{]/.test(text));
  const rows = (json ? jsonRows : csvRows)(text.replace(/^\uFEFF/, ""));
  if (rows.length > MAX_ROWS) throw new Error(t.tooMany(MAX_ROWS));
  const columns = columnsOf(rows);
  if (columns.length === 0) throw new Error(t.empty);
  return { file, columns };
}

/** Takes a table; returns whether it could be read, and says why not. */
export async function takeTable(file: File): Promise<boolean> {
  try {
    if (file.size > MAX_BYTES) throw new Error(t.tooLarge(MAX_BYTES >> 20));
    const text = new TextDecoder().decode(await file.arrayBuffer());
    if (text.includes("\uFFFD") || text.includes("\0")) throw new Error(t.noText);
    useTable.setState({ table: readTable(file.name, text) });
    return true;
  } catch (fault) {
    notify("error", t.failed(file.name, faultText(fault)));
    return false;
  }
}
