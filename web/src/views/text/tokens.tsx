import { memo, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { likelihood, percent } from "../../components/probability";
import type { Likely } from "../../api/openai";
import { texts } from "../../texts";
import type { Made } from "./writing";

const t = texts.text;
const CARD = 250; // pixels of width
const BELOW = 3; // alternatives that stand below a token

/** A token as people can read it: in quotes, or as the bytes that it is. */
export const named = (token: string): string => (token.startsWith("bytes:") ? token.slice(6) : JSON.stringify(token));

/** The token's number and what was likeliest in its place; the card says the same for those who cannot see it. */
function Below({ made }: { made: Made }) {
  return (
    <span className="token-below" aria-hidden="true">
      <span className="muted">{made.id}</span>
      {made.top.slice(0, BELOW).map(({ id, token, logprob }) => (
        <span key={id} className={id === made.id ? "chosen" : ""}>
          {`${named(token).replace(/^"(.*)"$/, "$1")} ${percent(Math.exp(logprob))}`}
        </span>
      ))}
    </span>
  );
}

const Token = memo(function Token({ made, i, focusable, below, onShow, onKey, onChoose }: { made: Made; i: number; focusable: boolean; below: boolean; onShow: (i: number) => void; onKey: (event: KeyboardEvent, i: number) => void; onChoose: (i: number) => void }) {
  const bytes = made.text.startsWith("bytes:");
  const token = (
    <span
      role="button"
      tabIndex={focusable ? 0 : -1}
      className={`token ${likelihood(Math.exp(made.logprob))}${bytes ? " bytes" : ""}`}
      aria-label={t.token(named(made.text), percent(Math.exp(made.logprob)))}
      onMouseEnter={() => onShow(i)}
      onFocus={() => onShow(i)}
      onKeyDown={(event) => onKey(event, i)}
      onClick={() => onChoose(i)}
    >
      {bytes ? made.text.slice(6) : made.text.replaceAll("\n", below ? "↵" : "↵\n")}
    </span>
  );
  if (!below) return token;
  return (
    <>
      <span className="token-column">
        {token}
        <Below made={made} />
      </span>
      {made.text.includes("\n") && <br />}
    </>
  );
});

function Alternatives({ made, left, top, onChoose, onLeave }: { made: Made; left: number; top: number; onChoose: (likely: Likely) => void; onLeave: () => void }) {
  const list = useRef<HTMLDivElement>(null);
  const key = (event: KeyboardEvent) => {
    const buttons = Array.from(list.current?.querySelectorAll("button") ?? []);
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Escape: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) onLeave();
    else buttons[Math.min(to, buttons.length - 1)]?.focus();
  };
  return (
    <div ref={list} className="token-card" role="group" aria-label={t.alternatives(named(made.text))} style={{ left, top, width: CARD }} onKeyDown={key}>
      <div className="row">
        <code className="grow ellipsis">{named(made.text)}</code>
        <span className="muted">{t.id(made.id)}</span>
        <strong>{percent(Math.exp(made.logprob))}</strong>
      </div>
      {made.top.map((likely) => (
        <button key={likely.id} className="plain alternative" aria-current={likely.id === made.id ? "true" : undefined} aria-label={t.instead(named(likely.token), percent(Math.exp(likely.logprob)))} onClick={() => onChoose(likely)}>
          <code className="ellipsis">{named(likely.token)}</code>
          <span className="bar">
            <span style={{ width: `${Math.exp(likely.logprob) * 100}%` }} />
          </span>
          <span className="number">{percent(Math.exp(likely.logprob))}</span>
        </button>
      ))}
      <p className="muted">{t.cardHint}</p>
    </div>
  );
}

interface Props {
  prompt: string;
  made: Made[];
  /** Whether ids and alternatives stand below each token. */
  below: boolean;
  /** Writes on from these tokens. */
  onFrom: (made: Made[]) => void;
}

/** The prompt and the tokens behind it, coloured by their probability; each shows what else was likely in its place. */
export function Tokens({ prompt, made, below, onFrom }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [card, setCard] = useState<number | null>(null);
  const [focused, setFocused] = useState(0);
  const [place, setPlace] = useState({ left: 0, top: 0 });
  const token = (i: number) => box.current?.querySelectorAll<HTMLElement>(".token")[i];
  const shown = card === null ? undefined : made[card];

  useLayoutEffect(() => {
    if (card === null || !box.current) return;
    const watch = new ResizeObserver(() => {
      const last = Array.from(token(card)?.getClientRects() ?? []).at(-1);
      const around = box.current?.getBoundingClientRect();
      if (last && around) setPlace({ left: Math.max(0, Math.min(last.left - around.left, around.width - CARD)), top: last.bottom - around.top });
    });
    watch.observe(box.current); // tells the size at once, and when it changes
    return () => watch.disconnect();
  }, [card]);
  const show = useRef((i: number) => {
    setCard(i);
    setFocused(i);
  }).current;
  const choose = (i: number, likely?: Likely) => {
    const same = !likely || likely.id === made[i]?.id;
    setCard(null);
    onFrom([...made.slice(0, same ? i + 1 : i), ...(same ? [] : [{ id: likely.id, text: likely.token, logprob: likely.logprob, top: made[i]?.top ?? [] }])]);
  };
  const latest = useRef(choose);
  latest.current = choose;
  const chooseToken = useRef((i: number) => latest.current(i)).current;
  const length = useRef(0);
  length.current = made.length;
  const key = useRef((event: KeyboardEvent, i: number) => {
    const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: length.current - 1 }[event.key];
    if (to !== undefined) token(Math.min(Math.max(to, 0), length.current - 1))?.focus();
    else if (event.key === "ArrowDown") box.current?.querySelector<HTMLElement>(".alternative")?.focus();
    else if (event.key === "Enter" || event.key === " ") latest.current(i);
    else if (event.key === "Escape") setCard(null);
    else return;
    event.preventDefault();
  }).current;

  return (
    <div
      ref={box}
      className={below ? "tokens below" : "tokens"}
      onMouseLeave={() => !box.current?.contains(document.activeElement) && setCard(null)}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setCard(null)}
    >
      <span className="prompt">{prompt}</span>
      {made.map((one, i) => (
        <Token key={i} made={one} i={i} below={below} focusable={i === Math.min(focused, made.length - 1)} onShow={show} onKey={key} onChoose={chooseToken} />
      ))}
      {card !== null && shown && <Alternatives made={shown} {...place} onChoose={(likely) => choose(card, likely)} onLeave={() => token(card)?.focus()} />}
    </div>
  );
}
