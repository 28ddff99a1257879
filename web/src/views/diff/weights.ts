// Whether weights of the same type and shape have the same elements, as far as their digests tell.
import { useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Digest } from "../../api/types";
import { idOf, type Row } from "./differences";
import type { Compared } from "./load";

const nothing: ReadonlySet<string> = new Set();
const FEW = 256; // weights that are compared without being asked to
const AT_ONCE = 128; // in a request

export type Two = [a: Digest, b: Digest];

export const differ = ([a, b]: Two): boolean => JSON.stringify(a) !== JSON.stringify(b);

export async function digestsOf({ a, b }: Compared, [x, y]: [number, number]): Promise<Two> {
  return Promise.all([api.valueDigest(a.place.model, a.place.graph, x, a.place.view), api.valueDigest(b.place.model, b.place.graph, y, b.place.view)]);
}

/** The digests of pairs in two requests; none where one fails. */
function manyDigests({ a, b }: Compared, pairs: [number, number][]): Promise<(Digest | null)[][]> {
  const of = ({ model, graph, view }: Compared["a"]["place"], side: 0 | 1) =>
    api.digests(
      model,
      graph,
      pairs.map((pair) => pair[side]),
      view,
    );
  return Promise.all([of(a.place, 0), of(b.place, 1)]).catch(() => [[], []]);
}

export interface Weights {
  total: number;
  done: number;
  failed: number;
  /** Pairs of values (`idOf`) that differ. */
  differ: ReadonlySet<string>;
  /** null: they are compared already, or now. */
  start: (() => void) | null;
}

function pairsOf(rows: Row[]): [number, number][] {
  return [...new Map(rows.flatMap(({ weights }) => weights.map((pair) => [idOf(...pair), pair] as const))).values()];
}

interface Found {
  of: Compared | null;
  done: number;
  failed: number;
  differ: ReadonlySet<string>;
}

export function useWeights(compared: Compared, wanted: boolean, start: () => void): Weights {
  const pairs = useMemo(() => (compared.a.place.milli === null ? pairsOf(compared.rows) : []), [compared]); // elements are of graphs
  const [found, setFound] = useState<Found>({ of: null, done: 0, failed: 0, differ: nothing });
  const now = wanted || pairs.length <= FEW;
  useEffect(() => {
    if (!now) return;
    let [failed, ended] = [0, false];
    const known = new Set<string>();
    let told = nothing; // another set only where it has grown: what follows from it is drawn anew
    const all = async () => {
      for (let begin = 0; !ended && begin < pairs.length; begin += AT_ONCE) {
        const some = pairs.slice(begin, begin + AT_ONCE);
        const [first = [], second = []] = await manyDigests(compared, some);
        if (ended) return;
        some.forEach((pair, i) => {
          const [a, b] = [first[i], second[i]];
          if (!a || !b) failed++;
          else if (differ([a, b])) known.add(idOf(...pair));
        });
        if (told.size < known.size) told = new Set(known);
        setFound({ of: compared, done: begin + some.length, failed, differ: told });
      }
    };
    void all();
    return () => {
      ended = true;
    };
  }, [compared, pairs, now]);
  const { done, failed, differ: different } = found.of === compared ? found : { done: 0, failed: 0, differ: nothing };
  return { total: pairs.length, done, failed, differ: different, start: now ? null : start };
}
