import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` takes the API from a server that runs already: SIBYL_SERVER=http://127.0.0.1:8750.
const server = process.env["SIBYL_SERVER"] ?? "http://127.0.0.1:8750";

export default defineConfig({
  plugins: [react()],
  // The server's content security policy allows files of its own only, so nothing is inlined as a data: or blob: URL.
  build: { outDir: "../build/page", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 2000 },
  worker: { format: "es" },
  server: { proxy: { "/api": { target: server, ws: true }, "/v1": server, "/v2": server } },
});
