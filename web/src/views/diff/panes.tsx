import { useCallback, useEffect, useMemo, useRef, useState } from "react";
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

function Both({ compared, rows, row, drawn, folds }: Props & { drawn: [Drawn, Drawn]; folds: [Fold, Fold] }) {
  const { a, b, matched } = compared;
  const halves = [a, b] as const;
  const toOther = [matched.toB, matched.toA] as const;
  const theme = useThemeCount();
  const states = useMemo(() => [itemStates(drawn[0], rows, "a"), itemStates(drawn[1], rows, "b")] as const, [drawn[0], drawn[1], rows]);
  const tints = useMemo(() => states.map(tintsOf), [states, theme]);
  const scenes = useRef<[Made | null, Made | null]>([null, null]);
  const [ready, setReady] = useState(0);
  const [picked, setPicked] = useState<[number | null, number | null]>([null, null]); // groups, inputs and outputs are not in the address
  const step = useMemo(() => {
    const [one, other] = scenes.current;
    const [ofA, ofB] = [{ drawn: drawn[0], values: a.values }, { drawn: drawn[1], values: b.values }];
    return one?.drawn === drawn[0] && other?.drawn === drawn[1] ? new Step([one.scene, other.scene], [partners(ofA, ofB, matched.toB), partners(ofB, ofA, matched.toA)]) : null;
  }, [ready, drawn[0], drawn[1]]);
  const stepped = useRef<Step | null>(null);
  stepped.current = step;
  const items = row && ([drawn[0].holders[row.a] ?? -1, drawn[1].holders[row.b] ?? -1] as [number, number]);
  const keep = useCallback((side: 0 | 1) => (made: Made | null) => {
    scenes.current[side] = made;
    if (made) setReady((n) => n + 1);
  }, []);
  useEffect(() => {
    if (!step) return;
    if (items) step.show(items);
    else step.follow(0);
  }, [step, items?.[0], items?.[1]]);
  const pick = (side: 0 | 1) => (item: number | null) => {
    const found = item === null ? undefined : drawn[side].items[item];
    const key = side === 0 ? "a" : "b";
    if (found?.kind === "node") {
      setPicked([null, null]);
      return selectRow(compared.rows.find((other) => other[key] === found.i));
    }
    selectRow(undefined);
    const other = item === null ? null : partnerOf(side, item);
    setPicked(side === 0 ? [item, other] : [other, item]);
  };
  const partnerOf = (side: 0 | 1, item: number): number | null => {
    const made = partners({ drawn: drawn[side], values: halves[side].values }, { drawn: drawn[1 - side]!, values: halves[1 - side]!.values }, toOther[side]);
    return made[item]! >= 0 ? made[item]! : null;
  };
  const toggle = (side: 0 | 1, group: Group) => {
    const open = folds[side].unfolded?.open.has(group.id) ?? false;
    const other = sameGroup(group, toOther[side], halves[1 - side]!);
    folds[side].toggle(group);
    if (other && folds[1 - side]!.unfolded?.open.has(other.id) === open) folds[1 - side]!.toggle(other);
    setPicked([null, null]);
  };
  const enter = (side: 0 | 1) => (item: number) => {
    const { group } = drawn[side].items[item] ?? {};
    if (group) toggle(side, group);
  };
  const both = (act: (scene: Scene) => void) => () => scenes.current[0] && act(scenes.current[0].scene);
  const folded = folds.some(({ unfolded }) => unfolded !== null);
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
          onEnter={enter(side)}
          onBox={(box) => toggle(side, drawn[side].boxes[box]!)}
          onMoved={() => stepped.current?.follow(side)}
          onScene={keep(side)}
        />
      ))}
      <div className="graph-tools" role="group" aria-label={texts.graph.zoom}>
        <button aria-label={texts.graph.zoomIn} title={texts.graph.zoomIn} onClick={both((scene) => scene.zoom(1.25))}>
          +
        </button>
        <button aria-label={texts.graph.zoomOut} title={texts.graph.zoomOut} onClick={both((scene) => scene.zoom(0.8))}>
          −
        </button>
        <button aria-label={texts.graph.fit} title={texts.graph.fit} onClick={both((scene) => scene.fit(true))}>
          ⤢
        </button>
        {halves.some(({ folding }) => folding.groups.length > 0) && (
          <button aria-label={folded ? texts.fold.unfoldAll : texts.fold.foldAll} title={folded ? texts.fold.unfoldAll : texts.fold.foldAll} onClick={() => folds.forEach((fold) => fold.set(!folded))}>
            {folded ? "⊞" : "⊟"}
          </button>
        )}
      </div>
    </div>
  );
}

/** The two graphs side by side, in step. */
export function Panes(props: Props) {
  const { compared: { a, b }, row } = props;
  const folds: [Fold, Fold] = [useFold(a), useFold(b)];
  const drawnA = useDrawn(a, folds[0]);
  const drawnB = useDrawn(b, folds[1]);
  useEffect(() => {
    if (!row) return; // what is selected is to be seen
    if (row.a >= 0) folds[0].unfold(groupsAround(a.folding.groups, row.a));
    if (row.b >= 0) folds[1].unfold(groupsAround(b.folding.groups, row.b));
  }, [row?.id]);
  return <Shown asked={drawnA}>{(first) => <Shown asked={drawnB}>{(second) => <Both {...props} drawn={[first, second]} folds={folds} />}</Shown>}</Shown>;
}
