// What the page knows, in one place: models, runs, theme, messages to the user. What is shown stands in the address.
import { create } from "zustand";
import { api, faultText } from "../api/client";
import { socket, type SocketState } from "../api/socket";
import type { AvailableFile, Loader, Model, ModelDetail, Run } from "../api/types";
import type { Address } from "./address";

export type Theme = "system" | "light" | "dark";

export interface Notice {
  id: number;
  kind: "info" | "error";
  text: string;
}

export interface Loading {
  done: number;
  total: number;
}

interface State {
  models: Model[];
  available: AvailableFile[];
  loaders: Loader[];
  /** null until the first answer, then whether the server answered. */
  reached: boolean | null;
  details: Record<string, ModelDetail>;
  runs: Record<string, Run>;
  progress: Record<string, Record<string, { done: number; total: number }>>; // run, tier
  loading: Record<string, Loading>; // weights of a model that are read now
  connection: SocketState;
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
  loading: {},
  connection: "closed",
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

export async function refreshModels(): Promise<void> {
  try {
    const { models, available } = await api.models();
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

export async function unload(id: string): Promise<void> {
  await api.unload(id);
  set((state) => {
    const details = { ...state.details };
    delete details[id];
    return { details };
  });
  await refreshModels();
}

export function keepRun(run: Run): void {
  set((state) => ({ runs: { ...state.runs, [run.id]: run } }));
}

export function dropRun(id: string): void {
  set((state) => {
    const runs = { ...state.runs };
    delete runs[id];
    return { runs };
  });
}

/** The opened model that an address names by id or by hash. */
export function modelAt(address: Address, models: Model[]): Model | null {
  if (address.model === null) return null;
  return models.find((model) => model.id === address.model || model.hash === address.model) ?? null;
}

/** Runs of a model, the latest first. */
export function runsOf(runs: Record<string, Run>, model: string): Run[] {
  return Object.values(runs)
    .filter((run) => run.model === model)
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

/** Called once, before the page is drawn. */
export function startStore(): void {
  applyTheme();
  prefersDark.addEventListener("change", applyTheme);
  socket.states((connection) => set({ connection }));
  socket.messages((message) => {
    if (message.op === "run") keepRun(message);
    else if (message.op === "progress") {
      const { run, tier, done, total } = message;
      set((state) => ({ progress: { ...state.progress, [run]: { ...state.progress[run], [String(tier)]: { done, total } } } }));
    } else if (message.op === "loading") {
      set((state) => ({ loading: { ...state.loading, [message.model]: { done: message.done, total: message.total } } }));
    }
  });
  socket.keep({ op: "runs" });
  socket.connect();
  void attempt(refreshModels);
  void attempt(async () => set({ loaders: await api.loaders() }));
  void api.runs().then((runs) => set({ runs: Object.fromEntries(runs.map((run) => [run.id, run])) }), () => undefined);
}
