/** @file Sibyl in JavaScript: ONNX models and log-mel features, in the browser and in Node. */
import { open, SibylError } from "./module.js";

export { logMelSpectrogram } from "./features.js";
export { InferenceSession } from "./session.js";
export { Tensor } from "./tensor.js";
export { SibylError };

export async function load(source) {
  await open(source);
}

export async function libraryInfo() {
  const lib = await open();
  return {
    version: lib.text(lib.call("version")),
    cpuLevel: lib.text(lib.call("cpu_level")),
    bytesHeld: lib.call("bytes_held"),
    memory: lib.bytes(0).length,
  };
}
