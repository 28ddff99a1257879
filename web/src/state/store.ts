// What the page knows, in one place: models, runs, theme, messages to the user. What is shown stands in the address.
import { create } from "zustand";
import { api, faultText } from "../api/client";
import { socket, type SocketState } from "../api/socket";
import type { AvailableFile, JobRequest, Loader, Model, ModelDetail, Opening, Run, RunRequest, ServerMessage } from "../api/types";
import { offline } from "../session/answers";
import { sessionOfRun } from "../session/session";
import type { Address } from "./address";

export type Theme = "system" | "light" | "dark";

export interface Notice {
  id: number;
  kind: "info" | "error";
  text: string;
}

export interface RunProgress {
  done: number;
  total: number;
  /** The node that runs. */
  node: { name: string; op_type: string } | null;
}

interface State {
  models: Model[];
  available: AvailableFile[];
  loaders: Loader[];
  /** null until the first answer, then whether the server answered. */
  reached: boolean | null;
  details: Record<string, ModelDetail>;
  runs: Record<string, Run>;
  progress: Record<string, RunProgress>;
  /** Whether the server has told of all its runs since the connection was made. */
  runsTold: boolean;
  /** The run that was last started here for a model and its call (`runKey`). */
  started: Record<string, string>;
  /** Runs that were started here, the latest first. */
  own: string[];
  /** Live messages that the server has dropped since the last run began here. */
  lost: number;
  opening: Opening[]; // models that the server is opening now
  /** null: no view has asked for live data yet. */
  connection: SocketState | null;
  theme: Theme;
  notices: Notice[];
}

const storedTheme = (): Theme => {
  const text = localStorage.getItem("theme");
  return text === "light" || text === "dark" ? text : "system";
};

export const useStore = create<State>(() => ({
  models: [],
  available: [],
  loaders: [],
  reached: null,
  details: {},
  runs: {},
  progress: {},
  runsTold: false,
  started: {},
  own: [],
  lost: 0,
  opening: [],
  connection: null,
  theme: storedTheme(),
  notices: [],
}));

const set = useStore.setState;

let noticeId = 1;

export function notify(kind: Notice["kind"], text: string): void {
  const id = noticeId++;
  set((state) => ({ notices: [...state.notices.slice(-3), { id, kind, text }] }));
  if (kind === "info") setTimeout(() => dismiss(id), 5000);
}

export function dismiss(id: number): void {
  set((state) => ({ notices: state.notices.filter((notice) => notice.id !== id) }));
}

/** Runs an action of the user's; a failure is shown, not thrown. */
export async function attempt<T>(action: () => Promise<T>): Promise<T | null> {
  try {
    return await action();
  } catch (fault) {
    notify("error", faultText(fault));
    return null;
  }
}

let [asks, answered] = [0, 0]; // for the models, of which answers may come in another order

export async function refreshModels(): Promise<void> {
  const number = ++asks;
  try {
    const { models, available } = await api.models();
    if (number < answered) return;
    answered = number;
    set({ models, available, reached: true });
  } catch (fault) {
    set({ reached: false });
    throw fault;
  }
}

/** Everything about a model, asked once. */
export async function modelDetail(id: string): Promise<ModelDetail> {
  const known = useStore.getState().details[id];
  if (known) return known;
  const detail = await api.model(id);
  set((state) => ({ details: { ...state.details, [id]: detail } }));
  return detail;
}

/** The hash of its file: known already, or asked for. */
export async function modelHash({ id, hash: known }: Model): Promise<string> {
  if (known !== null) return known;
  const hash = await api.hash(id);
  set((state) => ({ models: state.models.map((model) => (model.id === id ? { ...model, hash } : model)) }));
  return hash;
}

export async function unload(id: string): Promise<void> {
  await api.unload(id);
  set((state) => {
    const details = { ...state.details };
    delete details[id];
    return { details };
  });
  await refreshModels();
}

const order = ["queued", "running", "done", "failed", "cancelled"];

/** Whether a run is known to be further: an answer may come after a message. Another server's run of the same name began at another time. */
const isPast = (run: Run, known: Run | undefined): boolean => known?.created === run.created && order.indexOf(run.state) < order.indexOf(known.state);

let told = new Set<string>(); // runs of which the server has said anything since the connection was made

export function keepRun(run: Run): void {
  told.add(run.id);
  set((state) => (isPast(run, state.runs[run.id]) ? {} : { runs: { ...state.runs, [run.id]: run } }));
}

export function dropRun(id: string): void {
  set((state) => {
    const runs = { ...state.runs };
    delete runs[id];
    return { runs, own: state.own.filter((other) => other !== id) };
  });
}

