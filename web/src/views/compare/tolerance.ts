// What of a comparison is in tolerance: members of the address.
import type { Tolerance } from "../../api/types";
import type { Address } from "../../state/address";

export const usualTolerance: Tolerance = { rtol: 1e-3, atol: 1e-5, ulp: 0 };
/** Whether a text is such a number. */
export const good = (member: keyof Tolerance, text: string) => text.trim() !== "" && Number.isFinite(Number(text)) && Number(text) >= 0 && (member !== "ulp" || Number.isInteger(Number(text)));

export function toleranceOf({ query }: Address): Tolerance {
  const read = (member: keyof Tolerance) => (good(member, query[member] ?? "") ? Number(query[member]) : usualTolerance[member]);
  return { rtol: read("rtol"), atol: read("atol"), ulp: read("ulp") };
}
