// Opening models: a file on the server by name, or one that was dropped on the page.
import { api, faultText } from "../../api/client";
import type { Json, Model } from "../../api/types";
import { openSession } from "../../session/open";
import { currentAddress, goTo } from "../../state/address";
import { attempt, notify, refreshModels } from "../../state/store";
import { texts } from "../../texts";
import { openRecording } from "../speech/recording";

/** What a dialog that waits for a model has to say. */
interface Going {
  signal: AbortSignal;
  /** Whether the user has turned to something else meanwhile. */
  hidden: () => boolean;
}

/** Opens a model and shows its graph, or where the user has turned to something else only says so; throws what the server says. */
export async function openModel(loader: string, options: Record<string, Json>, files: Record<string, File> = {}, going?: Going): Promise<Model> {
  const from = currentAddress();
  const model = await api.load(loader, options, files, going?.signal);
  await refreshModels();
  const { view, model: shown } = currentAddress();
  if (going?.hidden() || view !== from.view || shown !== from.model) notify("info", texts.models.opened(model.id));
  else goTo({ view: "graph", model: model.id });
  return model;
}

export const openFile = (file: string): Promise<Model | null> => attempt(() => openModel("file", { file }));

type Taker = (file: File) => void;

/** Who takes dropped files, by what they begin with or else by the end of their name; views register more. */
const takers: { ends: RegExp; begins?: RegExp; take: Taker }[] = [
  {
    ends: /\.onnx$/i,
    take: (file) => {
      notify("info", texts.dropped(file.name));
      openModel("upload", {}, { file }).catch((fault: unknown) => notify("error", texts.openFailed(file.name, faultText(fault))));
    },
  },
  { ends: /\.sibyl\.zip$/i, take: (file) => void openSession(file) },
  {
    ends: /\.(wav|flac|mp3|ogg|opus|m4a|aac|webm|mp4|mkv|aiff?)$/i,
    begins: /^(RIFF....WAVE|fLaC|OggS|ID3|\xff[\xe2\xe3\xf0-\xfd]|....ftyp|\x1aE\xdf\xa3|FORM....AIF)/s,
    take: (file) => openRecording(file),
  },
];

/** Files whose name matches go to `take`; the last to register comes first. Returns what ends that. */
export function takeFiles(ends: RegExp, take: Taker): () => void {
  const row = { ends, take };
  takers.unshift(row);
  return () => void takers.splice(takers.indexOf(row), 1);
}

export async function dropped(file: File): Promise<void> {
  const head = new TextDecoder("latin1").decode(await file.slice(0, 16).arrayBuffer());
  const taker = takers.find(({ begins }) => begins?.test(head)) ?? takers.find(({ ends }) => ends.test(file.name));
  if (taker) taker.take(file);
  else notify("error", texts.dropUnknown(file.name));
}