/** The opened model that an address names by id or by hash. */
export function modelAt(address: Address, models: Model[]): Model | null {
  if (address.model === null) return null;
  return models.find((model) => model.id === address.model || model.hash === address.model) ?? null;
}

/** All runs, or those of a model, the latest first. */
export function runsOf(runs: Record<string, Run>, model?: string): Run[] {
  return Object.values(runs)
    .filter((run) => model === undefined || run.model === model)
    .sort((a, b) => b.created - a.created || b.id.localeCompare(a.id, undefined, { numeric: true }));
}

export function setTheme(theme: Theme): void {
  localStorage.setItem("theme", theme);
  set({ theme });
  applyTheme();
}

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

export function applyTheme(): void {
  const { theme } = useStore.getState();
  const dark = theme === "dark" || (theme === "system" && prefersDark.matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  window.dispatchEvent(new Event("themechange"));
}

export const runKey = (model: string, call: string | undefined): string => JSON.stringify([model, call ?? null]);

const [OWN_RUNS, OWN_BYTES] = [16, 256 << 20]; // how many runs that began here are kept, and what they may keep together

/** Runs that were started here, the latest first, that are more than a page should have the server keep. */
function surplus(runs: Run[]): Run[] {
  let bytes = 0;
  return runs.filter((run, i) => {
    bytes += run.kept_bytes;
    return run.ended !== null && (i >= OWN_RUNS || (i > 0 && bytes > OWN_BYTES));
  });
}

/** Starts a run; `files` are parts of the form that its inputs name. The oldest runs of this page are given back where they are many. */
export async function startRun(body: RunRequest | JobRequest, files: Record<string, File> = {}): Promise<Run> {
  set({ lost: 0 });
  const run = await api.start(body, files);
  keepRun(run);
  const started = body.kind === "graph" ? { [runKey(body.model, body.call)]: run.id } : {};
  set((state) => ({ started: { ...state.started, ...started }, own: [run.id, ...state.own] }));
  const { own, runs } = useStore.getState();
  for (const old of surplus(own.flatMap((id) => runs[id] ?? []))) await forgetRun(old.id);
  return run;
}

export async function forgetRun(id: string): Promise<void> {
  await api.forget(id);
  dropRun(id);
}

/** The runs that the server has, of which others may have taken some away; what has begun or was deleted since they were asked for stays so. */
export async function refreshRuns(): Promise<Run[]> {
  const before = useStore.getState().runs;
  const runs = await api.runs();
  for (const { id } of runs) told.add(id);
  set((state) => {
    const listed = runs.filter(({ id }) => !(id in before) || id in state.runs).map((run) => (isPast(run, state.runs[run.id]) ? state.runs[run.id]! : run));
    const begun = Object.values(state.runs).filter(({ id }) => !(id in before));
    return { runs: Object.fromEntries([...begun, ...listed].map((run) => [run.id, run])) };
  });
  return runs;
}

function heard(message: ServerMessage): void {
  if (message.op === "hello") {
    told = new Set();
    set({ progress: {}, runsTold: false, opening: [] }); // another server may answer now
    socket.send({ op: "ping", t: 0 });
  } else if (message.op === "pong") set(({ runs }) => ({ runsTold: true, runs: Object.fromEntries(Object.entries(runs).filter(([id]) => told.has(id) || sessionOfRun(id))) }));
  else if (message.op === "run") keepRun(message);
  else if (message.op === "progress") {
    const { run, done, total, node = null } = message;
    set((state) => ({ progress: { ...state.progress, [run]: { done, total, node } } }));
  } else if (message.op === "lost") set((state) => ({ lost: state.lost + message.count }));
  else if (message.op === "error" && message.id === undefined) notify("error", message.message);
  else if (message.op === "opening") {
    const ended = useStore.getState().opening.some(({ number }) => !message.models.some((other) => other.number === number));
    set({ opening: message.models });
    if (ended) void attempt(refreshModels); // somebody else may have opened it
  }
}

const followed = new Set<string>();

function follow(op: "runs" | "models"): void {
  if (followed.has(op)) return;
  followed.add(op);
  if (offline) return set({ runsTold: true });
  if (followed.size === 1) socket.messages(heard);
  socket.keep({ op });
  socket.connect();
}

/** Follows runs and their progress from now on, for views that show these. */
export const followRuns = (): void => follow("runs");

/** The same of models that are being opened. */
export const followModels = (): void => follow("models");

/** Called once, before the page is drawn. */
export function startStore(): void {
  applyTheme();
  prefersDark.addEventListener("change", applyTheme);
  socket.states((connection) => set({ connection }));
  void attempt(refreshModels);
  void attempt(async () => set({ loaders: await api.loaders() }));
}
