// Session files that are dropped or chosen, and the one that a report brings.
import { faultText } from "../api/client";
import { goTo } from "../state/address";
import { keepRun, notify, refreshModels } from "../state/store";
import { texts } from "../texts";
import { unpack } from "./archive";
import { addSession, sessionRuns, type Session } from "./session";

async function open(bytes: Uint8Array): Promise<Session> {
  const session = addSession(unpack(bytes));
  await refreshModels();
  sessionRuns().forEach(keepRun);
  return session;
}

/** Shows its graph, with the run that it holds. */
export function showSession({ model, run, comparison }: Session): void {
  goTo({ view: "graph", model: model.id, query: { run: run?.id ?? null, with: comparison?.reference.id ?? null } });
}

export async function openSession(file: File): Promise<void> {
  try {
    showSession(await open(new Uint8Array(await file.arrayBuffer())));
  } catch (fault) {
    notify("error", texts.session.broken(file.name, faultText(fault)));
  }
}

/** The session that stands in the page as base64. */
export async function openEmbedded(): Promise<void> {
  const text = document.getElementById("session")?.textContent ?? "";
  const session = await open(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
  if (location.hash === "") showSession(session);
}
