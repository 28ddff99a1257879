"""python -m sibyl.bench: a sanity check against torch, and the times side by side, on one thread.

The input is made, not recorded: noise through resonances that wander like those of a voice, in syllables. The
formulas are OpenAI Whisper's log-mel spectrogram and torch.nn.functional.conv1d, and the features are also
compared with the definition in double, in NumPy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any, Callable

import numpy as np

from . import _sibyl, __version__
from .audio import HOP_LENGTH, N_FFT, SAMPLE_RATE
from .conv import conv1d
from .features import LogMel, log_mel_spectrogram

# Largest differences that count as agreement: rounding in single precision moves features by some 1e-5.
FEATURE_TOLERANCE = 1e-4
CONV_TOLERANCE = 1e-5  # of the norm of the output row
CONV_SHAPES = ((80, 3000, 384, 3, 1, 1), (384, 3000, 384, 3, 2, 1))  # Ci, L, Co, k, stride, padding


# ---- Input and definition ---------------------------------------------------------------------------


def speech_like(seconds: float, seed: int = 1) -> np.ndarray:
    """Deterministic noise (n,) at 16 kHz with the loudness and spectrum of speech, float32 within -1 .. 1."""
    n = int(seconds * SAMPLE_RATE)
    rng = np.random.default_rng(seed)
    t = np.arange(n) / SAMPLE_RATE
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE
    voice = np.zeros(n)
    for harmonic in range(1, 32):
        formants = sum(
            gain * np.exp(-(((harmonic * 120 - centre * (1 + 0.2 * np.sin(2 * np.pi * rate * t))) / 150) ** 2))
            for centre, rate, gain in ((500, 1.1, 1.0), (1500, 1.7, 0.5), (2500, 2.3, 0.25))
        )
        voice += formants * np.sin(harmonic * pitch)
    syllables = np.clip(np.sin(2 * np.pi * 1.9 * t) + 0.3, 0, None) * (np.sin(2 * np.pi * 0.13 * t) > -0.8)
    out = syllables * (voice + 0.1 * rng.standard_normal(n)) + 1e-4 * rng.standard_normal(n)
    return (0.7 * out / max(np.abs(out).max(initial=0), 1e-9)).astype(np.float32)


def whisper_bands(n_mels: int) -> np.ndarray:
    """Slaney's bands (n_mels, 201) at 16 kHz in double."""

    def to_hz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    top = 15 + 27 * np.log(SAMPLE_RATE / 2 / 1000) / np.log(6.4)
    edges = to_hz(np.linspace(0, top, n_mels + 2))
    bins = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def log_mel_double(samples: np.ndarray, n_mels: int = 80, padding: int = 0) -> np.ndarray:
    """Whisper's features (n_mels, frames) in double, straight from the definition."""
    signal = np.pad(np.pad(samples.astype(np.float64), (0, padding)), N_FFT // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(signal, N_FFT)[::HOP_LENGTH][:-1]
    bands = whisper_bands(n_mels)
    logs = np.empty((n_mels, len(frames)))
    for start in range(0, len(frames), 4096):
        part = slice(start, start + 4096)
        power = np.abs(np.fft.rfft(frames[part] * window)) ** 2
        logs[:, part] = np.log10(np.maximum(bands @ power.T, 1e-10))
    return (np.maximum(logs, logs.max() - 8) + 4) / 4


def torch_log_mel(torch: Any, samples: Any, n_mels: int = 80) -> Any:
    """The same as one would write it with torch in single precision, as openai-whisper does."""
    bands = torch.from_numpy(whisper_bands(n_mels).astype(np.float32))
    window = torch.hann_window(N_FFT)

    def run() -> Any:
        spectrum = torch.stft(samples, N_FFT, HOP_LENGTH, window=window, return_complex=True)
        logs = torch.clamp(bands @ (spectrum[..., :-1].abs() ** 2), min=1e-10).log10()
        return (torch.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0

    return run


# ---- Measuring --------------------------------------------------------------------------------------


def medians(calls: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Median seconds of each call, taken in turns so that a slow moment hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeat):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(series) for name, series in times.items()}


def _errors(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return {
        "max": float(difference.max()),
        "p99.9": float(np.percentile(difference, 99.9)),
        "mean": float(difference.mean()),
    }


def bench_features(torch: Any, seconds: float, n_mels: int, repeat: int) -> dict[str, Any]:
    samples = speech_like(seconds)
    exact = log_mel_double(samples, n_mels)
    precise = LogMel("whisper", n_mels=n_mels, precise=True)
    calls = {
        "sibyl": lambda: log_mel_spectrogram(samples, n_mels),
        "sibyl, precise": lambda: precise(samples),
    }
    if torch is not None:
        run = torch_log_mel(torch, torch.from_numpy(samples), n_mels)
        calls["torch"] = lambda: run().numpy()
    results = {name: call() for name, call in calls.items()}
    row: dict[str, Any] = {"name": f"log-mel, {n_mels} bands, {seconds:g} s", "seconds": medians(calls, repeat)}
    row["error against double"] = {name: _errors(result, exact) for name, result in results.items()}
    against = "torch" if torch is not None else "double"
    row["difference"] = {"from": against, **_errors(results["sibyl"], results.get("torch", exact))}
    row["ok"] = row["difference"]["max"] <= FEATURE_TOLERANCE
    return row


def bench_conv1d(torch: Any, shape: tuple[int, ...], repeat: int) -> dict[str, Any]:
    channels, length, out_channels, kernel, stride, padding = shape
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1, channels, length)).astype(np.float32)
    w = (rng.standard_normal((out_channels, channels, kernel)) / np.sqrt(channels * kernel)).astype(np.float32)
    bias = rng.standard_normal(out_channels).astype(np.float32)
    calls = {"sibyl": lambda: conv1d(x, w, bias, stride, padding)}
    if torch is not None:
        tensors = [torch.from_numpy(array) for array in (x, w, bias)]
        calls["torch"] = lambda: torch.nn.functional.conv1d(*tensors, stride, padding).numpy()
    results = {name: call() for name, call in calls.items()}
    row: dict[str, Any] = {"name": f"conv1d {channels}x{length} to {out_channels}, k{kernel} s{stride}"}
    row["seconds"] = medians(calls, repeat)
    row["flops"] = 2 * channels * kernel * results["sibyl"].size
    if torch is not None:
        row["difference"] = {"from": "torch", **_errors(results["sibyl"], results["torch"])}
        norms = np.linalg.norm(results["torch"].astype(np.float64), axis=-1, keepdims=True)
        row["ok"] = bool((np.abs(results["sibyl"] - results["torch"]) <= CONV_TOLERANCE * norms).all())
    return row


