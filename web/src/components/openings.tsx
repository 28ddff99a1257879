import type { Opening } from "../api/types";
import { useStore } from "../state/store";
import { texts } from "../texts";
import { Progress } from "./states";

const t = texts.models;

function Row({ opening: { file, tier, done, what } }: { opening: Opening }) {
  const share = done === null ? "" : ` ${Math.floor(100 * done)} %`;
  return (
    <li>
      <div className="ellipsis">{t.openingOf(file)}</div>
      <Progress done={done ?? 0} total={done === null ? 0 : 1} label={t.openingOf(file)} />
      <div className="muted">
        {t.tiers[tier] ?? tier}
        {share}
      </div>
      <div className="muted mono ellipsis" title={what}>
        {what || "\u00a0"}
      </div>
    </li>
  );
}

/** Models that the server is opening, for this page or another, and how far each of them is. */
export function Openings() {
  const opening = useStore((state) => state.opening);
  if (opening.length === 0) return null;
  return (
    <ul className="openings" aria-label={t.openings}>
      {opening.map((one) => (
        <Row key={one.number} opening={one} />
      ))}
    </ul>
  );
}
