/** @file Tensors, and values of models on their way into the module's memory and out of it. */

/** Per element type: the array that holds it, and bits per element. */
const TYPES = {
  float32: [Float32Array, 32],
  uint8: [Uint8Array, 8],
  int8: [Int8Array, 8],
  uint16: [Uint16Array, 16],
  int16: [Int16Array, 16],
  int32: [Int32Array, 32],
  int64: [BigInt64Array, 64],
  string: [Array, 0],
  bool: [Uint8Array, 8],
  float16: [Uint16Array, 16],
  float64: [Float64Array, 64],
  uint32: [Uint32Array, 32],
  uint64: [BigUint64Array, 64],
  complex64: [Float32Array, 64],
  complex128: [Float64Array, 128],
  bfloat16: [Uint16Array, 16],
  float8e4m3fn: [Uint8Array, 8],
  float8e4m3fnuz: [Uint8Array, 8],
  float8e5m2: [Uint8Array, 8],
  float8e5m2fnuz: [Uint8Array, 8],
  uint4: [Uint8Array, 4],
  int4: [Uint8Array, 4],
  float4e2m1: [Uint8Array, 4],
  float8e8m0: [Uint8Array, 8],
  uint2: [Uint8Array, 2],
  int2: [Uint8Array, 2],
};

/** Entries that the array of n elements has. */
function entries(dtype, n) {
  const [array, bits] = TYPES[dtype];
  return dtype === "string" ? n : Math.ceil((n * bits) / 8) / array.BYTES_PER_ELEMENT;
}

export class Tensor {
  constructor(dtype, data, dims) {
    if (!Object.hasOwn(TYPES, dtype)) throw new TypeError(`no element type is called ${dtype}`);
    const [array] = TYPES[dtype];
    dims = Array.from(dims ?? [data.length], Number);
    const bad = dims.find((d) => !Number.isSafeInteger(d) || d < 0);
    if (bad !== undefined) throw new RangeError(`dims [${dims}]: ${bad} is no integer of 0 or more`);
    if (!(data instanceof array)) {
      if (!Array.isArray(data)) throw new TypeError(`a tensor of ${dtype} takes ${array.name} or an array of numbers`);
      data = array.from(data);
    }
    const expected = entries(dtype, dims.reduce((n, d) => n * d, 1));
    if (data.length !== expected)
      throw new RangeError(`dims [${dims}] of ${dtype} take ${expected} entries, and the data has ${data.length}`);
    this.dtype = dtype;
    this.dims = dims;
    this.data = data;
  }

  /** Number of elements. */
  get size() {
    return this.dims.reduce((n, d) => n * d, 1);
  }
}

const KIND = { tensor: 1, sequence: 2, optional: 3, map: 4 };

function putStrings(lib, tensor, strings) {
  strings.forEach((s, i) => {
    lib.within((scope) => {
      const bytes = lib.encode(s);
      lib.made("tensor_set_string", tensor, i, scope.copy(bytes), bytes.length);
    });
  });
}

function putTensor(lib, t) {
  return lib.within((scope) => {
    const dims = scope.copy(Float64Array.from(t.dims));
    const at = lib.made("tensor_new", scope.text(t.dtype), t.dims.length, dims);
    try {
      if (t.dtype === "string") putStrings(lib, at, t.data);
      else if (t.data.length)
        lib
          .bytes(lib.call("tensor_data", at), t.data.byteLength)
          .set(new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength));
    } catch (e) {
      if (!lib.broken) lib.call("tensor_free", at);
      throw e;
    }
    return lib.made("value_new", at);
  });
}

/** Copies a tensor, or a sequence as an array of them, into the module; the value is the caller's. */
export function putValue(lib, name, value) {
  if (value instanceof Tensor) return putTensor(lib, value);
  if (!Array.isArray(value)) throw new TypeError(`input ${name} is neither a Tensor nor an array of them (a sequence)`);
  return lib.within((scope) => {
    const items = value.map((item) => scope.keep(putValue(lib, name, item), "value_free"));
    return lib.made("value_sequence_new", items.length, scope.addresses(items));
  });
}

export function takeTensor(lib, at) {
  const dtype = lib.text(lib.call("tensor_dtype", at));
  const dims = Array.from({ length: lib.call("tensor_rank", at) }, (_, i) => lib.call("tensor_dim", at, i));
  const n = dims.reduce((product, d) => product * d, 1);
  const data = n ? lib.call("tensor_data", at) : 0;
  if (dtype === "string") {
    const places = lib.words(data, 2 * n); // (address, length) of each
    return new Tensor(dtype, Array.from({ length: n }, (_, i) => lib.decode(places[2 * i], places[2 * i + 1])), dims);
  }
  const [array] = TYPES[dtype];
  const out = new array(entries(dtype, n));
  new Uint8Array(out.buffer).set(lib.bytes(data, out.byteLength));
  return new Tensor(dtype, out, dims);
}

function entriesOf(tensor) {
  return Array.from(tensor.data);
}

/** The value at an address as a Tensor, an array (sequence), null or what it holds (optional), or a Map. */
function takeDense(lib, at) {
  const kind = lib.call("value_kind", at);
  const item = (i) => takeDense(lib, lib.call("value_item", at, i));
  if (kind === KIND.tensor) return takeTensor(lib, lib.call("value_tensor", at, 0));
  if (kind === KIND.optional) return lib.call("value_count", at) ? item(0) : null;
  if (kind === KIND.sequence) return Array.from({ length: lib.call("value_count", at) }, (_, i) => item(i));
  const [keys, values] = [1, 2].map((part) => entriesOf(takeTensor(lib, lib.call("value_tensor", at, part))));
  return new Map(keys.map((key, i) => [key, values[i]]));
}

/** Copies a value out of the module. */
export function takeValue(lib, at) {
  return lib.within((scope) => takeDense(lib, scope.keep(lib.made("value_dense_new", at), "value_free")));
}
