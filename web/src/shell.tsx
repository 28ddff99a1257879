import { Suspense, useEffect, useLayoutEffect, useState } from "react";
import { faultText } from "./api/client";
import { Empty, useAsked, Waiting } from "./components/states";
import { Openings } from "./components/openings";
import { Panel } from "./components/panel";
import { hrefTo, useAddress } from "./state/address";
import { offline } from "./session/answers";
import { attempt, dismiss, modelAt, modelHash, setTheme, unload, useStore, type Theme } from "./state/store";
import { texts } from "./texts";
import { views, type View } from "./views";
import { Boundary } from "./components/boundary";
import { dropped } from "./views/models/open";
import type { Model } from "./api/types";
import { LoadDialog } from "./views/models/load-dialog";

function Notices() {
  const notices = useStore((state) => state.notices);
  return (
    <div className="notices" role="region" aria-label={texts.shell.notices} aria-live="polite">
      {notices.map((notice) => (
        <div key={notice.id} className={`notice ${notice.kind}`} role={notice.kind === "error" ? "alert" : "status"}>
          <span className="grow break">{notice.text}</span>
          <button className="plain" aria-label={texts.close} onClick={() => dismiss(notice.id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}

function ThemeChoice() {
  const theme = useStore((state) => state.theme);
  return (
    <select aria-label={texts.theme.label} value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
      {(["system", "light", "dark"] as const).map((id) => (
        <option key={id} value={id}>
          {texts.theme[id]}
        </option>
      ))}
    </select>
  );
}

/** Takes files dropped anywhere on the page. */
function DropTarget() {
  const [over, setOver] = useState(false);
  // Before anything is seen: a file that is dropped then would be opened in the place of the page.
  useLayoutEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      setOver(false);
      if (event.defaultPrevented || !hasFiles(event)) return; // a field of a form may have taken them
      event.preventDefault();
      for (const file of event.dataTransfer?.files ?? []) void dropped(file);
    };
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragover", enter);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragover", enter);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
    };
  }, []);
  return over ? <div className="drop-target">{texts.dropHere}</div> : null;
}

function ModelList({ chosen }: { chosen: Model | null }) {
  const { models } = useStore();
  const address = useAddress();
  const view = address.view === "models" ? "graph" : address.view;
  if (models.length === 0) return <p className="muted">{texts.models.empty}</p>;
  return (
    <ul className="model-list">
      {models.map((model) => (
        <li key={model.id}>
          <a href={hrefTo({ view, model: model.id, query: {} })} aria-current={model.id === chosen?.id}>
            <div className="ellipsis">{model.name}</div>
            <div className="muted">{texts.models.nOperators(model.n_nodes)}</div>
            <div className="muted break">{model.kind}</div>
          </a>
          <button className="plain" aria-label={texts.models.unloadOf(model.name)} onClick={() => void attempt(() => unload(model.id))}>
            ✕
          </button>
        </li>
      ))}
    </ul>
  );
}

function Centre({ view, model }: { view: View | undefined; model: Model | null }) {
  const address = useAddress();
  const reached = useStore((state) => state.reached);
  if (reached === null) return <Waiting />;
  if (!view) return <Empty title={texts.failed} />;
  if (address.model !== null && model === null) {
    return (
      <Empty title={texts.notFoundModel}>
        <code>{address.model}</code>
        <p>{texts.notFoundModelHint}</p>
        <a href="#/models">{texts.models.title}</a>
      </Empty>
    );
  }
  if (view.needsModel && model === null) {
    return (
      <Empty title={texts.noModel}>
        <a href="#/models">{texts.models.title}</a>
      </Empty>
    );
  }
  return (
    <Boundary key={`${view.id}/${model?.id ?? ""}`}>
      <Suspense fallback={<Waiting />}>
        <view.Component model={model} address={address} />
      </Suspense>
    </Boundary>
  );
}

/** Says where an address was made for another file than the one that has its name here. */
function OtherFile({ wanted, model }: { wanted: string; model: Model }) {
  const { data, fault } = useAsked(`${model.id} ${model.opened}`, () => modelHash(model));
  if (fault === null && (data === null || data === wanted)) return null;
  return (
    <p className="alert info other-file" role="status">
      {fault === null ? texts.otherFile(model.name) : texts.otherFileUnknown(model.name, faultText(fault))}
    </p>
  );
}

/** The view that is opened as a panel below the graph. */
function BottomPanel({ shown, model }: { shown: View[]; model: Model | null }) {
  const address = useAddress();
  const offered = shown.filter((view) => view.panel);
  const open = offered.find((view) => view.id === address.query["panel"]);
  if (offered.length === 0) return null;
  const strip = (
    <nav className="tabs grow" aria-label={texts.shell.panels}>
      {offered.map((view) => (
        <a key={view.id} href={hrefTo({ query: { panel: view === open ? null : view.id } })} aria-current={view === open ? "page" : undefined}>
          {view.title}
        </a>
      ))}
    </nav>
  );
  if (!open) return <div className="panel-strip">{strip}</div>;
  return (
    <Panel
      side="bottom"
      id="bottom"
      title={texts.shell.panels}
      initial={340}
      header={strip}
      tools={
        <a className="button plain" aria-label={texts.close} href={hrefTo({ query: { panel: null } })}>
          ✕
        </a>
      }
    >
      <Boundary key={open.id}>
        <Suspense fallback={<Waiting />}>
          <open.Component model={model} address={address} />
        </Suspense>
      </Boundary>
    </Panel>
  );
}

export function Shell() {
  const address = useAddress();
  const { models, connection } = useStore();
  const [list, setList] = useState(true);
  const [dialog, setDialog] = useState(false);
  const model = modelAt(address, models);
  const view = views.find((row) => row.id === address.view);
  const shown = views.filter((row) => !(offline && row.served) && (!row.needsModel || (model !== null && (row.suits?.(model) ?? true))));
  useEffect(() => {
    document.title = model ? `${model.name} – ${texts.product}` : texts.product;
  }, [model]);
  return (
    <div className="shell">
      <header className="topbar">
        <a className="brand" href="#/models">
          <img src="/icon.svg" alt="" />
          {texts.product}
        </a>
        <button className="plain" aria-pressed={list} aria-label={list ? texts.shell.hideModels : texts.shell.showModels} onClick={() => setList(!list)}>
          ☰
        </button>
        {model && (
          <a className="model ellipsis" href={hrefTo({ view: "models", query: {} })} title={model.name}>
            {model.name}
          </a>
        )}
        <nav className="tabs grow" aria-label={texts.shell.views}>
          {shown
            .filter((row) => !row.hidden)
            .map((row) => (
              <a key={row.id} href={hrefTo({ view: row.id, query: {} })} aria-current={row === view ? "page" : undefined}>
                {row.title}
              </a>
            ))}
        </nav>
        {connection && (
          <span className="row" role="status">
            <span className={`dot ${connection}`} title={texts.connection[connection]} />
            <span className="sr">{texts.connection[connection]}</span>
          </span>
        )}
        <ThemeChoice />
      </header>
      <div className="body">
        {list && (
          <Panel
            side="left"
            id="models"
            title={texts.shell.models}
            initial={200}
            max={480}
            tools={
              !offline && (
                <button className="plain" aria-label={texts.models.load} title={texts.models.load} onClick={() => setDialog(true)}>
                  +
                </button>
              )
            }
          >
            <ModelList chosen={model} />
            <Openings />
          </Panel>
        )}
        <div className="middle">
          {model && address.query["hash"] && <OtherFile wanted={address.query["hash"]} model={model} />}
          <main className="view" id="main">
            <h1 className="sr">{[model?.name, view?.title].filter(Boolean).join(" – ") || texts.product}</h1>
            <Centre view={view} model={model} />
          </main>
          {address.view === "graph" && <BottomPanel shown={shown} model={model} />}
        </div>
      </div>
      {dialog && <LoadDialog onClose={() => setDialog(false)} />}
      <Notices />
      <DropTarget />
    </div>
  );
}
