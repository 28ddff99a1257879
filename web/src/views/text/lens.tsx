import { useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { api } from "../../api/client";
import type { Lens, LensCell, LensValue } from "../../api/types";
import { percent } from "../../components/probability";
import { Empty, Shown, useAsked } from "../../components/states";
import { goTo, numberOf, type Address } from "../../state/address";
import { texts } from "../../texts";
import { named } from "./tokens";
import "./lens.css";

const t = texts.text.lens;
const AT_ONCE = 64; // tokens side by side
const CELLS = 4096; // that the server gives at most
const CARD = 260; // pixels of width

type Colour = "likeliest" | "next";

/** Which values between blocks are shown: after whole blocks, after each part, or after one part of each block. */
function chosenValues(values: LensValue[], choice: string): number[] {
  return values.flatMap(({ part, whole }, i) => ((choice === "whole" ? whole : choice === "all" || part === 0 || String(part) === choice) ? [i] : []));
}

const nameOf = ({ block, part, whole }: LensValue) => (block === 0 ? t.first : whole ? String(block) : `${block}.${part}`);

const probabilityOf = (cell: LensCell, colour: Colour): number => {
  const logprob = colour === "likeliest" ? cell.top[0]?.logprob : cell.next?.logprob;
  return logprob === undefined || logprob === null ? 0 : Math.exp(logprob);
};

/** The stronger, the likelier. */
const shade = (probability: number) => `color-mix(in srgb, var(--accent) ${(Math.sqrt(probability) * 45).toFixed(1)}%, var(--surface))`;

interface Place {
  row: number;
  column: number;
}

function Card({ lens, row, column, left, top }: Place & { lens: Lens; left: number; top: number }) {
  const found = lens.rows[row];
  const cell = found?.cells[column];
  const value = found && lens.values[found.value];
  if (!cell || !value) return null;
  const following = lens.tokens[lens.from + column + 1];
  return (
    <div className="token-card lens-card" role="status" style={{ left, top, width: CARD }}>
      <div className="muted">{t.behind(t.block(value.block, value.part, value.whole), named(lens.tokens[lens.from + column]?.token ?? ""))}</div>
      {cell.top.map(({ id, token, logprob }) => (
        <div key={id} className="alternative" aria-current={id === following?.id ? "true" : undefined}>
          <code className="ellipsis">{named(token)}</code>
          <span className="bar">
            <span style={{ width: `${Math.exp(logprob ?? -Infinity) * 100}%` }} />
          </span>
          <span className="number">{percent(Math.exp(logprob ?? -Infinity))}</span>
        </div>
      ))}
      {cell.next && following && <div>{t.next(named(following.token), percent(Math.exp(cell.next.logprob ?? -Infinity)), cell.next.rank)}</div>}
    </div>
  );
}

function Grid({ lens, colour }: { lens: Lens; colour: Colour }) {
  const box = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState<Place>({ row: lens.rows.length - 1, column: 0 });
  const [shown, setShown] = useState<Place | null>(null);
  const [place, setPlace] = useState({ left: 0, top: 0 });
  const columns = lens.rows[0]?.cells.length ?? 0;
  const cellAt = ({ row, column }: Place) => box.current?.querySelector<HTMLElement>(`[data-at="${row}.${column}"]`);
  const put = () => {
    const cell = shown && cellAt(shown)?.getBoundingClientRect();
    const section = box.current?.parentElement;
    const card = section?.querySelector<HTMLElement>(".lens-card");
    if (!cell || !section || !card) return;
    const around = section.getBoundingClientRect();
    const height = card.offsetHeight;
    const top = cell.bottom + height + 8 > innerHeight ? cell.top - height - 2 : cell.bottom + 2;
    setPlace({ left: Math.max(0, Math.min(cell.left - around.left, around.width - CARD)), top: top - around.top });
  };
  useLayoutEffect(put, [shown]);
  const key = (event: KeyboardEvent, { row, column }: Place) => {
    const to = { ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row + 1, column], ArrowDown: [row - 1, column], Home: [row, 0], End: [row, columns - 1] }[event.key];
    if (event.key === "Escape") setShown(null);
    const cell = to && cellAt({ row: to[0]!, column: to[1]! });
    if (!cell) return;
    event.preventDefault();
    cell.focus();
  };
  return (
    <>
      <div ref={box} className="lens-box" onScroll={put} onMouseLeave={() => setShown(null)} onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setShown(null)}>
        <table className="lens" role="grid" aria-label={t.title}>
          <thead>
            <tr>
              <th scope="col" title={t.corner}>
                {t.blocks}
              </th>
              {lens.tokens.slice(lens.from, lens.from + columns).map(({ token }, i) => (
                <th key={i} scope="col" title={named(token)}>
                  {named(token)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lens.rows
              .map(({ value, cells }, row) => (
                <tr key={value}>
                  <th scope="row" title={lens.values[value]?.name}>
                    {lens.values[value] && nameOf(lens.values[value])}
                  </th>
                  {cells.map((cell, column) => (
                    <td
                      key={column}
                      data-at={`${row}.${column}`}
                      tabIndex={row === focused.row && column === focused.column ? 0 : -1}
                      className={cell.top[0]?.id === lens.tokens[lens.from + column + 1]?.id ? "right" : ""}
                      style={{ background: shade(probabilityOf(cell, colour)) }}
                      aria-label={`${named(cell.top[0]?.token ?? "")}, ${percent(probabilityOf(cell, "likeliest"))}`}
                      onMouseEnter={() => setShown({ row, column })}
                      onFocus={() => {
                        setFocused({ row, column });
                        setShown({ row, column });
                      }}
                      onKeyDown={(event) => key(event, { row, column })}
                    >
                      {named(cell.top[0]?.token ?? "").replace(/^"(.*)"$/, "$1")}
                    </td>
                  ))}
                </tr>
              ))
              .reverse()}
          </tbody>
        </table>
      </div>
      {shown && <Card lens={lens} {...shown} {...place} />}
    </>
  );
}

/** What each block of the model makes of each token of the text, read by the end of the model. */
export function LensTable({ model, given, address }: { model: string; given: string | number[] | null; address: Address }) {
  const choice = address.query["values"] ?? "whole";
  const colour: Colour = address.query["tint"] === "next" ? "next" : "likeliest";
  const from = numberOf(address, "from") ?? 0;
  const known = useRef<{ model: string; values: LensValue[] } | null>(null);
  const values = known.current?.model === model ? known.current.values : null;
  const asked = useAsked(given === null ? null : JSON.stringify([model, given, choice, from]), async (signal) => {
    const begin = Math.min(from, typeof given === "string" ? from : Math.max(0, (given?.length ?? 1) - 1));
    const first = values ?? (await api.lens({ model, prompt: given ?? "", count: 1, top: 1 }, signal)).values;
    const numbers = chosenValues(first, choice);
    known.current = { model, values: first };
    return api.lens({ model, prompt: given ?? "", from: begin, count: Math.max(1, Math.min(AT_ONCE, Math.floor(CELLS / numbers.length))), values: numbers }, signal);
  });
  const parts = Math.max(1, ...(asked.data?.values ?? values ?? []).map(({ part }) => part));
  const set = (query: Record<string, string | number | null>) => goTo({ query, replace: true });
  const count = asked.data?.rows[0]?.cells.length ?? 0;
  const total = asked.data?.tokens.length ?? 0;
  return (
    <section className="lens-section" aria-label={t.title}>
      <div className="text-bar">
        <h2>{t.title}</h2>
        <label className="row tight">
          {t.values}
          <select value={choice} onChange={(event) => set({ values: event.target.value === "whole" ? null : event.target.value })}>
            <option value="whole">{t.whole}</option>
            {parts > 1 && <option value="all">{t.all}</option>}
            {parts > 1 &&
              Array.from({ length: parts - 1 }, (_, i) => (
                <option key={i} value={i + 1}>
                  {t.part(i + 1, parts)}
                </option>
              ))}
          </select>
        </label>
        <label className="row tight">
          {t.colour}
          <select value={colour} onChange={(event) => set({ tint: event.target.value === "next" ? "next" : null })}>
            <option value="likeliest">{t.likeliest}</option>
            <option value="next">{t.following}</option>
          </select>
        </label>
        <span className="lens-key muted" aria-hidden="true">
          0 % <span style={{ background: `linear-gradient(to right, ${shade(0)}, ${shade(0.25)}, ${shade(1)})` }} /> 100 %
        </span>
        <span className="grow" />
        {total > count && (
          <>
            <span className="muted">{t.range(from + 1, from + count, total)}</span>
            <button disabled={from === 0} onClick={() => set({ from: Math.max(0, from - AT_ONCE) || null })}>
              {t.before}
            </button>
            <button disabled={from + count >= total} onClick={() => set({ from: from + count })}>
              {t.after}
            </button>
          </>
        )}
      </div>
      {given === null ? <Empty title={t.empty} /> : <Shown asked={asked}>{(lens) => <Grid key={JSON.stringify([lens.from, lens.rows.length, lens.tokens.length])} lens={lens} colour={colour} />}</Shown>}
    </section>
  );
}
