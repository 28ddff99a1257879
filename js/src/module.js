/** @file The WebAssembly module: found, started, called, and its errors made exceptions. */

/** A failure that the library reports: `code` is its kind ("argument", "format", "unsupported", ...). */
export class SibylError extends Error {
  constructor(message, code) {
    super(message);
    this.name = "SibylError";
    this.code = code;
  }
}

const ERRNO_BADF = 8;
const ERRNO_NOSYS = 52;
const CLOCK_REALTIME = 0;

/** What the module asks of the system: clocks and random bytes. Every other call, such as those for files, is refused. */
function systemCalls(module, memory) {
  const view = () => new DataView(memory().buffer);
  const offered = {
    clock_time_get(clock, _precision, at) {
      const now = clock === CLOCK_REALTIME ? Date.now() : performance.now();
      view().setBigUint64(at, BigInt(Math.round(now * 1e6)), true);
      return 0;
    },
    random_get(at, n) {
      for (let done = 0; done < n; done += 65536)
        crypto.getRandomValues(new Uint8Array(memory().buffer, at + done, Math.min(65536, n - done)));
      return 0;
    },
    environ_sizes_get(count, bytes) {
      view().setUint32(count, 0, true);
      view().setUint32(bytes, 0, true);
      return 0;
    },
    environ_get: () => 0,
    fd_prestat_get: () => ERRNO_BADF,
    proc_exit(code) {
      throw new Error(`the module ended itself with ${code}`);
    },
  };
  const calls = {};
  for (const { name } of WebAssembly.Module.imports(module)) calls[name] = offered[name] ?? (() => ERRNO_NOSYS);
  return { wasi_snapshot_preview1: calls };
}

async function compile(source) {
  source ??= new URL("../sibyl.wasm", import.meta.url);
  if (source instanceof WebAssembly.Module) return source;
  if (ArrayBuffer.isView(source) || source instanceof ArrayBuffer) return WebAssembly.compile(source);
  if (source instanceof URL && source.protocol === "file:") {
    const { readFile } = await import(/* @vite-ignore */ "node:fs/promises");
    return WebAssembly.compile(await readFile(source));
  }
  const answer = await fetch(source);
  if (!answer.ok) throw new Error(`${source}: ${answer.status} ${answer.statusText}`);
  return WebAssembly.compile(await answer.arrayBuffer());
}

/** An instance of the module with what calls need: texts and lists in its memory, and exceptions. */
export class Library {
  #exports;
  #trap = null;
  #decoder = new TextDecoder();
  #encoder = new TextEncoder();

  constructor(module) {
    const instance = new WebAssembly.Instance(
      module,
      systemCalls(module, () => instance.exports.memory),
    );
    this.#exports = instance.exports;
    this.#exports._initialize();
  }

  /** Whether a trap, such as a stack that overflowed, has left the instance in an unknown state. */
  get broken() {
    return this.#trap !== null;
  }

  /** Calls the export sibyl_<name>. Addresses come back as integers from 0 on. */
  call(name, ...args) {
    if (this.#trap) throw new SibylError(`the module stopped earlier: ${this.#trap.message}`, "unsupported");
    try {
      const result = this.#exports[`sibyl_${name}`](...args);
      return Number.isInteger(result) ? (result < -1 ? result >>> 0 : result) : result;
    } catch (e) {
      if (!(e instanceof WebAssembly.RuntimeError || e instanceof RangeError)) throw e;
      this.#trap = e;
      throw new SibylError(`the module stopped: ${e.message}`, "unsupported");
    }
  }

  /** The same where 0 is a failure. */
  made(name, ...args) {
    const result = this.call(name, ...args);
    if (!result) throw new SibylError(this.text(this.call("error_message")), this.text(this.call("error_code")));
    return result;
  }

  /** The module's memory as it is now: a call may replace it. */
  bytes(at, n) {
    return new Uint8Array(this.#exports.memory.buffer, at, n);
  }

  words(at, n) {
    return new Uint32Array(this.#exports.memory.buffer, at, n);
  }

  /** The text at an address, or null for address 0. */
  text(at) {
    if (!at) return null;
    const memory = this.bytes(0);
    return this.#decoder.decode(memory.subarray(at, memory.indexOf(0, at)));
  }

  decode(at, n) {
    return this.#decoder.decode(this.bytes(at, n));
  }

  encode(text) {
    return this.#encoder.encode(text);
  }

  /** Runs `use` with a scope that copies things into the module's memory, which it frees afterwards. */
  within(use) {
    const frees = [];
    const scope = {
      keep: (at, free) => (frees.push([free, at]), at),
      copy: (bytes) => {
        const at = scope.keep(this.made("alloc", bytes.byteLength), "free");
        this.bytes(at, bytes.byteLength).set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        return at;
      },
      text: (text) => (text === undefined || text === null ? 0 : scope.copy(this.encode(`${text}\0`))),
      addresses: (list) => scope.copy(Uint32Array.from(list)),
    };
    try {
      return use(scope);
    } finally {
      if (!this.broken) for (const [free, at] of frees.reverse()) this.call(free, at);
    }
  }
}

let compiled = null;
let library = null;

/** The library, started when it is first needed, and again after a trap. */
export async function open(source) {
  if (source !== undefined || !compiled) {
    const next = compile(source);
    compiled = next;
    library = null;
    next.catch(() => {
      if (compiled === next) compiled = null;
    });
  }
  const module = await compiled;
  if (!library || library.broken) library = new Library(module);
  return library;
}
