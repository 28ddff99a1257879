import { useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import type { Job, JobNode } from "../../api/types";
import { useSize } from "../../components/size";
import { goTo, hrefTo, useAddress } from "../../state/address";
import { texts } from "../../texts";
import { CALL, ROW, rowNote, TITLE, type Arranged, type Box } from "./arrange";
import type { Exit, Row } from "./rows";

const t = texts.job;
const [SMALLEST, READABLE, LARGEST, MARGIN] = [0.35, 0.6, 1.6, 16]; // scales, and pixels around

/** The graph of the model that a call calls, with its values in the run. */
export const graphOfCall = (call: string, run: string | undefined) => ({ view: "graph", query: { call, run: run ?? null } });

function Rows({ rows, side, style }: { rows: (Row | Exit)[]; side: "left" | "right"; style: { top: number; width: number } }) {
  return (
    <ul className={`job-rows ${side}`} style={style}>
      {rows.map((row, k) => (
        <li key={k} style={{ height: ROW }} title={`${row.name}: ${row.type}`}>
          {!("given" in row && !row.given) && <span className={`job-dot type-${row.type}`} />}
          <span>{row.name}</span> <span className="muted">{rowNote(row.type, side === "left" ? row.from : null)}</span>
        </li>
      ))}
    </ul>
  );
}

interface BoxProps {
  box: Box;
  node: JobNode | null;
  selected: boolean;
}

function NodeBox({ box, node, selected }: BoxProps) {
  const title = node?.name ?? (box.side === "inputs" ? t.inputs : t.outputs);
  const calls = node?.calls ?? [];
  const { run } = useAddress().query;
  const top = TITLE + CALL * calls.length;
  const enter = (event: MouseEvent) => {
    event.stopPropagation();
    if (calls[0]) goTo(graphOfCall(calls[0].call, run));
  };
  return (
    <section
      className={`job-box ${box.side}${selected ? " selected" : ""}`}
      aria-label={node ? `${node.name}, ${node.op}` : title}
      style={{ left: box.x, top: box.y, width: box.width, height: box.height }}
      onClick={(event) => {
        event.stopPropagation();
        if (node) goTo({ query: { node: box.node, tab: null }, replace: true });
      }}
      onDoubleClick={enter}
    >
      {node ? (
        <button className="plain job-title" style={{ height: TITLE }} aria-pressed={selected}>
          <strong>{title}</strong> <span className="muted">{node.op}</span>
        </button>
      ) : (
        <h2 className="job-title" style={{ height: TITLE }}>
          {title}
        </h2>
      )}
      {calls.map(({ as, call }) => (
        <a key={as} className="job-call" style={{ height: CALL - 4 }} href={hrefTo(graphOfCall(call, run))} title={t.enter(call)} onClick={(event) => event.stopPropagation()}>
          <span className="ellipsis">{call === as || calls.length === 1 ? call : `${as}: ${call}`}</span> <span aria-hidden="true">⤵</span>
        </a>
      ))}
      {box.rowsIn.length > 0 && <Rows rows={box.rowsIn} side="left" style={{ top, width: box.left }} />}
      {box.rowsOut.length > 0 && <Rows rows={box.rowsOut} side="right" style={{ top, width: box.right }} />}
    </section>
  );
}

/** What the colours mean. */
function Types({ edges }: { edges: Arranged["edges"] }) {
  const types = [...new Set(edges.map(({ type }) => type))].sort();
  return (
    <ul className="job-types" aria-label={t.types}>
      {types.map((type) => (
        <li key={type}>
          <span className={`job-dot type-${type}`} /> {type}
        </li>
      ))}
    </ul>
  );
}

export function Diagram({ job, arranged, selected }: { job: Job; arranged: Arranged; selected: number | null }) {
  const room = useRef<HTMLDivElement>(null);
  const size = useSize(room);
  const [chosen, setChosen] = useState<number | null>(null); // scale; null: all of it is seen, as far as it can be read
  const fit = size ? Math.min((size.width - 2 * MARGIN) / arranged.width, (size.height - 2 * MARGIN) / arranged.height, 1) : 1;
  const scale = Math.min(Math.max(chosen ?? Math.max(fit, READABLE), SMALLEST), LARGEST);
  const zoom = (by: number) => setChosen(Math.min(Math.max(scale * by, SMALLEST), LARGEST));
  const key = (event: KeyboardEvent) => {
    const actions: Record<string, () => void> = { "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": () => setChosen(fit), Escape: () => goTo({ query: { node: null }, replace: true }) };
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]!();
  };
  const seen = (ends: [number, number]) => selected === null || ends.some((end) => arranged.boxes[end]!.node === selected);
  const [width, height] = [arranged.width * scale, arranged.height * scale];
  return (
    <div className="job-canvas">
      <div ref={room} className="job-room" tabIndex={0} role="group" aria-label={t.canvas} aria-describedby="job-keys" onKeyDown={key} onClick={() => goTo({ query: { node: null }, replace: true })}>
        <p id="job-keys" className="sr">
          {t.keys}
        </p>
        <div className="job-sheet" style={{ width: width + 2 * MARGIN, height: height + 2 * MARGIN }}>
          <div className="job-scaled" style={{ width: arranged.width, height: arranged.height, left: MARGIN, top: MARGIN, transform: `scale(${scale})` }}>
            {arranged.boxes.map((box, k) => box.side === "loop" && <NodeBox key={k} box={box} node={job.nodes[box.node!]!} selected={box.node === selected} />)}
            <svg width={arranged.width} height={arranged.height} aria-hidden="true">
              {arranged.edges.map(({ type, path, ends }, k) => (
                <path key={k} d={path} className={`type-${type}${seen(ends) ? "" : " faint"}`} />
              ))}
            </svg>
            {arranged.boxes.map((box, k) => box.side !== "loop" && <NodeBox key={k} box={box} node={box.node === null ? null : job.nodes[box.node]!} selected={box.node !== null && box.node === selected} />)}
          </div>
        </div>
      </div>
      <div className="graph-tools job-tools" role="group" aria-label={texts.graph.zoom}>
        <button aria-label={texts.graph.zoomIn} title={texts.graph.zoomIn} onClick={() => zoom(1.25)}>
          +
        </button>
        <button aria-label={texts.graph.zoomOut} title={texts.graph.zoomOut} onClick={() => zoom(0.8)}>
          −
        </button>
        <button aria-label={t.fit} title={t.fit} onClick={() => setChosen(fit)}>
          ⤢
        </button>
      </div>
      <Types edges={arranged.edges} />
    </div>
  );
}
