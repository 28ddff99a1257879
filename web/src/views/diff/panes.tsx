import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useThemeCount } from "../../components/size";
import { Shown } from "../../components/states";
import { texts } from "../../texts";
import { groupsAround, isDrawn, openAtFirst, type Group } from "../graph/fold";
import { FOLDED_FROM, useDrawn } from "../graph/folding";
import type { Drawn, Unfolded } from "../graph/drawn";
import type { Scene } from "../graph/scene";
import type { Row } from "./differences";
import { selectRow, type Compared, type Half } from "./load";
import { Pane } from "./pane";
import { itemStates, partners, Step, tintsOf } from "./step";

const t = texts.diff;

interface Made {
  scene: Scene;
  drawn: Drawn;
}

interface Fold {
  unfolded: Unfolded | null;
  toggle: (group: Group) => void;
  unfold: (groups: Group[]) => void;
  set: (folded: boolean) => void;
}

/** Which groups of a graph are unfolded. */
function useFold({ nodes, folding }: Half): Fold {
  const first = () => new Set(openAtFirst(folding, nodes.filter(isDrawn).length));
  const [open, setOpen] = useState<ReadonlySet<string> | null>(() => (nodes.length >= FOLDED_FROM && folding.groups.length > 0 ? first() : null));
  const unfolded = useMemo(() => open && { folding, open }, [folding, open]);
  return {
    unfolded,
    toggle: ({ id }) => setOpen((now) => now && new Set(now.has(id) ? [...now].filter((other) => other !== id) : [...now, id])),
    unfold: (groups) => setOpen((now) => now && (groups.every(({ id }) => now.has(id)) ? now : new Set([...now, ...groups.map(({ id }) => id)]))),
    set: (folded) => setOpen(folded ? first() : null),
  };
}

/** The group of the other graph that holds the same nodes, as deep. */
function sameGroup(group: Group, toOther: Int32Array, { folding }: Half): Group | undefined {
  for (let node = group.begin; node < group.end; node++) {
    const other = toOther[node]!;
    if (other >= 0) return groupsAround(folding.groups, other).find(({ title, kind, outer }) => kind === group.kind && title === group.title && (outer === null) === (group.outer === null));
  }
  return undefined;
}

interface Props {
  compared: Compared;
  /** With the weights that differ; those that are coloured. */
  rows: Row[];
  row: Row | undefined;
}

type Pair<T> = [T, T];

/** Keeps the scenes of both graphs in step, and shows what is selected. */
function useStep({ a, b, matched }: Compared, drawn: Pair<Drawn>, row: Row | undefined) {
  const scenes = useRef<Pair<Made | null>>([null, null]);
  const [ready, setReady] = useState(0);
  const toPartners = useMemo((): Pair<Int32Array> => {
    const [ofA, ofB] = [{ drawn: drawn[0], values: a.values }, { drawn: drawn[1], values: b.values }];
    return [partners(ofA, ofB, matched.toB), partners(ofB, ofA, matched.toA)];
  }, [a, b, matched, drawn[0], drawn[1]]);
  const step = useMemo(() => {
    const [one, other] = scenes.current;
    return one?.drawn === drawn[0] && other?.drawn === drawn[1] ? new Step([one.scene, other.scene], toPartners) : null;
  }, [ready, toPartners]);
  const items: Pair<number> | undefined = row && [drawn[0].holders[row.a] ?? -1, drawn[1].holders[row.b] ?? -1];
  useLayoutEffect(() => {
    if (!step) return;
    if (items) step.show(items);
    else step.begin(drawn[0].layout.y);
  }, [step, items?.[0], items?.[1]]);
  const keep = (side: 0 | 1) => (made: Made | null) => {
    scenes.current[side] = made;
    if (made) setReady((n) => n + 1);
  };
  return { scenes, step, items, keep, toPartners };
}

