// Sessions as files: a zip of JSON and .npy.
import { strFromU8, strToU8, unzipSync, zipSync, type Zippable } from "fflate";
import type { Digest } from "../api/types";
import { texts } from "../texts";
import type { Session, SessionArray } from "./session";

const VERSION = 1;
const MAX_BYTES = 1 << 30; // unpacked

/** Bytes of a session's file. */
export function pack({ arrays, weights, graphs, planned, milli, values, profile, ...head }: Session): Uint8Array {
  const files: Zippable = {};
  const json = (name: string, content: unknown) => (files[name] = strToU8(JSON.stringify(content)));
  json("session.json", { sibyl_session: VERSION, ...head, planned: planned?.length ?? null, arrays: [...arrays.keys()] });
  graphs.forEach((graph, i) => json(`graphs/${i}.json`, graph));
  planned?.forEach((graph, i) => json(`planned/${i}.json`, graph));
  if (Object.keys(milli).length > 0) json("milli.json", milli);
  json("values.json", values);
  if (profile) json("profile.json", profile);
  [...arrays.values()].forEach(({ npy }, i) => (files[`values/${i}.npy`] = npy));
  if (weights.size > 0) json("weights.json", [...weights].map(([name, { digest }]) => ({ name, digest })));
  [...weights.values()].forEach(({ npy }, i) => (files[`weights/${i}.npy`] = npy));
  return zipSync(files, { level: 6 }) as Uint8Array;
}

/** Where the elements of a .npy file begin. */
export function arrayOf(npy: Uint8Array): SessionArray {
  const view = new DataView(npy.buffer, npy.byteOffset, npy.byteLength);
  return { npy, at: npy[6]! > 1 ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true) };
}

/** Entries by name, those whose file is there. */
const arraysAt = <T>(files: Record<string, Uint8Array>, folder: string, rows: [name: string, more: T][]): Map<string, SessionArray & T> =>
  new Map(rows.flatMap(([name, more], i) => (files[`${folder}/${i}.npy`] ? [[name, { ...more, ...arrayOf(files[`${folder}/${i}.npy`]!) }] as const] : [])));

/** Throws where it is no file of a session. */
export function unpack(bytes: Uint8Array): Session {
  let all = 0;
  const files = unzipSync(bytes, {
    filter: ({ originalSize }) => {
      all += originalSize;
      if (all > MAX_BYTES) throw new Error(texts.session.large);
      return true;
    },
  });
  const read = <T>(name: string): T => {
    const file = files[name];
    if (!file) throw new Error(texts.session.lacks(name));
    return JSON.parse(strFromU8(file)) as T;
  };
  const { sibyl_session, arrays, planned = null, ...head } = read<Pick<Session, "model" | "run" | "comparison"> & { sibyl_session: number; arrays: string[]; planned?: number | null }>("session.json");
  if (sibyl_session !== VERSION) throw new Error(texts.session.version(sibyl_session));
  const weights = files["weights.json"] ? read<{ name: string; digest: Digest }[]>("weights.json") : [];
  if (typeof head.model?.id !== "string") throw new Error(texts.session.lacks("model"));
  return {
    ...head,
    graphs: Array.from({ length: head.model.n_graphs }, (_, i) => read(`graphs/${i}.json`)),
    planned: planned === null ? null : Array.from({ length: planned }, (_, i) => read(`planned/${i}.json`)),
    milli: files["milli.json"] ? read("milli.json") : {},
    values: read("values.json"),
    arrays: arraysAt(files, "values", arrays.map((name) => [name, {}])),
    weights: arraysAt(files, "weights", weights.map(({ name, digest }) => [name, { digest }])),
    profile: files["profile.json"] ? read("profile.json") : null,
  };
}
