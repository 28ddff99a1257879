// The page as one file that needs neither a server nor a network: what a report is made of, with a session in the place of
// the mark below.
import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; media-src blob:";

function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle: {
      order: "post", // after Vite's own last touches
      handler(_options, bundle) {
        const icon = `data:image/svg+xml;base64,${readFileSync("public/icon.svg").toString("base64")}`;
        let [script, style] = ["", ""];
        for (const [name, file] of Object.entries(bundle)) {
          if (file.type === "chunk") script += file.code;
          else if (name.endsWith(".css")) style += file.source.toString();
          if (name !== "index.html") delete bundle[name]; // also the workers, which do nothing there
        }
        const page = bundle["index.html"];
        if (page?.type !== "asset") throw new Error("there is no index.html");
        const head = page.source
          .toString()
          .replace(/\s*<script type="module"[^]*?<\/script>/, "")
          .replace(/\s*<link rel="stylesheet"[^>]*>/g, "")
          .replace("<head>", () => `<head>\n    <meta http-equiv="Content-Security-Policy" content="${POLICY}" />`)
          .replace("</head>", () => `  <style>${style}</style>\n  </head>`)
          .replace("</body>", () => `  <!--session-->\n    <script type="module">${script.replaceAll("</script", "<\\/script")}</script>\n  </body>`);
        page.source = head.replaceAll("/icon.svg", icon);
        page.fileName = "report.html";
      },
    },
  };
}

export default defineConfig({
  plugins: [react(), oneFile()],
  publicDir: false,
  build: { outDir: "../build/page/assets", emptyOutDir: false, target: "es2022", cssCodeSplit: false, modulePreload: false, reportCompressedSize: false, chunkSizeWarningLimit: 2000, rollupOptions: { output: { inlineDynamicImports: true } } },
  worker: { format: "es" },
});
