// Keys on a drawn graph: what every view of one has.
import type { KeyboardEvent } from "react";
import type { Scene } from "./scene";

const ways = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" } as const;

/** Moves, scales, and calls `pick` with the neighbour in an arrow's way. own: what else the view does, by key. */
export function graphKey(event: KeyboardEvent, scene: Scene | null, pick: (item: number) => void, own: Record<string, () => void>): void {
  if (!scene || event.ctrlKey || event.metaKey || event.altKey) return;
  const way = ways[event.key as keyof typeof ways];
  const actions: Record<string, () => void> = {
    "+": () => scene.zoom(1.25),
    "=": () => scene.zoom(1.25),
    "-": () => scene.zoom(0.8),
    "0": () => scene.fit(),
    "1": () => scene.fit(true),
    ...own,
  };
  if (way && event.shiftKey) scene.pan(way === "left" ? 60 : way === "right" ? -60 : 0, way === "up" ? 60 : way === "down" ? -60 : 0);
  else if (way) {
    const next = scene.neighbour(way);
    if (next !== null) pick(next);
  } else if (actions[event.key]) actions[event.key]?.();
  else return;
  event.preventDefault();
}
