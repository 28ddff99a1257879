/** @file Sessions: models made ready to run. */
import { open, SibylError } from "./module.js";
import { putValue, takeValue } from "./tensor.js";

function readPorts(lib, session, output) {
  const ports = [];
  for (let i = 0; lib.call("port_choose", session, output, i); i++) {
    const rank = lib.call("port_rank");
    ports.push({
      name: lib.text(lib.call("port_name")),
      type: lib.text(lib.call("port_type")),
      dtype: lib.text(lib.call("port_dtype")),
      dims:
        rank < 0
          ? null
          : Array.from({ length: rank }, (_, axis) => lib.text(lib.call("port_dim_name", axis)) ?? lib.call("port_dim", axis)),
      optional: Boolean(lib.call("port_optional")),
    });
  }
  return ports;
}

function asBytes(model) {
  if (ArrayBuffer.isView(model)) return new Uint8Array(model.buffer, model.byteOffset, model.byteLength);
  if (model instanceof ArrayBuffer) return new Uint8Array(model);
  throw new TypeError("a model is an ArrayBuffer or a typed array with the bytes of an ONNX file");
}

export class InferenceSession {
  #lib;
  #session;

  constructor(lib, session) {
    this.#lib = lib;
    this.#session = session;
    this.inputs = readPorts(lib, session, false);
    this.outputs = readPorts(lib, session, true);
  }

  static async create(model, options = {}) {
    const bytes = asBytes(model);
    const lib = await open();
    return lib.within((scope) => {
      const at = lib.made(
        "session_open",
        scope.copy(bytes),
        bytes.byteLength,
        scope.text(options.backends),
        scope.text(options.passes),
      );
      return new InferenceSession(lib, at);
    });
  }

  async run(inputs, outputs = this.outputs.map((port) => port.name)) {
    const lib = this.#lib;
    if (!this.#session) throw new SibylError("the session is closed", "argument");
    return lib.within((scope) => {
      const names = Object.keys(inputs);
      const values = names.map((name) => scope.keep(putValue(lib, name, inputs[name]), "value_free"));
      const out = scope.copy(new Uint32Array(outputs.length));
      lib.made(
        "session_run",
        this.#session,
        names.length,
        scope.addresses(names.map(scope.text)),
        scope.addresses(values),
        outputs.length,
        scope.addresses(outputs.map(scope.text)),
        out,
      );
      const results = Array.from(lib.words(out, outputs.length), (at) => scope.keep(at, "value_free"));
      return Object.fromEntries(outputs.map((name, i) => [name, takeValue(lib, results[i])]));
    });
  }

  close() {
    if (this.#session && !this.#lib.broken) this.#lib.call("session_free", this.#session);
    this.#session = 0;
  }
}
