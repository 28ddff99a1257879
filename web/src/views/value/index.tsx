import { useEffect, type ReactNode } from "react";
import { isNumeric } from "../../api/elements";
import type { Model } from "../../api/types";
import { formatBytes, formatNumber } from "../../components/format";
import { Empty, Shown, useAsked } from "../../components/states";
import { Tabs } from "../../components/tabs";
import { sessionOfRun } from "../../session/session";
import { goTo, hrefTo, numberOf, type Address } from "../../state/address";
import { copyText, savePng, saveText } from "../../state/files";
import { goesOn } from "../../state/live";
import { describe, npyAddress, queryOf, sourceInAddress, useSelected, type Described, type Source } from "../../state/source";
import { attempt, followRuns, useStore } from "../../state/store";
import { texts } from "../../texts";
import type { ViewProps } from "..";
import { Attention, headsOf } from "./attention";
import { Beside } from "./beside";
import { HeatMap, Histogram, Line, Picture } from "./drawings";
import { ElementTable, planeText, precisions, type Precision } from "./elements";
import { ValueList } from "./list";
import { Sound, soundSuits } from "./sound";
import { axesInAddress, readAll, setAt, setAxes, sizeOf, sliceText, withIndex, type Axes, type Range } from "./plane";
import "./value.css";

const t = texts.value;
const REFRESH = 1000; // ms between looks at a value of a run that goes on
const MAX_TEXT = 1 << 20; // elements that are copied or written as CSV
const forms = ["table", "cells", "histogram", "line", "image", "attention", "sound", "beside"] as const;
type Form = (typeof forms)[number];

function Summary({ value }: { value: Described }) {
  const { seen } = value;
  const bad = seen.nan + seen.plusInf + seen.minusInf;
  const figures = [
    [texts.digest.min, formatNumber(seen.min)],
    [texts.digest.max, formatNumber(seen.max)],
    [texts.digest.mean, formatNumber(seen.mean)],
    [texts.digest.std, formatNumber(seen.std)],
    [texts.digest.zero, seen.zero.toLocaleString("en")],
  ];
  return (
    <div className="value-head">
      <h2 className="mono break">{value.name}</h2>
      <span className="badge accent">{value.dtype}</span>
      <span className="mono">[{value.shape.join(", ")}]</span>
      <span className="muted">{formatBytes(value.bytes)}</span>
      {seen.count > 0 && figures.map(([name, figure]) => (
        <span key={name}>
          <span className="muted">{name}</span> <span className="mono">{figure}</span>
        </span>
      ))}
      {bad > 0 && <span className="badge bad">{t.notFinite(bad)}</span>}
    </div>
  );
}

interface StepperProps {
  label: string;
  slide: string;
  number: string;
  size: number;
  at: number;
  onGo: (to: number) => void;
}

/** A place from 0 on, by slider or by number. */
function Stepper({ label, slide, number, size, at, onGo }: StepperProps) {
  const set = (to: number) => Number.isInteger(to) && onGo(Math.min(Math.max(to, 0), size - 1));
  return (
    <span className="row tight">
      <span className="muted">{label}</span>
      {size > 1 && <input type="range" aria-label={slide} min={0} max={size - 1} value={at} onChange={(event) => set(Number(event.target.value))} />}
      <input type="number" className="index" aria-label={number} min={0} max={size - 1} value={at} onChange={(event) => set(Number(event.target.value))} />
    </span>
  );
}

function FixedIndex({ axis, size, axes }: { axis: number; size: number; axes: Axes }) {
  return <Stepper label={t.axis(axis, size)} slide={t.slide(axis)} number={t.indexOf(axis)} size={size} at={axes.at[axis] ?? 0} onGo={(to) => setAt(withIndex(axes.at, axis, to))} />;
}

