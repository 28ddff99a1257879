/** conform.js ATOL FOLDER CASE...: runs build/wasm's conform.wasm on cases of a folder. */
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [atol, folder, ...names] = process.argv.slice(2);
const file = process.env.SIBYL_CONFORM ?? new URL("../../build/wasm/js/native/conform.wasm", import.meta.url);
const wasi = new WASI({
  version: "preview1",
  args: ["conform", "cpu,ref", atol, ...names.map((name) => `/cases/${name}`)],
  preopens: { "/cases": folder },
  returnOnExit: true,
});
const { instance } = await WebAssembly.instantiate(readFileSync(file), wasi.getImportObject());
process.exitCode = wasi.start(instance);
