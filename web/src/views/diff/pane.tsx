import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { texts } from "../../texts";
import type { Drawn } from "../graph/drawn";
import { keepPlace } from "../graph";
import { graphKey } from "../graph/keys";
import { Scene, type Tint } from "../graph/scene";
import type { State } from "./differences";

const t = texts.diff;

interface Props {
  name: string;
  side: "a" | "b";
  drawn: Drawn;
  states: (State | null)[];
  tints: (Tint | null)[];
  /** The item that is selected. */
  item: number | null;
  onPick: (item: number | null) => void;
  onEnter: (item: number) => void;
  /** The title of an unfolded group was clicked twice. */
  onBox: (box: number) => void;
  onMoved: () => void;
  /** The scene of what is drawn, once it is made. */
  onScene: (made: { scene: Scene; drawn: Drawn } | null) => void;
}

/** One of the two graphs. */
export function Pane(props: Props) {
  const { name, side, drawn, states, tints, item } = props;
  const told = useRef(props);
  told.current = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const minimap = useRef<HTMLCanvasElement>(null);
  const before = useRef<{ drawn: Drawn; scene: Scene } | null>(null);
  const [scene, setScene] = useState<Scene | null>(null);
  const [tip, setTip] = useState<{ item: number; x: number; y: number } | null>(null);
  // The scene is there as soon as the canvas is seen: keys and clicks would be lost.
  useLayoutEffect(() => {
    if (!canvas.current || !minimap.current) return;
    delete canvas.current.dataset["sized"];
    const made = new Scene(canvas.current, minimap.current, drawn, {
      select: (found) => told.current.onPick(found),
      follow: () => undefined,
      enter: (found) => told.current.onEnter(found),
      box: (box, twice) => twice && told.current.onBox(box),
      hover: (found, x, y) => setTip(found === null ? null : { item: found, x, y }),
      moved: () => told.current.onMoved(),
    });
    if (before.current) keepPlace(before.current, { drawn, scene: made });
    before.current = { drawn, scene: made };
    setScene(made);
    told.current.onScene({ scene: made, drawn });
    return () => {
      made.destroy();
      told.current.onScene(null);
    };
  }, [drawn]);
  useEffect(() => {
    scene?.paint(tints);
    scene?.select(item);
  }, [scene, tints, item]);
  const key = (event: KeyboardEvent) =>
    graphKey(event, scene, props.onPick, {
      Enter: () => item !== null && props.onEnter(item),
      Escape: () => props.onPick(null),
    });
  const tipped = tip === null ? undefined : drawn.items[tip.item];
  const state = tip === null ? null : states[tip.item];
  return (
    <section className="diff-pane" aria-label={t.pane(name)} data-side={side}>
      <h2 className="ellipsis" title={name}>
        {name}
      </h2>
      <div className="graph-canvas">
        <canvas ref={canvas} tabIndex={0} role="application" aria-label={t.pane(name)} aria-describedby="diff-keys" onKeyDown={key} data-items={drawn.items.length} data-item={item ?? -1} />
        <canvas ref={minimap} className="minimap" aria-hidden="true" />
        {tip && tipped && (
          <div className="tip" style={{ left: tip.x + 14, top: tip.y + 14 }}>
            <strong>{tipped.title}</strong>
            <div className="mono break">{tipped.name}</div>
            {state && <div>{t.states[state]}</div>}
          </div>
        )}
      </div>
    </section>
  );
}
