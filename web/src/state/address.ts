// The address of what is shown: `#/VIEW/MODEL?member=…`. Every view is a link; MODEL is an id or the hash of the file (SHA-256 in
// hex), which another server finds again; beside an id, the member `hash` tells which file it was.
import { useSyncExternalStore } from "react";

export interface Address {
  view: string;
  model: string | null;
  /** Members of the query: g (graph), node, value, slice, run, call, show (file or planned), in (groups entered), … */
  query: Record<string, string>;
}

export function parseAddress(hash: string): Address {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", model = ""] = path.split("/").map(decodeURIComponent);
  return { view: view || "models", model: model || null, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function writeAddress(to: Address): string {
  const params = new URLSearchParams(to.query).toString();
  const model = to.model === null ? "" : `/${encodeURIComponent(to.model)}`;
  return `#/${to.view}${model}${params === "" ? "" : `?${params}`}`;
}

let current = parseAddress(location.hash);
const listeners = new Set<() => void>();

function changed(): void {
  current = parseAddress(location.hash);
  for (const listener of listeners) listener();
}
window.addEventListener("hashchange", changed);
window.addEventListener("popstate", changed);

export interface Change {
  view?: string;
  model?: string | null;
  /** Members to set; null removes one. The others stay, unless the view or the model changes. */
  query?: Record<string, string | number | null>;
  /** Don't add to the history: for selections and slices. */
  replace?: boolean;
}

export function addressWith(change: Change): Address {
  const view = change.view ?? current.view;
  const model = change.model === undefined ? current.model : change.model;
  const kept = view === current.view && model === current.model ? current.query : {};
  const query: Record<string, string> = { ...kept };
  for (const [key, value] of Object.entries(change.query ?? {})) {
    if (value === null) delete query[key];
    else query[key] = String(value);
  }
  return { view, model, query };
}

export function hrefTo(change: Change): string {
  return writeAddress(addressWith(change));
}

export function goTo(change: Change): void {
  const href = hrefTo(change);
  if (href === location.hash) return;
  if (change.replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  changed();
}

export const currentAddress = (): Address => current;

export function useAddress(): Address {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}

/** A member of the query as a number, or null. */
export function numberOf(address: Address, key: string): number | null {
  const text = address.query[key];
  if (text === undefined || text === "") return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}
