// Opening models: a file on the server by name, or one that was dropped on the page.
import { api } from "../../api/client";
import type { Json, Model } from "../../api/types";
import { goTo } from "../../state/address";
import { attempt, notify, refreshModels } from "../../state/store";
import { texts } from "../../texts";

/** Opens a model and shows its graph; throws what the server says. */
export async function openModel(loader: string, options: Record<string, Json>, files: Record<string, File> = {}): Promise<Model> {
  const model = await api.load(loader, options, files);
  await refreshModels();
  goTo({ view: "graph", model: model.id });
  return model;
}

export const openFile = (file: string): Promise<Model | null> => attempt(() => openModel("file", { file }));

type Taker = (file: File) => void;

/** Who takes dropped files, by the end of their name; views register more (a recording, a table of figures per node). */
const takers: { ends: RegExp; take: Taker }[] = [
  {
    ends: /\.onnx$/i,
    take: (file) => {
      notify("info", texts.dropped(file.name));
      void attempt(() => openModel("upload", {}, { file }));
    },
  },
];

/** Files whose name matches go to `take`; the last to register comes first. Returns what ends that. */
export function takeFiles(ends: RegExp, take: Taker): () => void {
  const row = { ends, take };
  takers.unshift(row);
  return () => void takers.splice(takers.indexOf(row), 1);
}

/** A dropped recording, for the view that opens after the drop. */
let recording: File | null = null;
export function takeRecording(): File | null {
  const file = recording;
  recording = null;
  return file;
}
takeFiles(/\.(wav|flac|mp3|ogg|opus|m4a|aac|webm|mp4|aiff?)$/i, (file) => {
  recording = file;
  goTo({ view: "speech", query: { recording: file.name } });
});

export function dropped(file: File): void {
  const taker = takers.find(({ ends }) => ends.test(file.name));
  if (taker) taker.take(file);
  else notify("error", texts.dropUnknown(file.name));
}
