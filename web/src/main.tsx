import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Shell } from "./shell";
import { startStore } from "./state/store";
import "./theme.css";
import "./shell.css";

startStore();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Shell />
    </StrictMode>,
  );
}
