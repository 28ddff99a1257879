import type { Model } from "../api/types";
import { goTo, type Address } from "../state/address";
import { texts } from "../texts";

/** The models of a kind, and the one of them that the address names, or the first. */
export function modelsOf(all: Model[], kind: string, model: Model | null): { models: Model[]; chosen: Model | null } {
  const models = all.filter((one) => one.kind === kind);
  return { models, chosen: models.find((one) => one.id === model?.id) ?? models[0] ?? null };
}

/** A choice among models, which stands in the address; `none` is said where there is none. */
export function ModelChoice({ models, chosen, address, none }: { models: Model[]; chosen: Model | null; address: Address; none: string }) {
  if (!chosen) return <p className="alert info">{none}</p>;
  return (
    <label className="field">
      {texts.model}
      <select value={chosen.id} onChange={(event) => goTo({ model: event.target.value, query: address.query, replace: true })}>
        {models.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
