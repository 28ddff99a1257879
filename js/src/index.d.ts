/** Element types, by the names that the library has for them. */
export type DType =
  | "float32" | "float64" | "float16" | "bfloat16"
  | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64"
  | "bool" | "string" | "complex64" | "complex128"
  | "float8e4m3fn" | "float8e4m3fnuz" | "float8e5m2" | "float8e5m2fnuz" | "float8e8m0"
  | "int4" | "uint4" | "float4e2m1" | "int2" | "uint2";

/**
 * What holds the elements, row by row. Types that JavaScript has no array for are held as their bits: float16 and
 * bfloat16 in Uint16Array, 8-bit floats and packed elements of 4 and 2 bits (the first in the low bits) in Uint8Array. Complex
 * numbers are pairs (real, imaginary), and bool is 0 or 1.
 */
export type DataOf<T extends DType> =
  T extends "float32" | "complex64" ? Float32Array
  : T extends "float64" | "complex128" ? Float64Array
  : T extends "float16" | "bfloat16" | "uint16" ? Uint16Array
  : T extends "int8" ? Int8Array
  : T extends "int16" ? Int16Array
  : T extends "int32" ? Int32Array
  : T extends "int64" ? BigInt64Array
  : T extends "uint32" ? Uint32Array
  : T extends "uint64" ? BigUint64Array
  : T extends "string" ? string[]
  : Uint8Array;

export class Tensor<T extends DType = DType> {
  /**
   * @param data the elements, which are not copied until a run reads them; an array is converted
   * @param dims a size per axis, `[]` for a scalar; left out, `[data.length]`
   * @throws RangeError where dims and data do not fit together
   */
  constructor(dtype: T, data: DataOf<T> | readonly number[] | readonly bigint[] | readonly string[], dims?: readonly number[]);
  readonly dtype: T;
  readonly dims: number[];
  readonly data: DataOf<T>;
  /** Number of elements. */
  readonly size: number;
}

/** What models take and give: tensors, sequences as arrays, optionals (null where they hold nothing), maps. */
export type Value = Tensor | Value[] | null | Map<bigint | number | string, bigint | number | string>;

/** An input or output of a model. */
export interface Port {
  readonly name: string;
  /** As a sentence has it: "float32 [T, 80]". */
  readonly type: string;
  /** "unknown" where the file does not say. */
  readonly dtype: DType | "unknown";
  /** A number per axis, or an expression in the model's symbols ("2*T+1"); null where the rank is unknown. */
  readonly dims: readonly (number | string)[] | null;
  /** It has a default value and may be left out. */
  readonly optional: boolean;
}

export interface SessionOptions {
  /** Backends in order of preference: "cpu,ref" (the default), or "ref" for the definition of every operator. */
  backends?: string;
  /** Passes that rewrite the graph: "all", "-all", "-fuse_gelu", ... */
  passes?: string;
}

/** A model made ready to run. It holds memory of the module until it is closed. */
export class InferenceSession {
  private constructor();
  /**
   * Opens an ONNX model from its bytes, which are copied. External data is refused: a page has no files.
   * @throws SibylError with the library's message
   */
  static create(model: ArrayBuffer | ArrayBufferView, options?: SessionOptions): Promise<InferenceSession>;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs the model, on the calling thread.
   * @param inputs by name
   * @param outputs names; left out, all
   * @returns the outputs by name, in memory of JavaScript
   * @throws SibylError naming what does not fit
   */
  run(inputs: Readonly<Record<string, Tensor | readonly Tensor[]>>, outputs?: readonly string[]): Promise<Record<string, Value>>;
  /** Frees what the session holds. A second call does nothing; a run afterwards fails. */
  close(): void;
}

/** Fields of sib_mel_spec, whose meaning stands in the library's `sibyl/features.h`. */
export interface FeatureFields {
  sampleRate?: number;
  nFft?: number;
  winLength?: number;
  hopLength?: number;
  window?: "hann" | "hann_symmetric" | "hamming" | "povey" | "rectangular";
  framing?: "center_reflect" | "center_zero" | "whole";
  dropLastFrame?: boolean;
  removeDc?: boolean;
  preemphasis?: number;
  power?: number;
  fMin?: number;
  fMax?: number;
  scale?: "slaney" | "htk";
  norm?: "none" | "slaney";
  slope?: "hz" | "mel";
  log?: "none" | "ln" | "log10" | "db";
  logFloor?: number;
  logReference?: number;
  dynamicRange?: number;
  offset?: number;
  gain?: number;
  smooth?: "none" | "same" | "valid";
}

export interface FeatureOptions extends FeatureFields {
  /** Where fields that are not named come from; left out, "whisper". */
  preset?: "whisper" | "librosa" | "kaldi";
  /** Bands; left out, the preset's: 80, 128 and 80. */
  nMels?: number;
  /** Zeros behind the samples, as `padding` of Whisper's log_mel_spectrogram. */
  padding?: number;
  /** Compute in double and round once. */
  precise?: boolean;
}

/**
 * Log-mel features of a recording.
 * @param samples one channel at the preset's rate (16 kHz), nominally -1 to 1
 * @returns float32 [bands, frames]
 * @throws SibylError (too short, a sample that is NaN), RangeError (an option)
 */
export function logMelSpectrogram(samples: Float32Array, options?: FeatureOptions): Promise<Tensor<"float32">>;

/** What the library reports: its message, and the kind of failure. */
export class SibylError extends Error {
  constructor(message: string, code: string);
  readonly code: "argument" | "memory" | "io" | "format" | "size" | "value" | "unsupported" | "cancelled";
}

/**
 * Starts the module beforehand. Without it, the first call does, with `sibyl.wasm` beside this package.
 * @param source where the module is (its address, its bytes, or compiled), such as that of a bundler's asset
 */
export function load(source?: URL | string | ArrayBuffer | ArrayBufferView | WebAssembly.Module): Promise<void>;

/** Version, level of vector instructions, bytes that sessions hold, and bytes of the module's memory, which never shrinks. */
export function libraryInfo(): Promise<{ version: string; cpuLevel: string; bytesHeld: number; memory: number }>;
