/** @file Log-mel features of Whisper, librosa and Kaldi. */
import { open } from "./module.js";
import { takeTensor } from "./tensor.js";

/** Names of what sibyl/features.h has as enums, in their order. */
const CHOICES = {
  window: ["hann", "hann_symmetric", "hamming", "povey", "rectangular"],
  framing: ["center_reflect", "center_zero", "whole"],
  scale: ["slaney", "htk"],
  norm: ["none", "slaney"],
  slope: ["hz", "mel"],
  log: ["none", "ln", "log10", "db"],
  smooth: ["none", "same", "valid"],
};

const asField = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function asNumber(name, value) {
  const names = CHOICES[name];
  if (!names) return Number(value);
  const number = names.indexOf(value);
  if (number < 0) throw new RangeError(`${name} is ${value}, expected one of ${names.join(", ")}`);
  return number;
}

export async function logMelSpectrogram(samples, options = {}) {
  const { preset = "whisper", nMels = 0, padding = 0, precise = false, ...fields } = options;
  if (!(samples instanceof Float32Array)) throw new TypeError("samples are a Float32Array of one channel");
  if (!Number.isSafeInteger(padding) || padding < 0 || padding > 0xffffffff - samples.length)
    throw new RangeError(`padding is ${padding}, expected a number of samples`);
  const lib = await open();
  return lib.within((scope) => {
    const spec = scope.keep(lib.made("spec_new", scope.text(preset), nMels), "free");
    for (const [name, value] of Object.entries(fields))
      if (!lib.call("spec_set", spec, scope.text(asField(name)), asNumber(name, value)))
        throw new RangeError(`option ${name}: ${lib.text(lib.call("error_message"))}`);
    const at = lib.made("features_new", spec, precise, scope.copy(samples), samples.length, padding);
    return takeTensor(lib, scope.keep(at, "tensor_free"));
  });
}