/** Of a value in a loop: which of the iterations that are kept. */
function Iteration({ value: { iterations, iteration } }: { value: Described }) {
  if (iterations.length < 2 || iteration < 0) return null;
  return (
    <Stepper
      label={t.iterations(iterations.length)}
      slide={t.slideIterations}
      number={t.iteration}
      size={iterations.length}
      at={iteration}
      onGo={(to) => goTo({ query: { iteration: to }, replace: true })}
    />
  );
}

/** Which axes are rows and columns, and where the others stand. */
function AxisChoice({ value, axes, form }: { value: Described; axes: Axes; form: Form }) {
  const { shape } = value;
  if (shape.length < 2 || axes.rows === null || axes.columns === null) return null;
  const { rows, columns } = axes;
  const select = (label: string, chosen: number, set: (axis: number) => void) => (
    <label className="row tight">
      <span className="muted">{label}</span>
      <select value={chosen} onChange={(event) => set(Number(event.target.value))}>
        {shape.map((size, axis) => (
          <option key={axis} value={axis}>
            {t.axis(axis, size)}
          </option>
        ))}
      </select>
    </label>
  );
  const along = form === "line" || form === "sound";
  const fixed = shape.map((_, axis) => axis).filter((axis) => (axis !== rows || along) && axis !== columns && axis !== axes.channel);
  return (
    <>
      {!along && select(t.rows, rows, (axis) => setAxes(axis, axis === columns ? rows : columns))}
      {select(along ? t.along : t.columns, columns, (axis) => setAxes(axis === rows ? columns : rows, axis))}
      {fixed.map((axis) => (
        <FixedIndex key={axis} axis={axis} size={shape[axis]!} axes={axes} />
      ))}
    </>
  );
}

/** The drawing of the view in which a button stands. */
const drawingBeside = (button: Element): HTMLCanvasElement | null => button.closest(".value-page")?.querySelector<HTMLCanvasElement>(".raster canvas, .plot canvas") ?? null;

/** A download from the server; a session is a file itself. */
function Npy({ source, slice, children }: { source: Source; slice?: string; children: ReactNode }) {
  if (source.of === "run" && sessionOfRun(source.run)) return null;
  return (
    <a className="button" href={npyAddress(source, slice)} download>
      {children}
    </a>
  );
}

function Takers({ value, axes, precision, drawn }: { value: Described; axes: Axes; precision: Precision; drawn: boolean }) {
  const { shape, source } = value;
  const name = value.name.replace(/[^\w.-]+/g, "_");
  const range = (axis: number): [number, Range] => [axis, { begin: 0, count: shape[axis]!, step: 1 }];
  const shown = [axes.rows, axes.columns].filter((axis) => axis !== null).map(range);
  const few = sizeOf(shape, axes.rows) * sizeOf(shape, axes.columns) <= MAX_TEXT;
  const take = (separator: string, go: (text: string) => void) =>
    void attempt(async () => go(planeText(await readAll(value, axes), separator === "," ? "exact" : precision, separator)));
  return (
    <>
      <button disabled={!few} title={few ? undefined : t.tooMany} onClick={() => take("\t", (text) => void copyText(text))}>
        {t.copySlice}
      </button>
      <button disabled={!few} title={few ? undefined : t.tooMany} onClick={() => take(",", (text) => saveText(`${name}.csv`, "text/csv", text))}>
        CSV
      </button>
      {drawn && (
        <button
          onClick={(event) => {
            const canvas = drawingBeside(event.currentTarget);
            if (canvas) savePng(`${name}.png`, canvas);
          }}
        >
          PNG
        </button>
      )}
      {shape.length > 2 && (
        <Npy source={source} slice={sliceText(axes.at, new Map(shown))}>
          {t.sliceNpy}
        </Npy>
      )}
      <Npy source={source}>.npy</Npy>
    </>
  );
}

function contentOf(form: Form, value: Described, axes: Axes, precision: Precision) {
  const all = {
    table: () => <ElementTable value={value} axes={axes} precision={precision} />,
    cells: () => <HeatMap value={value} axes={axes} />,
    histogram: () => <Histogram value={value} axes={axes} />,
    line: () => <Line value={value} axes={axes} />,
    image: () => <Picture value={value} axes={axes} />,
    attention: () => <Attention value={value} axes={axes} />,
    sound: () => <Sound value={value} axes={axes} />,
    beside: () => <Beside value={value} axes={axes} />,
  };
  return all[form]();
}

