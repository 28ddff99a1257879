// Nodes coloured by a figure: of a run, of the graph, or of a file; the box on the graph chooses which and explains the colours.
import { useEffect, useMemo } from "react";
import { api, faultText } from "../../api/client";
import type { Digest, ProfileRow, Run } from "../../api/types";
import { colourOf, css, mixed, type Colour } from "../../components/colours";
import { formatBytes, formatNumber, formatSeconds } from "../../components/format";
import { useThemeCount } from "../../components/size";
import { useAsked, type Asked } from "../../components/states";
import { goTo, useAddress, type Address } from "../../state/address";
import { withoutTurns } from "../../state/live";
import { runsOf, useStore } from "../../state/store";
import { texts } from "../../texts";
import { toleranceOf } from "../compare/tolerance";
import { TableChoice, useColumn } from "./overlay-file";
import { nameInRuns } from "./names";
import type { Scene, Tint } from "./scene";
import type { Loaded } from ".";

const t = texts.overlay;
const kinds = ["time", "memory", "backend", "error", "range", "zeros", "dtype", "file"] as const;
type Kind = (typeof kinds)[number];

/** A figure for each node that has one. */
type Figures = ReadonlyMap<number, number | string>;

const kindIn = (address: Address): Kind | null => kinds.find((kind) => kind === address.query["colour"]) ?? null;

/** Of what a profile tells of a node: its seconds, in loops those of all iterations; the most memory; the backend that took longest. */
function profileOf({ nodes }: Loaded, rows: ProfileRow[], kind: Kind): Figures {
  const named = new Map<string, ProfileRow>();
  for (const row of rows) {
    const other = named.get(row.node);
    const backend = other && other.seconds > row.seconds ? other.backend : row.backend;
    named.set(row.node, { ...row, seconds: row.seconds + (other?.seconds ?? 0), memory: Math.max(row.memory, other?.memory ?? 0), backend });
  }
  return new Map(
    nodes.flatMap((node) => {
      const row = named.get(node.name || `node${node.i}`); // as a profile calls nodes without a name
      return row === undefined ? [] : [[node.i, kind === "time" ? row.seconds : kind === "memory" ? row.memory : row.backend] as const];
    }),
  );
}

/** Of what is known by the names that runs give to values: of the outputs of each node the greatest. */
function byValue(loaded: Loaded, named: Map<string, number>): Figures {
  const figures = new Map<number, number>();
  for (const node of loaded.nodes) {
    const known = node.out.flatMap((value) => (value < 0 ? [] : (named.get(nameInRuns(loaded, value) ?? "") ?? [])));
    if (known.length > 0) figures.set(node.i, Math.max(...known));
  }
  return figures;
}

const largest = ({ min, max }: Digest): number => Math.max(Math.abs(min ?? 0), Math.abs(max ?? 0));

async function digestsOf(run: string, figure: (digest: Digest) => number): Promise<Map<string, number>> {
  const named = new Map<string, number>();
  for (let from = 0; ; ) {
    const { total, values } = await api.runValues(run, { from, count: 10_000 });
    for (const { name, digest } of values) if (digest.count > 0) named.set(withoutTurns(name), figure(digest));
    from += values.length;
    if (from >= total || values.length === 0) return named;
  }
}

function typesOf({ nodes, values }: Loaded): Figures {
  return new Map(nodes.flatMap((node) => {
    const dtype = values[node.out.find((value) => value >= 0) ?? -1]?.dtype;
    return dtype ? [[node.i, dtype] as const] : [];
  }));
}

const profiled: Kind[] = ["time", "memory", "backend"];

/** Why a kind has no figures here; null: it may have. */
function missing(kind: Kind, run: Run | null, other: string | undefined): string | null {
  if (kind === "dtype" || kind === "file") return null;
  if (run === null || run.ended === null) return t.noRun;
  if (profiled.includes(kind) && !run.profile) return t.noProfile;
  return kind === "error" && other === undefined ? t.noReference : null;
}

async function read(kind: Kind, loaded: Loaded, run: string, other: string, address: Address): Promise<Figures> {
  if (kind === "dtype") return typesOf(loaded);
  if (kind === "zeros") return byValue(loaded, await digestsOf(run, ({ zero, count }) => zero / count));
  if (kind === "range") return byValue(loaded, await digestsOf(run, largest));
  if (profiled.includes(kind)) return profileOf(loaded, (await api.profile(run, 0, undefined, 0)).by_node, kind);
  const named = new Map<string, number>(); // of a loop's iterations the greatest
  for (const { name, max_rel } of (await api.compare(run, other, toleranceOf(address))).rows) {
    const error = max_rel === null ? Infinity : (max_rel ?? 0);
    named.set(withoutTurns(name), Math.max(named.get(withoutTurns(name)) ?? 0, error));
  }
  return byValue(loaded, named);
}

