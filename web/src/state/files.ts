// What leaves the page: the clipboard, and files that it makes.
import { saveFile } from "../components/save";
import { texts } from "../texts";
import { attempt, notify } from "./store";

export async function copyText(text: string): Promise<void> {
  await attempt(async () => {
    await navigator.clipboard.writeText(text);
    notify("info", texts.copied);
  });
}

export const saveText = (name: string, type: string, text: string): void => saveFile(name, new Blob([text], { type }));

const SMALLEST = 512; // pixels of the longer side: a picture of one pixel per cell would be too small to see

/** What is drawn as a PNG, on the colour of the page; cells of small drawings stay squares of one colour. */
export function savePng(name: string, canvas: HTMLCanvasElement): void {
  const scale = Math.max(Math.round(SMALLEST / Math.max(canvas.width, canvas.height, 1)), 1);
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width * scale, canvas.height * scale];
  const context = copy.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--surface");
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0, copy.width, copy.height);
  copy.toBlob((content) => content && saveFile(name, content), "image/png");
}
