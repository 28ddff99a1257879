// Whether weights of the same type and shape have the same elements, as far as their digests tell.
import { useEffect, useMemo, useState } from "react";
import { api } from "../../api/client";
import type { Digest } from "../../api/types";
import { idOf, type Row } from "./differences";
import type { Compared } from "./load";

const nothing: ReadonlySet<string> = new Set();
const [FEW, AT_ONCE] = [256, 6]; // weights that are compared without being asked to; requests under way

export type Two = [a: Digest, b: Digest];

export const differ = ([a, b]: Two): boolean => JSON.stringify(a) !== JSON.stringify(b);

export async function digestsOf({ a, b }: Compared, [x, y]: [number, number]): Promise<Two> {
  return Promise.all([api.valueDigest(a.place.model, a.place.graph, x, a.place.view), api.valueDigest(b.place.model, b.place.graph, y, b.place.view)]);
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
  const pairs = useMemo(() => pairsOf(compared.rows), [compared]);
  const [found, setFound] = useState<Found>({ of: null, done: 0, failed: 0, differ: nothing });
  const now = wanted || pairs.length <= FEW;
  useEffect(() => {
    if (!now) return;
    let [next, done, failed, ended] = [0, 0, 0, false];
    const known = new Set<string>();
    let told = nothing; // another set only where it has grown: what follows from it is drawn anew
    const one = async () => {
      while (!ended && next < pairs.length) {
        const pair = pairs[next++]!;
        await digestsOf(compared, pair).then(
          (two) => differ(two) && known.add(idOf(...pair)),
          () => failed++,
        );
        done++;
        if (ended || (done < pairs.length && done % 50 > 0)) continue;
        if (told.size < known.size) told = new Set(known);
        setFound({ of: compared, done, failed, differ: told });
      }
    };
    for (let k = 0; k < AT_ONCE; k++) void one();
    return () => {
      ended = true;
    };
  }, [compared, pairs, now]);
  const { done, failed, differ: different } = found.of === compared ? found : { done: 0, failed: 0, differ: nothing };
  return { total: pairs.length, done, failed, differ: different, start: now ? null : start };
}
