// Every view of the page: a row here, a folder beside this file.
import { lazy, type ComponentType } from "react";
import type { Model } from "../api/types";
import type { Address } from "../state/address";

export interface ViewProps {
  /** The model of the address; only views with `needsModel: false` get null. */
  model: Model | null;
  address: Address;
}

export interface View {
  /** First part of the address. */
  id: string;
  title: string;
  /** false: also shown without a model. */
  needsModel: boolean;
  /** Whether the view has something to show for this model; left out: for every model. */
  suits?: (model: Model) => boolean;
  /** Also offered as a panel below the graph. */
  panel?: boolean;
  /** Has nothing to show in a report. */
  served?: boolean;
  /** Not among the tabs: reached by links. */
  hidden?: boolean;
  Component: ComponentType<ViewProps>;
}

export const views: View[] = [
  { id: "models", title: "Models", needsModel: false, Component: lazy(() => import("./models")) },
  { id: "graph", title: "Graph", needsModel: true, Component: lazy(() => import("./graph")) },
  { id: "job", title: "Job", needsModel: true, suits: (model) => model.job, Component: lazy(() => import("./job")) },
  { id: "value", title: "Values", needsModel: true, panel: true, Component: lazy(() => import("./value")) },
  { id: "profile", title: "Profile", needsModel: true, panel: true, Component: lazy(() => import("./profile")) },
  { id: "compare", title: "Comparison", needsModel: true, panel: true, Component: lazy(() => import("./compare")) },
  { id: "diff", title: "Two models", needsModel: true, served: true, Component: lazy(() => import("./diff")) },
  { id: "runs", title: "Runs", needsModel: false, Component: lazy(() => import("./runs")) },
  { id: "speech", title: "Speech", needsModel: false, served: true, Component: lazy(() => import("./speech")) },
  { id: "text", title: "Text", needsModel: false, served: true, Component: lazy(() => import("./text")) },
];
