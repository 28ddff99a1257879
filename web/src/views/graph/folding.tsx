// Which groups of a graph are unfolded: it stands in the address (`fold`, `open`, `group`).
import { useEffect, useMemo, useRef } from "react";
import { Facts } from "../../components/table";
import { useAsked, type Asked } from "../../components/states";
import { goTo, useAddress } from "../../state/address";
import { texts } from "../../texts";
import { draw, type Drawn, type Unfolded } from "./drawn";
import { groupTitle } from "./titles";
import { groupsAround, isDrawn, openAtFirst, type Group } from "./fold";
import { TypeCounts, Part } from "./inspector";
import type { Data } from ".";

const t = texts.fold;
export const FOLDED_FROM = 400; // nodes; smaller graphs open as they are
const LISTED = 200;

export const selectGroup = (group: string | null) => goTo({ query: { node: null, value: null, group }, replace: true });

export interface Fold {
  unfolded: Unfolded | null;
  /** Whether there is anything to fold. */
  can: boolean;
  set: (folded: boolean) => void;
  toggle: (group: Group) => void;
  unfold: (groups: Group[]) => void;
}

export function useFold(data: Data): Fold {
  const { fold, open } = useAddress().query;
  const { folding, nodes } = data;
  const unfolded = useMemo(() => {
    const wanted = fold === "on" || (fold !== "off" && nodes.length >= FOLDED_FROM);
    if (!wanted || folding.groups.length === 0) return null;
    return { folding, open: new Set(open === undefined ? openAtFirst(folding, nodes.filter(isDrawn).length) : open.split(".")) };
  }, [folding, nodes, fold, open]);
  const write = (ids: Iterable<string>) => goTo({ query: { open: [...ids].join("."), fold: nodes.length >= FOLDED_FROM ? null : "on" }, replace: true });
  const opened = unfolded?.open ?? new Set<string>();
  return {
    unfolded,
    can: folding.groups.length > 0,
    set: (folded) => goTo({ query: { fold: folded ? "on" : "off", open: null, group: null } }),
    toggle: ({ id }) => write(opened.has(id) ? [...opened].filter((other) => other !== id) : [...opened, id]),
    unfold: (groups) => write(new Set([...opened, ...groups.map((group) => group.id)])),
  };
}

/** What is drawn; while it is laid out anew, what was drawn before. */
export function useDrawn(data: Pick<Data, "place" | "nodes" | "values">, { unfolded }: Pick<Fold, "unfolded">): Asked<Drawn> {
  const key = JSON.stringify([data.place, unfolded && [...unfolded.open].sort()]);
  const last = useRef<Drawn | null>(null);
  const asked = useAsked(key, () => draw(data.nodes, data.values, unfolded));
  useEffect(() => {
    if (asked.data) last.current = asked.data;
  }, [asked.data]);
  return { ...asked, data: asked.data ?? last.current };
}

/** The groups that must be unfolded before a node can be seen. */
export function closedAround({ unfolded }: Fold, node: number): Group[] {
  if (!unfolded) return [];
  return groupsAround(unfolded.folding.groups, node).filter((group) => !unfolded.open.has(group.id));
}

export function GroupFacts({ group, data, fold, onSearch }: { group: Group; data: Data; fold: Fold; onSearch: (text: string) => void }) {
  const open = fold.unfolded?.open.has(group.id) ?? false;
  const nodes = useMemo(() => data.nodes.slice(group.begin, group.end).filter(isDrawn), [data, group]);
  return (
    <>
      <h2 className="title break">{groupTitle(group)}</h2>
      <p className="muted">{t.kinds[group.kind]}</p>
      <Facts of={[[texts.models.operators, group.n.toLocaleString("en")], [t.blocks, group.kind === "repeat" && group.blocks], [t.around, group.outer && groupTitle(group.outer)]]} />
      <div className="row">
        <button onClick={() => fold.toggle(group)}>{open ? t.fold : t.unfold}</button>
        {group.outer && <button onClick={() => selectGroup(group.outer!.id)}>{t.goAround}</button>}
      </div>
      {group.inside.length > 0 && (
        <Part title={t.inside}>
          <ul className="values">
            {group.inside.slice(0, LISTED).map((inner) => (
              <li key={inner.id}>
                <button
                  className="plain link"
                  onClick={() => {
                    if (!open) fold.unfold([group]);
                    selectGroup(inner.id);
                  }}
                >
                  {groupTitle(inner)}
                </button>
                <div className="muted">{texts.models.nOperators(inner.n)}</div>
              </li>
            ))}
          </ul>
        </Part>
      )}
      <TypeCounts nodes={nodes} onSearch={onSearch} />
    </>
  );
}