function ValuePage({ value, address }: { value: Described; address: Address }) {
  const { shape, dtype, source } = value;
  if (!isNumeric(dtype))
    return (
      <Empty title={dtype === "" ? texts.digest.noTensor : t.noNumbers(dtype)}>
        {dtype !== "" && <Npy source={source}>.npy</Npy>}
      </Empty>
    );
  if (shape.includes(0)) return <Empty title={t.noElements(`${dtype} [${shape.join(", ")}]`)} />;
  const plain = axesInAddress(address, shape, false);
  const suits: Partial<Record<Form, boolean>> = {
    cells: shape.length > 1,
    image: shape.length > 1,
    line: shape.length > 0,
    attention: headsOf(shape, plain) !== null,
    sound: soundSuits(shape),
  };
  const offered = forms.filter((id) => suits[id] ?? true);
  const form = offered.find((id) => id === address.query["as"]) ?? "table";
  const axes = form === "image" ? axesInAddress(address, shape, true) : plain;
  const precision = precisions.find((id) => id === address.query["digits"]) ?? "";
  return (
    <div className="value-page">
      <Summary value={value} />
      <div className="row wrap">
        <Iteration value={value} />
        <AxisChoice value={value} axes={axes} form={form} />
        <span className="row wrap takers">
          {form === "table" && (
            <select aria-label={t.precision} value={precision} onChange={(event) => goTo({ query: { digits: event.target.value || null }, replace: true })}>
              {precisions.map((id) => (
                <option key={id} value={id}>
                  {t.precisions(id)}
                </option>
              ))}
            </select>
          )}
          <Takers value={value} axes={axes} precision={precision} drawn={form !== "table" && form !== "beside"} />
        </span>
      </div>
      <Tabs
        label={t.forms}
        chosen={form}
        onChoose={(id) => goTo({ query: { as: id === "table" ? null : id }, replace: true })}
        tabs={offered.map((id) => ({ id, title: t.form[id], content: () => contentOf(id, value, axes, precision) }))}
      />
    </div>
  );
}

/** A value, looked at again while its run goes on. */
function Elements({ source, address }: { source: Source; address: Address }) {
  const run = useStore((state) => (source.of === "run" ? state.runs[source.run] : undefined));
  useEffect(followRuns, []);
  const iteration = numberOf(address, "iteration");
  const open = run !== undefined && goesOn(run); // false also while nothing is known of the run: what is shown of one that is over stays
  const asked = useAsked(JSON.stringify([source, open, iteration]), async () => ({ value: await describe(source, iteration) }));
  const { again, data, fault } = asked;
  useEffect(() => {
    if (!open || (data === null && fault === null)) return;
    const timer = setTimeout(again, REFRESH); // from the answer on: one that takes longer would never come
    return () => clearTimeout(timer);
  }, [open, again, data, fault]);
  return <Shown asked={asked}>{({ value }) => (value ? <ValuePage value={value} address={address} /> : <Empty title={texts.digest.none} />)}</Shown>;
}

export default function ValueView({ model, address }: ViewProps) {
  const selected = useSelected((state) => state.source);
  const inPanel = address.view === "graph";
  const source = inPanel ? selected : sourceInAddress(model?.id ?? "", address);
  if (inPanel && !source) return <Empty title={t.select} />;
  if (!source) return <ValueList model={model as Model} address={address} />;
  return (
    <div className={inPanel ? "value-view" : "value-view tab"}>
      {!inPanel && (
        <a className="back" href={hrefTo({ query: { ...queryOf(source), name: null, value: null, as: null, at: null, axes: null, iteration: null } })}>
          ‹ {t.allValues}
        </a>
      )}
      <Elements source={source} address={address} />
    </div>
  );
}
