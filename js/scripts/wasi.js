/** wasi.js PROGRAM [FOLDER [ARGUMENT...]]: runs a program of build/wasm, which sees the folder as /cases. */
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [program, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({
  version: "preview1",
  args: [program, ...args],
  preopens: folder ? { "/cases": folder } : {},
  returnOnExit: true,
});
const file = new URL(`../../build/wasm/js/native/${program}.wasm`, import.meta.url);
const { instance } = await WebAssembly.instantiate(readFileSync(file), wasi.getImportObject());
process.exitCode = wasi.start(instance);