const palette = ["--op-product", "--op-activation", "--op-reduce", "--op-normal", "--op-quantize", "--op-control", "--op-other", "--op-shape"];

/** Of the members of a folded group: their time together, the most of another number, the most frequent name. */
function together(kind: Kind, of: (number | string)[]): number | string {
  const numbers = of.filter((figure) => typeof figure === "number");
  if (numbers.length > 0) return numbers.reduce((a, b) => (kind === "time" ? a + b : Math.max(a, b)));
  const counts = new Map<string | number, number>();
  for (const name of of) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}

/** A figure for each item that is drawn. */
function ofItems(kind: Kind, figures: Figures, holders: Int32Array): Figures {
  const members = new Map<number, (number | string)[]>();
  for (const [node, figure] of figures) {
    const item = holders[node] ?? -1;
    if (item < 0) continue;
    const of = members.get(item);
    if (of) of.push(figure);
    else members.set(item, [figure]);
  }
  return new Map([...members].map(([item, of]) => [item, together(kind, of)]));
}

/** Where a figure is on the scale, 0 to 1; zeros and numbers of files are on a linear one, the others on a logarithmic one. */
function placer(kind: Kind, figures: Figures): { place: (figure: number) => number; ends: [number, number] } {
  if (kind === "file") {
    const numbers = [...figures.values()].filter((figure): figure is number => typeof figure === "number" && Number.isFinite(figure));
    const [low, high] = [numbers.reduce((a, b) => Math.min(a, b), Infinity), numbers.reduce((a, b) => Math.max(a, b), -Infinity)];
    return { place: (figure) => Math.min(Math.max((figure - low) / (high - low || 1), 0), 1), ends: [low, high] };
  }
  const all = [...figures.values()].filter((figure): figure is number => typeof figure === "number" && Number.isFinite(figure) && figure > 0);
  if (kind === "zeros") return { place: (figure) => figure, ends: [0, 1] };
  const [low, high] = [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), 0)];
  const span = Math.log(high / low) || 1;
  return { place: (figure) => (figure <= 0 ? 0 : figure === Infinity ? 1 : 0.15 + (0.85 * Math.log(figure / low)) / span), ends: [low, high] };
}

const written = (kind: Kind, figure: number | string): string =>
  typeof figure === "string" ? figure : kind === "time" ? formatSeconds(figure) : kind === "memory" ? formatBytes(figure) : kind === "file" ? formatNumber(figure) : kind === "zeros" ? `${(100 * figure).toFixed(1)} %` : figure === Infinity ? texts.compare.notFinite : formatNumber(figure, 3);

/** Text is dark on light colours and light on dark ones. */
function tintOf(colour: Colour): Tint {
  const [r, g, b] = colour.map((part) => (part / 255) ** 2.2) as Colour;
  return { fill: css(colour), text: 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.2 ? "#10151c" : "#ffffff" };
}

/** Names have the colours that they have among all nodes, numbers those of the scale of what is drawn. */
function painter(kind: Kind, figures: Figures, items: Figures): (figure: number | string) => Colour {
  const style = getComputedStyle(document.documentElement);
  const names = [...new Set(figures.values())].map(String).sort();
  const { place } = placer(kind, items);
  const [low, high] = [colourOf(style, "--surface"), colourOf(style, "--cell-above")];
  return (figure) => (typeof figure === "string" ? colourOf(style, palette[names.indexOf(figure) % palette.length]!) : mixed(low, high, place(figure)));
}

export interface Overlay {
  kind: Kind | null;
  /** Why nothing is coloured. */
  note: string | null;
  /** Of nodes. */
  figures: Figures;
  /** Of items that are drawn: nodes, and folded groups. */
  items: Figures;
}

const nothing: Figures = new Map();
const SHOWN_NAMES = 16;

