"""What Python has because C has it, each against a definition, NumPy or the command, whose numbers must be the same."""

import json
import math
import subprocess
import threading
import time

import numpy as np
import onnx_writer as w
import pytest
from conftest import ROOT, write_wav

import sibyl

SIBYL = ROOT / "build" / "sibyl"


def command(*arguments, rc=0):
    """What the command prints."""
    if not SIBYL.exists():
        pytest.skip("skipped for want of build/sibyl")
    done = subprocess.run([SIBYL, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == rc, done.stderr
    return done.stdout


def nine(*numbers):
    """As the command prints them."""
    return [float(f"{x:.9g}") for x in numbers]


# ---- Recordings -------------------------------------------------------------------------------------------


@pytest.fixture
def quiet(tmp_path):
    """2.5 s of a tone that grows, in noise, not loud: their path, and their samples as they are read."""
    noise, at = np.random.default_rng(8).standard_normal(40000), np.arange(40000) / 16000
    samples = np.rint(50 * noise + 2000 * at * np.sin(2500 * at * (1 + at))).astype(np.int16)
    samples[1000:1500] = 0
    path = write_wav(tmp_path / "quiet.wav", samples)
    return path, sibyl.load_audio(path)


def test_level(quiet, tmp_path):
    path, samples = quiet
    found = sibyl.level(samples)
    doubles = samples.astype(np.float64)
    assert found.samples == 40000 and found.peak == np.abs(doubles).max()
    assert found.rms == pytest.approx(math.sqrt(np.mean(doubles**2)), rel=1e-12)
    assert found.dc_offset == pytest.approx(doubles.mean(), rel=1e-9)
    assert not (found.silent or found.clipped or found.dc) and found.first_bad is None
    told = json.loads(command("features", path, "-o", tmp_path / "x.npy", "--json"))["audio"]
    assert [told["peak"], told["rms"], told["dc_offset"]] == nine(found.peak, found.rms, found.dc_offset)
    assert (told["clipped_samples"], told["longest_silence_samples"]) == (found.clipped_samples, found.longest_silence)
    bad = np.array([0, np.nan, np.inf, 1, 1, 1], np.float32)
    found = sibyl.level(bad)
    assert (found.nan, found.infinite, found.first_bad, found.clipped_samples) == (1, 1, 1, 3) and found.clipped


@pytest.mark.parametrize("level, target", [("peak", 1.0), ("rms", 0.1)])
def test_normalize(quiet, tmp_path, level, target):
    path, samples = quiet
    before = samples.copy()
    made = sibyl.normalize(samples, level)
    assert np.array_equal(samples, before)
    factor = target / (np.abs(samples).max() if level == "peak" else np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    assert np.allclose(made, samples * factor, rtol=1e-6, atol=0)
    command("features", path, "--normalize", level, "-o", tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), sibyl.log_mel_spectrogram(made))
    own = samples.copy()
    assert sibyl.normalize(own, level, in_place=True) is own and np.array_equal(own, made)
    with pytest.raises(TypeError, match="in place"):
        sibyl.normalize(own.astype(np.float64), in_place=True)
    with pytest.raises(ValueError, match="level is 'loud'"):
        sibyl.normalize(own, "loud")
    with pytest.raises(ValueError, match="target"):
        sibyl.normalize(own, target=-1)
    own[7] = np.nan
    with pytest.raises(ValueError, match="sample 7"):
        sibyl.normalize(own)


def test_chunk(quiet, tmp_path):
    path, samples = quiet
    parts = sibyl.chunk(samples, 1.0)
    assert [len(part) for part in parts] == [16000, 16000, 8000]
    assert all(np.shares_memory(part, samples) for part in parts) and np.array_equal(np.concatenate(parts), samples)
    command("features", path, "--chunk", 1, "-o", tmp_path / "x.npy")
    ours = [sibyl.log_mel_spectrogram(sibyl.pad_or_trim(part, 16000)) for part in parts]
    assert np.array_equal(np.load(tmp_path / "x.npy").reshape(80, -1), np.concatenate(ours, axis=1))
    overlapping = sibyl.chunk(np.arange(100), 4, 1, sr=10)
    assert [(part[0], len(part)) for part in overlapping] == [(0, 40), (30, 40), (60, 40)]
    assert sibyl.chunk(samples[:0]) == []
    for seconds, overlap in ((0, 0), (1, 1), (1, -1)):
        with pytest.raises(ValueError):
            sibyl.chunk(samples, seconds, overlap)


@pytest.mark.parametrize("dtype, one", [("int16", 16384), ("int8", 64)])
@pytest.mark.parametrize("smooth", ["none", "same", "valid"])
def test_fixed_features(quiet, tmp_path, dtype, one, smooth):
    path, samples = quiet
    ours = sibyl.log_mel_fixed(samples, dtype=dtype, smooth=smooth)
    command("features", path, f"--fixed={dtype}", "--smooth", smooth, "-o", tmp_path / "x.npy")
    assert ours.dtype == dtype and np.array_equal(np.load(tmp_path / "x.npy"), ours)
    exact = sibyl.log_mel_spectrogram(samples, smooth=smooth)
    assert np.abs(ours / one - exact).max() < 0.05 + 1 / one


def test_fixed_features_read_16_bits_in_place(quiet):
    path, samples = quiet
    pcm = np.rint(samples * 32768).astype(np.int16)
    none = sibyl.log_mel_fixed(pcm, clamp="none")
    whole = np.maximum(none, int(none.max()) - 2 * 16384)
    running = np.maximum(none, np.maximum.accumulate(none.max(axis=0)).astype(np.int32) - 2 * 16384)
    for clamp, expected in (("whole", whole), ("running", running)):
        assert np.array_equal(sibyl.log_mel_fixed(pcm, clamp=clamp, threads=2), expected)
    assert np.array_equal(sibyl.log_mel_fixed(path, 128, padding=320).shape, (128, 252))
    for bad, error in (({"n_mels": 81}, "n_mels|80"), ({"clamp": "all"}, "clamp"), ({"dtype": "int32"}, "dtype")):
        with pytest.raises(ValueError, match=error):
            sibyl.log_mel_fixed(pcm, **bad)
    with pytest.raises(ValueError, match="beyond 1.0"):
        sibyl.log_mel_fixed(samples * np.float32(1e6))


# ---- Arrays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [name for name in sibyl.DTYPES if name != "string"])
def test_convert_as_the_cast_of_a_model(to):
    """Each type against Cast, which saturates 8- and 4-bit floats and wraps integers from integers."""
    x = np.array([0, 1, -1, 0.375, 1.5, 2.5, -2.5, 6, 7, 3], np.float32)
    if to.startswith("u"):
        x = np.abs(x) % 4
    elif to in ("int2", "int4"):
        x = x % 2
    elif to == "float8e8m0":
        x = np.abs(x) + 0.5
    type_to = w.tensor_type(to, [10])
    session = sibyl.InferenceSession(
        w.model([w.node("Cast", ["x"], ["y"], to=sibyl._sibyl.dtypes[to])], {"x": w.tensor_type("float32", [10])},
                {"y": type_to}, opsets={"": 25})
    )  # fmt: skip
    (expected,) = session.run(None, {"x": x})
    made = sibyl.convert(x, to)
    assert made.dtype == expected.dtype and made.tobytes() == expected.tobytes()
    back = sibyl.convert(made, "float64", source=to)
    if to.startswith(("float", "bfloat", "complex")) and to not in ("float8e8m0",):
        assert np.all(np.abs(back - x) <= np.abs(x) * 0.34)
    else:
        assert np.array_equal(sibyl.convert(back, to), made)


def test_convert():
    x = np.arange(-6, 6, dtype=np.int32).reshape(3, 4)[:, ::2] * 100
    assert np.array_equal(sibyl.convert(x, "int8"), np.clip(x, -128, 127).astype(np.int8))
    assert np.array_equal(sibyl.convert(x, "int8", overflow="ieee"), x.astype(np.int8))
    assert sibyl.convert([0.1, -math.inf, 1e-5], "string").tolist() == ["0.1", "-inf", "1e-05"]
    assert sibyl.convert(np.array(["0.5", " 0x10 "]), "float64").tolist() == [0.5, 16.0]
    halves = sibyl.convert(np.float32([1.0, 1 + 2**-8, 1 + 3 * 2**-8]), "bfloat16")
    assert halves.view(np.uint16).tolist() == [0x3F80, 0x3F80, 0x3F82]
    for bad in ({"dtype": "float7"}, {"dtype": "int8", "overflow": "crash"}, {"dtype": "int8", "source": "float7"}):
        with pytest.raises(ValueError, match="float7|crash"):
            sibyl.convert(x, **bad)
    with pytest.raises(ValueError, match="number"):
        sibyl.convert(np.array(["one"]), "float32")


def test_stats(tmp_path):
    x = np.random.default_rng(5).standard_normal((40, 50)).astype(np.float32)
    x[3, :4] = [np.nan, np.inf, -np.inf, 0]
    found = sibyl.stats(x, 16)
    finite = x[np.isfinite(x)].astype(np.float64)
    assert (found.count, found.nan, found.inf, found.zero) == (2000, 1, 2, 1)
    assert (found.min, found.max) == (-math.inf, math.inf)
    assert found.mean == pytest.approx(finite.mean(), abs=1e-12) and found.std == pytest.approx(finite.std(), rel=1e-12)
    assert (found.low, found.high) == (finite.min(), finite.max())
    assert found.histogram == np.histogram(finite, 16)[0].tolist()
    assert sibyl.stats(x, 8, (-1, 1)).histogram == np.histogram(finite, 8, (-1, 1))[0].tolist()
    finite = np.where(np.isfinite(x), x, 0)
    np.save(tmp_path / "x.npy", finite)
    (tmp_path / "m.onnx").write_bytes(w.one("Identity", {"x": w.tensor_type("float32", [40, 50])},
                                            {"y": w.tensor_type("float32", [40, 50])}))  # fmt: skip
    told = json.loads(command("run", tmp_path / "m.onnx", "-i", f"x={tmp_path / 'x.npy'}", "--json"))
    (theirs,) = told["outputs"]
    digest, found = sibyl.digest(finite, exact=True), sibyl.stats(finite)  # the command prints a digest
    assert [theirs["digest"][name] for name in ("min", "max", "mean", "std")] == nine(*(digest[name] for name in ("min", "max", "mean", "std")))
    assert (digest["min"], digest["max"], digest["zero"]) == (found.min, found.max, found.zero)
    assert (digest["mean"], digest["std"]) == pytest.approx((found.mean, found.std), rel=1e-6)
    for bad in ({"bins": 5000}, {"bins": 4, "range": (1, 1)}):
        with pytest.raises(ValueError):
            sibyl.stats(x, **bad)
    with pytest.raises(ValueError):
        sibyl.stats(np.array(["a"]))


def test_compare():
    a = np.float32([[1, 2, 3], [4, np.nan, 0]])
    b = np.float32([[1, 2.001, 3], [4, np.nan, 0]])
    assert sibyl.compare(a, a) and sibyl.compare(a, b, rtol=1e-3)
    found = sibyl.compare(a, b)
    assert not found and (found.different, found.first, found.worst, found.nan_mismatch) == (1, 1, 1, 0)
    assert found.max_abs == np.abs(a - b)[0, 1] and found.max_rel == pytest.approx(found.max_abs / 2.001)
    assert found.max_ulp == int(b[0, 1].view(np.int32)) - int(a[0, 1].view(np.int32))
    assert sibyl.compare(a, b, max_ulp=found.max_ulp) and not sibyl.compare(a, b, max_ulp=found.max_ulp - 1)
    assert (found.first_a, found.first_b) == (2, float(b[0, 1]))
    assert sibyl.compare({"a": 1.0}, {"a": 1.0}) and not sibyl.compare([a, a], [a, b])
    assert sibyl.compare(np.array(["a", "b"]), np.array(["a", "c"])).different == 1
    for wrong in (a[:1], a.astype(np.float64)):
        with pytest.raises(ValueError):
            sibyl.compare(a, wrong)
    with pytest.raises(ValueError):
        sibyl.compare(a, b, atol=-1)


# ---- Time and memory --------------------------------------------------------------------------------------


def test_timer():
    with sibyl.Timer() as timer:
        begin = time.perf_counter()
        time.sleep(0.01)
        inner = time.perf_counter() - begin
    assert inner <= timer.seconds < inner + 0.5 and timer.seconds == timer.seconds
    running = sibyl.Timer()
    assert running.seconds <= running.seconds and "running" in repr(running)


def test_series():
    values = np.random.default_rng(2).exponential(size=200)
    found = sibyl.series_stats(values)
    low, median, high, p95, p99 = np.percentile(values, [25, 50, 75, 95, 99])
    assert (found.n, found.min, found.max) == (200, values.min(), values.max())
    assert np.allclose([found.median, found.mean, found.p95, found.p99, found.std],
                       [median, values.mean(), p95, p99, values.std(ddof=1)], rtol=1e-12)  # fmt: skip
    far = (values < low - 1.5 * (high - low)) | (values > high + 1.5 * (high - low))
    assert found.outliers == np.flatnonzero(far).tolist() and found.outliers
    for bad in ([], [1, math.nan]):
        with pytest.raises(ValueError):
            sibyl.series_stats(bad)


def test_memory():
    before = sibyl.memory()
    held = sibyl.convert(np.zeros(1 << 20, np.float32), "float64")
    after = sibyl.memory()
    assert after.allocated - before.allocated >= held.nbytes == 1 << 23
    assert after.resident_peak >= after.resident > 1 << 23 and after.allocated_peak >= after.allocated
    sibyl.set_memory_limit(after.allocated + (1 << 20))
    try:
        with pytest.raises(MemoryError):
            sibyl.convert(held, "float64")
    finally:
        sibyl.set_memory_limit(0)
    assert sibyl.convert(held, "float32").nbytes == 1 << 22


def test_monitor():
    with sibyl.Monitor(0.002, capacity=8) as monitor:
        time.sleep(0.05)
    samples = monitor.samples
    assert 1 <= len(samples) <= 8 and all(s.resident > 0 for s in samples)
    assert all(a.seconds < b.seconds for a, b in zip(samples, samples[1:])) and samples[-1].seconds >= 0.05
    monitor.stop()
    assert monitor.samples == samples
    for bad in ({"interval": 0}, {"capacity": 1}):
        with pytest.raises(ValueError):
            sibyl.Monitor(**bad)


def test_other_threads_run_meanwhile():
    """A long call lets others run: the counter goes on while a large array is converted."""
    x = np.zeros(1 << 22, np.float32)
    counted, done = [], threading.Event()

    def count():
        while not done.is_set():
            counted.append(time.monotonic())
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.monotonic()
    for _ in range(4):
        sibyl.convert(x, "string" if len(x) < 100 else "float8e4m3fn")
    end = time.monotonic()
    done.set()
    thread.join()
    assert sum(begin < at < end for at in counted) >= 2


# ---- Models -----------------------------------------------------------------------------------------------


@pytest.fixture
def layers(tmp_path):
    """Two products: the path of the model, and inputs of it."""
    random = np.random.default_rng(4)
    row = w.tensor_type("float32", ["N", 64])
    weights = [w.floats(name, random.standard_normal(4096).astype("f4"), [64, 64]) for name in ("a", "b")]
    nodes = [w.node("MatMul", ["x", "a"], ["h"], name="first"), w.node("Tanh", ["h"], ["t"]),
             w.node("MatMul", ["t", "b"], ["y"], name="second")]  # fmt: skip
    path = tmp_path / "layers.onnx"
    path.write_bytes(w.model(nodes, {"x": row}, {"y": row}, weights))
    return path, {"x": random.standard_normal((8, 64)).astype("f4")}


@pytest.mark.parametrize("weights, options", [("int8", {}), ("int8", {"dynamic": True}), ("int4", {"block": 16}), ("f16", {})])
def test_quantize(layers, tmp_path, weights, options):
    path, feed = layers
    ours, theirs = tmp_path / "ours.onnx", tmp_path / "theirs.onnx"
    report = sibyl.quantize(path, ours, weights, calibrate=[feed], **options)
    (tmp_path / "sets").mkdir()
    np.savez(tmp_path / "sets" / "0.npz", **feed)
    flags = [text for name, value in options.items() for text in ([f"--{name}"] if value is True else [f"--{name}", value])]
    told = json.loads(command("quantize", path, "-o", theirs, "--weights", weights, "--calibrate", tmp_path / "sets", "--json", *flags))
    assert ours.read_bytes() == theirs.read_bytes() and len(report.layers) == 2
    for layer, row in zip(report.layers, told["layers"]):
        assert (layer.node, layer.k, layer.n, layer.bytes_after) == (row["node"], row["k"], row["n"], row["bytes_after"])
        assert nine(layer.weight_error, layer.output_error) == [row["weight_error"], row["output_error"]]
    exact, = sibyl.InferenceSession(path).run(None, feed)
    narrow, = sibyl.InferenceSession(ours).run(None, feed)
    measured = math.sqrt(np.sum((narrow - exact).astype("f8") ** 2) / np.sum(exact.astype("f8") ** 2))
    assert report.outputs["y"] == pytest.approx(measured, rel=1e-3) and 0 < measured < 0.3
    assert report.bytes_after < report.bytes_before == 2 * 4096 * 4


def test_quantize_refuses(layers, tmp_path):
    path, feed = layers
    out = tmp_path / "out.onnx"
    for bad in ({"weights": "int5"}, {"block": 17}, {"weights": "f16", "block": 32}, {"weights": "int4", "dynamic": True}):
        with pytest.raises(ValueError):
            sibyl.quantize(path, out, **bad)
    with pytest.raises(ValueError, match="the model itself"):
        sibyl.quantize(path, path)
    with pytest.raises(sibyl.SibylError, match="z"):
        sibyl.quantize(path, out, calibrate=[{"z": feed["x"]}])
    with pytest.raises(FileNotFoundError):
        sibyl.quantize(path, tmp_path / "none" / "out.onnx")
    assert not out.exists()
    assert sibyl.quantize(path, out, min_weights=10**6).layers == []


def test_diff_has_all_figures(layers, tmp_path):
    path, feed = layers
    values = sibyl.InferenceSession(path, providers=["ref"]).run_with_taps(None, feed)
    values["t"][2, 3] += np.float32(0.01)
    row = next(row for row in sibyl.diff(path, {**feed, **values}) if row.name == "t")
    assert row.differs and (row.first, row.worst, row.elements) == (2 * 64 + 3, 2 * 64 + 3, 1)
    assert sum(row.distances) == 512 and row.distances[-1] == 1
    np.savez(tmp_path / "dump.npz", **{k: v for k, v in values.items()})
    inputs = [f"x={tmp_path / 'x.npy'}"]
    np.save(tmp_path / "x.npy", feed["x"])
    told = json.loads(command("diff", path, "-i", *inputs, "--against", tmp_path / "dump.npz", "--json", "--all", rc=1))
    theirs = next(value for value in told["values"] if value["name"] == "t")
    assert [theirs["relative_l2"], theirs["max_abs"]] == nine(row.relative_l2, row.max_abs)


def test_conform(tmp_path):
    """Cases that pass, fail, and have no data; what the command writes of them."""
    x = w.tensor_type("float32", [3])
    values = np.float32([1, -2, 3])
    cases = {"test_good": np.abs(values), "test_off": np.abs(values) + np.float32(0.01), "test_bare": None}
    for name, expected in cases.items():
        data = tmp_path / "cases" / name / "test_data_set_0"
        data.parent.mkdir(parents=True)
        (data.parent / "model.onnx").write_bytes(w.one("Abs", {"x": x}, {"y": x}))
        if expected is not None:
            data.mkdir()
            for file, array in (("input_0.pb", values), ("output_0.pb", expected)):
                (data / file).write_bytes(w.floats("", array, [3]))
    found = {case.case: case for case in sibyl.conform(tmp_path / "cases", jobs=2)}
    assert {name: case.verdict for name, case in found.items()} == {"test_good": "passed", "test_off": "failed", "test_bare": "skipped"}
    assert found["test_good"].outputs == 1 and "3 of 3 elements differ" in found["test_off"].reason
    command("conform", tmp_path / "cases", "--json", tmp_path / "r.json", rc=1)
    for row in json.loads((tmp_path / "r.json").read_text())["cases"]:
        ours = found[row["case"]]
        assert (ours.verdict, ours.outputs, ours.reason or None) == (row["verdict"], row["outputs"], row.get("reason"))
    (passed,) = sibyl.conform(tmp_path / "cases" / "test_off", atol=0.02, providers=["ref"])
    assert passed.verdict == "passed" and passed.reason == ""
    assert [case.case for case in sibyl.conform(tmp_path, filter="*_g*")] == ["test_good"]
    (tmp_path / "cases" / "test_good" / "model.onnx").write_bytes(b"no model")
    (broken,) = sibyl.conform(tmp_path, filter="test_good")
    assert broken.verdict == "failed" and "model.onnx" in broken.reason
    with pytest.raises(ValueError, match="no case was found"):
        sibyl.conform(tmp_path, filter="none")
    with pytest.raises(FileNotFoundError):
        sibyl.conform(tmp_path / "none")


# ---- The tile ---------------------------------------------------------------------------------------------


def test_tile_plan():
    for options, flags in (({}, []), ({"batch": 40, "tiles": 4, "depth": 1}, ["--batch", 40, "--tiles", 4, "--depth", 1]),
                           ({"best": True, "tiles": 8}, ["--best", "--tiles", 8])):  # fmt: skip
        ours = sibyl.tile.plan(10000, **options)
        told = json.loads(command("tile", "plan", "--frames", 10000, "--json", *flags))
        assert ours.fits and ours.advice() == {}
        assert (ours.batch, ours.tiles, ours.rows) == (told["batch"], told["tiles"], told["rows"])
        assert (ours.total, ours.fifo_in) == (told["memory"]["total"], told["memory"]["fifo_in"])
        assert (ours.calls, ours.bytes_in) == (told["recording"]["calls"], told["recording"]["bytes_in"])
        assert ours.seconds == pytest.approx(told["time"]["seconds"], rel=1e-15)
    large = sibyl.tile.plan(10000, batch=100)
    told = json.loads(command("tile", "plan", "--frames", 10000, "--batch", 100, "--json", rc=1))
    assert not large.fits
    assert {c: p.total for c, p in large.advice().items()} == {row["change"]: row["total"] for row in told["would_fit"]}
    told = json.loads(command("tile", "plan", "--table", "--json"))
    for row, theirs in zip(sibyl.tile.published(), told, strict=True):
        assert (row.batch, row.total, row.calls) == tuple(theirs["published"][name] for name in ("batch", "total", "calls"))
    for bad in ({"batch": 0}, {"depth": 3}, {"tiles": 17}, {"bands": 64}, {"out": "int4"}, {"batch": -1}):
        with pytest.raises(ValueError):
            sibyl.tile.plan(100, **bad)


@pytest.mark.parametrize("out", ["int8", "int16"])
def test_tile_simulation(quiet, tmp_path, out):
    path, samples = quiet
    plan = sibyl.tile.plan(sibyl.tile.frames_of(len(samples)), batch=40, tiles=4, out=out)
    features, report = sibyl.tile.simulate(plan, samples)
    assert np.array_equal(features, sibyl.log_mel_fixed(samples, dtype=out))
    assert (report.calls, report.transfers, report.bytes_in) == (plan.calls, plan.transfers, plan.bytes_in)
    command("tile", "simulate", path, "-o", tmp_path / "x.npy", "--batch", 40, "--tiles", 4, "--out", out)
    assert np.array_equal(np.load(tmp_path / "x.npy"), features)
    with pytest.raises(ValueError, match=r"tile \(2, 2\), call 1: overrun"):
        sibyl.tile.simulate(plan, samples, fault="overrun", fault_call=1, fault_tile=2)
    with pytest.raises(ValueError):
        sibyl.tile.simulate(sibyl.tile.plan(7), samples)


def test_tile_design(tmp_path):
    plan = sibyl.tile.plan(1000, batch=20, tiles=4)
    sibyl.tile.emit(plan, tmp_path / "ours")
    command("tile", "emit", "-o", tmp_path / "theirs", "--batch", 20, "--tiles", 4)
    for file in sorted((tmp_path / "theirs").iterdir()):
        assert (tmp_path / "ours" / file.name).read_bytes() == file.read_bytes()
    design = (tmp_path / "ours" / "aie.mlir").read_text()
    sibyl.tile.check(design, plan)
    with pytest.raises(sibyl.SibylError):
        sibyl.tile.check(design, sibyl.tile.plan(1000, batch=40, tiles=4))
    with pytest.raises(OSError):
        sibyl.tile.emit(plan, tmp_path / "none" / "below")