/** Scale of both graphs, and whether they are folded. */
function Tools({ act, folds, can }: { act: (on: (scene: Scene) => void) => void; folds: Pair<Fold>; can: boolean }) {
  const folded = folds.some(({ unfolded }) => unfolded !== null);
  const fold = folded ? texts.fold.unfoldAll : texts.fold.foldAll;
  const tools: [string, string, () => void][] = [
    [texts.graph.zoomIn, "+", () => act((scene) => scene.zoom(1.25))],
    [texts.graph.zoomOut, "−", () => act((scene) => scene.zoom(0.8))],
    [texts.graph.fit, "⤢", () => act((scene) => scene.fit(true))],
  ];
  if (can) tools.push([fold, folded ? "⊞" : "⊟", () => folds.forEach(({ set }) => set(!folded))]);
  return (
    <div className="graph-tools" role="group" aria-label={texts.graph.zoom}>
      {tools.map(([name, sign, go]) => (
        <button key={name} aria-label={name} title={name} onClick={go}>
          {sign}
        </button>
      ))}
    </div>
  );
}

function Both({ compared, rows, row, drawn, folds }: Props & { drawn: Pair<Drawn>; folds: Pair<Fold> }) {
  const { a, b, matched } = compared;
  const halves = [a, b] as const;
  const theme = useThemeCount();
  const states = useMemo(() => [itemStates(drawn[0], rows, "a"), itemStates(drawn[1], rows, "b")] as const, [drawn[0], drawn[1], rows]);
  const tints = useMemo(() => states.map(tintsOf), [states, theme]);
  const { scenes, step, items, keep, toPartners } = useStep(compared, drawn, row);
  const [picked, setPicked] = useState<Pair<number | null>>([null, null]); // groups, inputs and outputs are not in the address
  const pick = (side: 0 | 1) => (item: number | null) => {
    const found = item === null ? undefined : drawn[side].items[item];
    const isNode = found?.kind === "node";
    selectRow(isNode ? compared.rows.find((other) => other[side === 0 ? "a" : "b"] === found.i) : undefined);
    const partner = item === null || toPartners[side][item]! < 0 ? null : toPartners[side][item]!;
    setPicked(isNode ? [null, null] : side === 0 ? [item, partner] : [partner, item]);
  };
  const toggle = (side: 0 | 1, group: Group | undefined) => {
    if (!group) return;
    const open = folds[side].unfolded?.open.has(group.id) ?? false;
    const [mine, theirs] = side === 0 ? folds : [folds[1], folds[0]];
    const other = sameGroup(group, side === 0 ? matched.toB : matched.toA, side === 0 ? b : a);
    mine.toggle(group);
    if (other && theirs.unfolded?.open.has(other.id) === open) theirs.toggle(other);
    setPicked([null, null]);
  };
  return (
    <div className="diff-panes">
      <p id="diff-keys" className="sr">
        {t.keys}
      </p>
      {([0, 1] as const).map((side) => (
        <Pane
          key={side}
          side={side === 0 ? "a" : "b"}
          name={halves[side].name}
          drawn={drawn[side]}
          states={states[side]}
          tints={tints[side]!}
          item={items ? (items[side] >= 0 ? items[side] : null) : picked[side]}
          onPick={pick(side)}
          onEnter={(item) => toggle(side, drawn[side].items[item]?.group)}
          onBox={(box) => toggle(side, drawn[side].boxes[box])}
          onMoved={() => step?.follow(side)}
          onScene={keep(side)}
        />
      ))}
      <Tools act={(on) => scenes.current[0] && on(scenes.current[0].scene)} folds={folds} can={halves.some(({ folding }) => folding.groups.length > 0)} />
    </div>
  );
}

/** The two graphs side by side, in step. */
export function Panes(props: Props) {
  const { compared: { a, b }, row } = props;
  const folds: Pair<Fold> = [useFold(a), useFold(b)];
  const drawnA = useDrawn(a, folds[0]);
  const drawnB = useDrawn(b, folds[1]);
  useEffect(() => {
    if (!row) return; // what is selected is to be seen
    if (row.a >= 0) folds[0].unfold(groupsAround(a.folding.groups, row.a));
    if (row.b >= 0) folds[1].unfold(groupsAround(b.folding.groups, row.b));
  }, [row?.id]);
  return <Shown asked={drawnA}>{(first) => <Shown asked={drawnB}>{(second) => <Both {...props} drawn={[first, second]} folds={folds} />}</Shown>}</Shown>;
}
