// What names nodes and groups on the canvas.
import type { Group } from "./fold";

export const FONT = '12px "DejaVu Sans", sans-serif';
export const TITLE_FONT = `600 ${FONT}`;

export const groupTitle = (group: Group): string => (group.kind === "repeat" ? `${group.title} × ${group.blocks}` : group.title);
