// Numbers for people.
const scaled = (value: number, base: number, units: readonly string[]): string => {
  let unit = 0;
  let rest = value;
  while (Math.abs(rest) >= base && unit < units.length - 1) {
    rest /= base;
    unit++;
  }
  return `${unit === 0 ? rest : rest.toPrecision(3)}${units[unit]}`;
};

export const formatBytes = (bytes: number): string => scaled(bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
export const formatCount = (count: number): string => (count < 10_000 ? count.toLocaleString("en") : scaled(count, 1000, ["", " k", " M", " G", " T"]));

export function formatSeconds(seconds: number): string {
  if (seconds === 0) return "0";
  if (seconds < 1e-3) return `${(seconds * 1e6).toPrecision(3)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  if (seconds < 100) return `${seconds.toPrecision(3)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A number of a tensor: short, and exact enough to compare by eye. */
export function formatNumber(value: number | null, precision = 5): string {
  if (value === null) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(precision))) : value.toExponential(Math.max(precision - 1, 0));
}

/** Dims as people write them: "1×80×T". */
export const formatDims = (dims: readonly (number | string | null)[], ranked = true): string =>
  !ranked ? "any shape" : dims.length === 0 ? "scalar" : dims.map((dim) => dim ?? "any").join("×");