# ---- Words ------------------------------------------------------------------------------------------


def _print_row(row: dict[str, Any]) -> None:
    print(f"\n{row['name']}")
    torch_time = row["seconds"].get("torch")
    for name, seconds in row["seconds"].items():
        line = f"  {name:15} {1e3 * seconds:9.3f} ms"
        if "flops" in row:
            line += f"  {row['flops'] / seconds / 1e9:6.1f} GFLOP/s"
        if torch_time and name != "torch":
            line += f"  {seconds / torch_time:5.2f} x torch's time"
        if "error against double" in row:
            error = row["error against double"][name]
            line += f"  error against double: max {error['max']:.1e}, 99.9% {error['p99.9']:.1e}"
        print(line)
    if "difference" in row:
        d = row["difference"]
        verdict = "ok" if row["ok"] else "TOO FAR APART"
        print(f"  sibyl and {d['from']} differ by max {d['max']:.1e}, mean {d['mean']:.1e}: {verdict}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sibyl.bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the recording (default: 30)")
    parser.add_argument("--repeat", type=int, default=15, help="runs of which the median is shown (default: 15)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of words")
    options = parser.parse_args(arguments)
    if not options.seconds >= 0.1 or options.repeat < 1:
        parser.error("--seconds must be at least 0.1 and --repeat at least 1")
    torch: Any
    try:
        import torch
    except ImportError:
        torch = None
    if torch is not None:
        torch.set_num_threads(1)
    rows = [bench_features(torch, options.seconds, n_mels, options.repeat) for n_mels in (80, 128)]
    rows += [bench_conv1d(torch, shape, options.repeat) for shape in CONV_SHAPES]
    ok = all(row.get("ok", True) for row in rows)
    if options.json:
        about = {"sibyl": __version__, "cpu": _sibyl.cpu_level(), "torch": torch and torch.__version__}
        print(json.dumps({**about, "threads": 1, "ok": ok, "rows": rows}, indent=2))
        return 0 if ok else 1
    there = f"torch {torch.__version__}" if torch is not None else "no torch"
    print(f"sibyl {__version__} ({_sibyl.cpu_level()}), {there}; one thread, median of {options.repeat} runs")
    if torch is None:
        print("torch is not installed here, so there is nothing to compare the times with: pip install torch")
    for row in rows:
        _print_row(row)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
