import { texts } from "../texts";
import "./probability.css";

const bounds = [0.9, 0.7, 0.4, 0.15];

/** A class that colours a word or token: the stronger, the less likely it was. */
export function likelihood(probability: number): string {
  const at = bounds.findIndex((bound) => probability >= bound);
  return `likely likely-${at < 0 ? bounds.length : at}`;
}

export const percent = (probability: number): string => {
  const value = probability * 100;
  return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2)} %`;
};

/** What the colours mean. */
export function LikelihoodKey() {
  return (
    <p className="likely-key muted">
      {texts.likelihood.title}
      {[...bounds, 0].map((bound, i) => (
        <span key={bound} className={likelihood(bound)}>
          {i === 0 ? "≥ 90 %" : i === bounds.length ? `< ${bounds.at(-1)! * 100} %` : `${bound * 100}–${bounds[i - 1]! * 100} %`}
        </span>
      ))}
    </p>
  );
}
