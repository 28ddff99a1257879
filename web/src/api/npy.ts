// The .npy format: one array with its shape.

export interface Array32 {
  shape: number[];
  data: Float32Array;
}

/** An array of little-endian float32 in row-major order, which is what the server sends of features. */
export function readNpy(bytes: ArrayBuffer): Array32 {
  const view = new DataView(bytes);
  const [wide, at] = view.getUint8(6) > 1 ? [true, 12] : [false, 10];
  const end = at + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder("latin1").decode(bytes.slice(at, end));
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1]?.match(/\d+/g)?.map(Number);
  if (!shape || !header.includes("'<f4'") || !header.includes("'fortran_order': False")) throw new Error(`not an array of float32: ${header}`);
  return { shape, data: new Float32Array(bytes.slice(end)) };
}
