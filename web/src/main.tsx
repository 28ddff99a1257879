import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Shell } from "./shell";
import { offline } from "./session/answers";
import { openEmbedded } from "./session/open";
import { attempt, startStore } from "./state/store";
import "./theme.css";
import "./shell.css";

startStore();
if (offline) void attempt(openEmbedded);
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Shell />
    </StrictMode>,
  );
}
