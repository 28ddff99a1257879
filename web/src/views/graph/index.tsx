import { Shown, useAsked } from "../../components/states";
import { api } from "../../api/client";
import type { ViewProps } from "..";

export default function GraphView({ model }: ViewProps) {
  const id = model?.id ?? null;
  const asked = useAsked(id, (signal) => api.nodes(id ?? "", 0, {}, signal));
  return <Shown asked={asked}>{(nodes) => <p>{nodes.length}</p>}</Shown>;
}
