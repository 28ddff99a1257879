// What leaves the page: the clipboard, and files that it makes.
import { texts } from "../texts";
import { attempt, notify } from "./store";

export async function copyText(text: string): Promise<void> {
  await attempt(async () => {
    await navigator.clipboard.writeText(text);
    notify("info", texts.copied);
  });
}

export function saveText(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
