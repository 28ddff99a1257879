import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { api, type GraphView as ApiView } from "../../api/client";
import type { Graph, Model, Node, NodeDetail, Run, Value } from "../../api/types";
import { Panel } from "../../components/panel";
import { Empty, Shown, useAsked, Waiting } from "../../components/states";
import type { Seen } from "../../api/digest";
import { canPlan, sessionOfModel } from "../../session/session";
import { goTo, numberOf, type Address } from "../../state/address";
import { prefixOfCall, useSeen } from "../../state/live";
import { useSelected } from "../../state/source";
import { followRuns, modelDetail, runKey, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { Crumbs } from "./crumbs";
import type { Drawn } from "./drawn";
import { fold as foldOf, groupsAround, type Folding } from "./fold";
import { closedAround, selectGroup, useDrawn, useFold, type Fold } from "./folding";
import { Inspector, type Live } from "./inspector";
import { graphKey } from "./keys";
import { nameInRuns, prefixOf, sourceOf, valuesOf } from "./names";
import { figureText, Legend, useOverlay, usePainted } from "./overlay";
import { RunLine } from "./run";
import { RunDialog } from "./run-form";
import { SaveDialog } from "./save";
import { Scene } from "./scene";
import { Search } from "./search";
import "./graph.css";

const t = texts.graph;

/** Which graph is shown: of the file or as it runs, and the node whose milli-ops are shown in its place. */
export interface Place {
  model: string;
  graph: number;
  milli: number | null;
  view: ApiView;
}

export interface Data {
  place: Place;
  graphs: Graph[];
  /** The calls of a job. */
  calls: string[];
  /** The node whose milli-ops these are. */
  holder: NodeDetail | null;
  nodes: Node[];
  values: Value[];
  folding: Folding;
  /** What runs put before the names of values here. */
  prefix: string;
}

export interface Loaded extends Data {
  drawn: Drawn;
}

/** The nodes that hold a graph, the outermost first. */
async function holdersOf({ model, graph, view }: Place, graphs: Graph[]): Promise<NodeDetail[]> {
  const row = graphs.find((other) => other.number === graph);
  if (!row || row.outer < 0) return [];
  const outer = await holdersOf({ model, graph: row.outer, milli: null, view }, graphs);
  return [...outer, await api.node(model, row.outer, row.holder, view)];
}

async function load(place: Place, signal: AbortSignal): Promise<Data> {
  const { model, graph, milli, view } = place;
  const shared = Promise.all([api.graphs(model, view), modelDetail(model)]);
  const inside = milli === null ? null : await Promise.all([api.node(model, graph, milli, view), api.milli(model, graph, milli, view, signal)]);
  const [nodes, values] = inside ? [inside[1].nodes, inside[1].values] : await Promise.all([api.nodes(model, graph, view, signal), api.values(model, graph, view, signal)]);
  const [graphs, { calls }] = await shared;
  const prefix = prefixOf(await holdersOf(place, graphs));
  return { place, graphs, calls, holder: inside?.[0] ?? null, nodes, values, folding: foldOf(nodes, texts.fold.block), prefix };
}

function placeOf(model: string, address: Address): Place {
  const { call, show } = address.query;
  return { model, graph: numberOf(address, "g") ?? 0, milli: numberOf(address, "milli"), view: { call, view: show === "planned" ? "planned" : undefined } };
}

/** What is selected: a node or a value of the graph. */
export interface Chosen {
  node: number | null;
  value: number | null;
  group: string | null;
}

interface Tip {
  item: number;
  x: number;
  y: number;
}

const unfoldedAnew = { group: null, open: null, fold: null };
export const selectNode = (node: number | null) => goTo({ query: { node, value: null, group: null }, replace: true });
export const selectValue = (value: number | null) => goTo({ query: { node: null, value, group: null }, replace: true });
export const inGraph = (graph: number) => ({ g: graph === 0 ? null : graph, milli: null, node: null, value: null, ...unfoldedAnew });
export const enterGraph = (graph: number) => goTo({ query: inGraph(graph) });
export const enterMilli = (node: number) => goTo({ query: { milli: node, node: null, value: null, group: null } });

function leave({ holder, graphs, place }: Loaded): void {
  const outer = graphs.find((row) => row.number === place.graph)?.outer ?? -1;
  if (holder) goTo({ query: { milli: null, node: holder.i, value: null } });
  else if (outer >= 0) enterGraph(outer);
}

/** After groups were folded or unfolded: the view stays where it was, around the first node that is shown otherwise than before. */
export function keepPlace(before: { drawn: Drawn; scene: Scene }, after: { drawn: Drawn; scene: Scene }): void {
  const [old, now] = [before.drawn.holders, after.drawn.holders];
  if (old.length !== now.length || before.drawn.items.length === after.drawn.items.length) return;
  const shows = (drawn: Drawn, node: number) => drawn.items[drawn.holders[node]!]?.group?.id;
  const node = old.findIndex((item, i) => item >= 0 && shows(before.drawn, i) !== shows(after.drawn, i));
  if (node >= 0) after.scene.lookAs(before.scene.look(), now[node]!, before.scene.placeOf(old[node]!));
}

function itemOf(drawn: Drawn, { node, value, group }: Chosen): number {
  if (node !== null) return drawn.itemOfNode[node] ?? -1;
  if (value !== null) return drawn.itemsOfValue.get(value)?.[0] ?? -1;
  return group === null ? -1 : drawn.items.findIndex((item) => item.group?.id === group);
}

function Canvas({ loaded, chosen, fold, found, live, onRun }: { loaded: Loaded; chosen: Chosen; fold: Fold; found: number[]; live: Live; onRun: () => void }) {
  const overlay = useOverlay(loaded, live.run);
  const { drawn, nodes, holder } = loaded;
  const canvas = useRef<HTMLCanvasElement>(null);
  const minimap = useRef<HTMLCanvasElement>(null);
  const [scene, setScene] = useState<Scene | null>(null);
  const [tip, setTip] = useState<Tip | null>(null);

  const toggle = useRef(fold.toggle);
  toggle.current = fold.toggle;
  const before = useRef<{ drawn: Drawn; scene: Scene } | null>(null);

  const choose = useCallback(
    (item: number | null) => {
      const row = item === null ? undefined : drawn.items[item];
      if (row?.kind === "value") selectValue(row.i);
      else if (row?.group) selectGroup(row.group.id);
      else selectNode(row?.i ?? null);
    },
    [drawn],
  );
  const enter = useCallback(
    (item: number) => {
      const row = drawn.items[item];
      if (row?.group) return toggle.current(row.group);
      if (row?.kind !== "node") return;
      const inside = nodes[row.i]?.graphs[0];
      if (inside !== undefined) enterGraph(inside);
      else if (holder === null) enterMilli(row.i);
    },
    [drawn, nodes, holder],
  );
  // The scene is there as soon as the canvas is seen: keys and clicks would be lost.
  useLayoutEffect(() => {
    if (!canvas.current || !minimap.current) return;
    delete canvas.current.dataset["sized"];
    const made = new Scene(canvas.current, minimap.current, drawn, {
      select: choose,
      follow: (edge) => selectValue(drawn.values[edge] ?? null),
      enter,
      box: (box, twice) => (twice ? toggle.current(drawn.boxes[box]!) : selectGroup(drawn.boxes[box]!.id)),
      hover: (item, x, y) => setTip(item === null ? null : { item, x, y }),
    });
    if (before.current) keepPlace(before.current, { drawn, scene: made });
    before.current = { drawn, scene: made };
    setScene(made);
    return () => made.destroy();
  }, [drawn, choose, enter]);

  usePainted(scene, loaded, overlay);
  const item = itemOf(drawn, chosen);
  useLayoutEffect(() => {
    if (!scene) return;
    scene.select(item >= 0 ? item : null);
    if (item >= 0) scene.show(item);
    else if (chosen.value !== null) {
      const edges = Array.from(drawn.values.keys()).filter((e) => drawn.values[e] === chosen.value);
      const ends = edges.flatMap((e) => [drawn.edges[2 * e]!, drawn.edges[2 * e + 1]!]);
      scene.mark(ends, edges);
      if (ends[0] !== undefined) scene.show(ends[0]);
      return;
    }
    scene.selectBox(drawn.boxes.findIndex((group) => group.id === chosen.group));
    scene.mark(found.map((node) => drawn.holders[node]!).filter((i) => i >= 0));
  }, [scene, item, chosen.value, chosen.group, drawn, found]);

  useEffect(() => {
    const seen = new Map<number, Seen>();
    for (const value of valuesOf(loaded, chosen)) {
      const found = live.seen.get(nameInRuns(loaded, value) ?? "");
      if (found && found.cells.length > 0) seen.set(value, found);
    }
    scene?.swatches(seen);
  }); // the map is the same while what is in it changes

  const key = (event: KeyboardEvent) =>
    graphKey(event, scene, choose, {
      Enter: () => item >= 0 && enter(item),
      Escape: () => choose(null),
      f: () => foldAround(fold, loaded, chosen),
      Backspace: () => leave(loaded),
      r: onRun,
    });
  const tipped = tip === null ? undefined : drawn.items[tip.item];
  return (
    <div className="graph-canvas">
      <canvas ref={canvas} tabIndex={0} role="application" aria-label={t.canvas} aria-describedby="graph-keys" onKeyDown={key} data-items={drawn.items.length} />
      <p id="graph-keys" className="sr">
        {t.keys}
      </p>
      <canvas ref={minimap} className="minimap" aria-hidden="true" />
      <Legend overlay={overlay} run={live.run} selected={item} />
      <div className="graph-tools" role="group" aria-label={t.zoom}>
        <button aria-label={t.zoomIn} title={t.zoomIn} onClick={() => scene?.zoom(1.25)}>
          +
        </button>
        <button aria-label={t.zoomOut} title={t.zoomOut} onClick={() => scene?.zoom(0.8)}>
          −
        </button>
        <button aria-label={t.fit} title={t.fit} onClick={() => scene?.fit(true)}>
          ⤢
        </button>
        {fold.can && (
          <button aria-label={fold.unfolded ? texts.fold.unfoldAll : texts.fold.foldAll} title={fold.unfolded ? texts.fold.unfoldAll : texts.fold.foldAll} onClick={() => fold.set(!fold.unfolded)}>
            {fold.unfolded ? "⊞" : "⊟"}
          </button>
        )}
      </div>
      {tip && tipped && (
        <div className="tip" style={{ left: tip.x + 14, top: tip.y + 14 }}>
          <strong>{tipped.title}</strong>
          <div className="mono break">{tipped.name}</div>
          <div className="mono">{tipped.line}</div>
          <div className="mono">{figureText(overlay, tip.item)}</div>
        </div>
      )}
    </div>
  );
}

/** Folds the innermost group around what is chosen, which is chosen from then on. */
function foldAround(fold: Fold, { folding, nodes }: Data, { node, group }: Chosen): void {
  const chosen = group !== null ? folding.byId.get(group) : undefined;
  const around = nodes[node ?? -1] ? groupsAround(folding.groups, node ?? -1).at(-1) : chosen;
  const open = around && (fold.unfolded?.open.has(around.id) ? around : around.outer);
  if (!open || !fold.unfolded?.open.has(open.id)) return;
  selectGroup(open.id);
  fold.toggle(open);
}

/** The calls of a job, and the graph of the file or the one that runs. */
function Choices({ loaded, run }: { loaded: Loaded; run: Run | null }) {
  const { calls, place } = loaded;
  const other = { g: null, milli: null, node: null, value: null, run: run?.kind === "job" ? run.id : null, ...unfoldedAnew }; // a job's run is of all its calls
  return (
    <>
      {calls.length > 1 && (
        <select aria-label={t.call} value={place.view.call ?? calls[0]} onChange={(event) => goTo({ query: { ...other, call: event.target.value } })}>
          {calls.map((call) => (
            <option key={call}>{call}</option>
          ))}
        </select>
      )}
      <select aria-label={t.show} value={place.view.view ?? "file"} onChange={(event) => goTo({ query: { ...other, show: event.target.value === "file" ? null : event.target.value } })}>
        <option value="file">{t.asInFile}</option>
        <option value="planned">{t.asItRuns}</option>
      </select>
    </>
  );
}

/** The run whose values are shown: that of the address, or the last that was started here. */
function useRun(loaded: Data, wanted: string | undefined): { id: string | null; run: Run | null } {
  const { model, view } = loaded.place;
  const started = useStore((state) => state.started[runKey(model, view.call ?? loaded.calls[0])]);
  const id = wanted ?? started ?? null;
  const run = useStore((state) => (id === null ? null : (state.runs[id] ?? null)));
  useEffect(followRuns, []);
  return { id, run };
}

function GraphPage({ model, data: plain, chosen, wanted, reference }: { model: Model; data: Data; chosen: Chosen; wanted: string | undefined; reference: string | undefined }) {
  const [query, setQuery] = useState("");
  const [dialog, setDialog] = useState<"run" | "save" | null>(null);
  const server = sessionOfModel(model.id) === undefined; // a session is neither run nor planned nor saved again
  const toRun = () => server && setDialog("run");
  const { id, run } = useRun(plain, wanted);
  const call = run?.kind === "job" ? (plain.place.view.call ?? plain.calls[0]) : undefined;
  const data = useMemo(() => (call === undefined ? plain : { ...plain, prefix: prefixOfCall(call) + plain.prefix }), [plain, call]);
  const fold = useFold(plain);
  const asked = useDrawn(plain, fold);
  const drawn = asked.data;
  const loaded = useMemo(() => (drawn ? { ...data, drawn } : null), [data, drawn]);
  const hidden = chosen.node === null ? [] : closedAround(fold, chosen.node);
  useEffect(() => {
    if (hidden.length > 0) fold.unfold(hidden); // what is selected is to be seen
  });
  const names = useMemo(() => valuesOf(data, chosen).flatMap((i) => nameInRuns(data, i) ?? []), [data, chosen.node, chosen.value]);
  const live = { run, seen: useSeen(run, names, data.holder !== null) };
  useEffect(() => useSelected.setState({ source: sourceOf(data, chosen, id) }), [data, chosen.node, chosen.value, id]);
  const found = useMemo(() => {
    const wanted = query.trim().toLowerCase();
    if (wanted === "") return [];
    return data.nodes.filter((node) => node.name.toLowerCase().includes(wanted) || node.type.toLowerCase().includes(wanted)).map((node) => node.i);
  }, [query, data]);
  if (!loaded) return <Shown asked={asked}>{() => null}</Shown>;
  return (
    <div className="graph-page">
      <div className="graph-middle">
        <div className="graph-bar">
          <Crumbs loaded={loaded} model={model} />
          {canPlan(model) && <Choices loaded={loaded} run={run} />}
          <Search nodes={loaded.nodes} found={found} query={query} onQuery={setQuery} />
          {server && (
            <>
              <button title={texts.session.goHint} onClick={() => setDialog("save")}>
                {texts.session.go}
              </button>
              <button className="primary" title={texts.run.goHint} onClick={toRun}>
                {texts.run.go}
              </button>
            </>
          )}
        </div>
        {id !== null && <RunLine id={id} run={run} />}
        {loaded.drawn.items.length === 0 ? <Empty title={t.empty} /> : <Canvas loaded={loaded} chosen={chosen} fold={fold} found={found} live={live} onRun={toRun} />}
      </div>
      {dialog === "run" && <RunDialog model={model.id} call={data.place.view.call} inside={data.holder !== null} onClose={() => setDialog(null)} />}
      {dialog === "save" && <SaveDialog model={model} call={data.place.view.call} nodes={data.graphs.reduce((sum, { n_nodes }) => sum + n_nodes, 0)} run={run} reference={reference} onClose={() => setDialog(null)} />}
      <Panel side="right" id="inspector" title={texts.shell.inspector} initial={320} max={700}>
        <Inspector loaded={loaded} chosen={chosen} live={live} fold={fold} onSearch={setQuery} />
      </Panel>
    </div>
  );
}

export default function GraphView({ model, address }: ViewProps) {
  const place = placeOf(model?.id ?? "", address);
  const key = model ? JSON.stringify([place, model.opened]) : null;
  const asked = useAsked(key, (signal) => load(place, signal));
  if (!model) return <Waiting />;
  const chosen = { node: numberOf(address, "node"), value: numberOf(address, "value"), group: address.query["group"] ?? null };
  return <Shown asked={asked}>{(data) => <GraphPage key={key} model={model} data={data} chosen={chosen} wanted={address.query["run"]} reference={address.query["with"]} />}</Shown>;
}
