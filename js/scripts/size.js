/** Prints what the module weighs, and what a server would send. */
import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const file = readFileSync(new URL("../sibyl.wasm", import.meta.url));
const sent = `${gzipSync(file, { level: 9 }).length} by gzip, ${brotliCompressSync(file).length} by brotli`;
console.log(`js/sibyl.wasm: ${file.length} bytes, ${sent}`);