function useFigures(loaded: Loaded, run: Run | null): Omit<Overlay, "items"> {
  const address = useAddress();
  const kind = kindIn(address);
  const other = address.query["with"];
  const fromFile = useColumn(loaded, address.query["column"]);
  const note = kind === null ? null : missing(kind, run, other);
  const key = kind !== null && kind !== "file" && note === null ? JSON.stringify([kind, loaded.place, run?.id, kind === "error" ? [other, toleranceOf(address)] : null]) : null;
  const asked: Asked<Figures> = useAsked(key, () => read(kind ?? "dtype", loaded, run?.id ?? "", other ?? "", address));
  if (kind === "file") return { kind, ...fromFile };
  if (asked.fault !== null) return { kind, note: faultText(asked.fault), figures: nothing };
  const figures = asked.data ?? nothing;
  return { kind, note: note ?? (asked.waiting ? texts.loadingData : asked.data && figures.size === 0 ? t.none : null), figures };
}

export function useOverlay(loaded: Loaded, run: Run | null): Overlay {
  const overlay = useFigures(loaded, run);
  const { kind, figures } = overlay;
  const { holders } = loaded.drawn;
  const items = useMemo(() => (kind === null ? nothing : ofItems(kind, figures, holders)), [kind, figures, holders]);
  return { ...overlay, items };
}

/** Colours the scene, and again after a change of the theme. */
export function usePainted(scene: Scene | null, loaded: Loaded, { kind, figures, items }: Overlay): void {
  const theme = useThemeCount();
  useEffect(() => {
    if (!scene) return;
    if (kind === null) return scene.paint(null);
    const colour = painter(kind, figures, items);
    scene.paint(loaded.drawn.items.map((_, item) => (items.has(item) ? tintOf(colour(items.get(item)!)) : null)));
  }, [scene, kind, figures, items, loaded, theme]);
}

function Scale({ overlay: { kind, figures, items } }: { overlay: Overlay }) {
  const theme = useThemeCount();
  const rows = useMemo(() => {
    if (kind === null) return [];
    const colour = painter(kind, figures, items);
    return [...new Set(figures.values())].filter((figure) => typeof figure === "string").sort().map((name) => ({ name, colour: css(colour(name)) }));
  }, [kind, figures, items, theme]);
  if (kind === null || figures.size === 0) return null;
  if (rows.length > 0)
    return (
      <ul className="legend-names">
        {rows.slice(0, SHOWN_NAMES).map(({ name, colour }) => (
          <li key={name} className="break">
            <span className="legend-colour" style={{ background: colour }} /> {name}
          </li>
        ))}
        {rows.length > SHOWN_NAMES && <li className="muted">{t.more(rows.length - SHOWN_NAMES)}</li>}
      </ul>
    );
  const [low, high] = placer(kind, items).ends;
  return (
    <div className="legend-scale">
      <span className="mono">{written(kind, low)}</span>
      <span className="legend-ramp" title={kind === "zeros" || kind === "file" ? undefined : t.logarithmic} />
      <span className="mono">{written(kind, high)}</span>
    </div>
  );
}

/** The run that is the reference of the errors. */
function Reference({ run }: { run: Run }) {
  const all = useStore((state) => state.runs);
  const { query } = useAddress();
  const others = runsOf(all, run.model).filter((other) => other.id !== run.id && other.ended !== null && other.call === run.call);
  return (
    <select aria-label={t.reference} value={query["with"] ?? ""} onChange={(event) => goTo({ query: { with: event.target.value || null }, replace: true })}>
      <option value="">{t.chooseReference}</option>
      {others.map(({ id, oracle, backends }) => (
        <option key={id} value={id}>
          {[texts.run.name(id), oracle ? texts.run.oracle : backends].filter(Boolean).join(" · ")}
        </option>
      ))}
    </select>
  );
}

export function Legend({ overlay, run, selected }: { overlay: Overlay; run: Run | null; selected: number }) {
  const { kind, note, items } = overlay;
  const figure = items.get(selected);
  return (
    <div className="legend" role="group" aria-label={t.title}>
      <label className="row tight">
        <span className="muted">{t.title}</span>
        <select value={kind ?? ""} onChange={(event) => goTo({ query: { colour: event.target.value || null }, replace: true })}>
          <option value="">{t.family}</option>
          {kinds.map((id) => (
            <option key={id} value={id}>
              {t.kinds[id]}
            </option>
          ))}
        </select>
      </label>
      {kind === "error" && run && <Reference run={run} />}
      {kind === "file" && <TableChoice />}
      {note !== null && <p className="muted break">{note}</p>}
      <Scale overlay={overlay} />
      {kind !== null && figure !== undefined && (
        <p role="status">
          {t.selected} <span className="mono">{written(kind, figure)}</span>
        </p>
      )}
    </div>
  );
}

/** The figure of an item, for the tip below the pointer. */
export const figureText = ({ kind, items }: Overlay, item: number): string => (kind === null || !items.has(item) ? "" : written(kind, items.get(item)!));
