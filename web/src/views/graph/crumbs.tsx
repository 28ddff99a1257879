import type { Graph, Model } from "../../api/types";
import { hrefTo } from "../../state/address";
import { texts } from "../../texts";
import { inGraph, type Loaded } from ".";

/** The graph shown, inside those that hold it. */
export function Crumbs({ loaded, model }: { loaded: Loaded; model: Model }) {
  const { graphs, holder, place } = loaded;
  const chain: Graph[] = [];
  for (let at = graphs.find((row) => row.number === place.graph); at && chain.length < 64; at = graphs.find((row) => row.number === at?.outer)) chain.unshift(at);
  const title = (row: Graph) => (row.outer < 0 ? row.name || model.name : `${row.attribute}${row.name ? ` (${row.name})` : ""}`);
  const links = chain.map((row) => ({ title: title(row), href: hrefTo({ query: inGraph(row.number) }) }));
  if (holder) links.push({ title: texts.graph.milliOf(holder.type), href: "" });
  return (
    <nav className="crumbs grow" aria-label={texts.graph.crumbs}>
      <ol>
        {links.map((link, k) => (
          <li key={k} title={link.title}>{k === links.length - 1 ? <span aria-current="location">{link.title}</span> : <a href={link.href}>{link.title}</a>}</li>
        ))}
      </ol>
    </nav>
  );
}
