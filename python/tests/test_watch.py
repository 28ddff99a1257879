"""Watches, digests, timelines and logs."""

import json
import logging
import threading
import time

import numpy as np
import onnx_writer as w
import pytest

import sibyl

F32 = w.tensor_type("float32", ["N", 3])
FEED = {"x": np.array([[1, 2, 3], [4, np.nan, 6]], np.float32)}


def layer(**options):
    nodes = [w.node("MatMul", ["x", "w"], ["product"], name="layer/matmul"),
             w.node("Relu", ["product"], ["y"], name="layer/relu")]  # fmt: skip
    model = w.model(nodes, {"x": F32}, {"y": w.tensor_type("float32", ["N", 2])}, [w.floats("w", range(6), [3, 2])])
    return sibyl.InferenceSession(model, sibyl.SessionOptions(intra_op_num_threads=1, **options))


# ---- Digests -----------------------------------------------------------------------------------------------


def test_digest():
    x = np.random.default_rng(1).standard_normal((2, 40, 33)).astype(np.float32)
    x[0, 0, 0], x[1, 39, 32], x[0, 5, 5] = np.nan, np.inf, 0
    d = sibyl.digest(x, exact=True)
    finite = x[np.isfinite(x)]
    assert (d["count"], d["nan"], d["plus_infinity"], d["minus_infinity"], d["zero"]) == (x.size, 1, 1, 0, 1)
    assert (d["min"], d["max"]) == (finite.min(), finite.max())
    assert d["mean"] == pytest.approx(finite.mean(), abs=1e-6) and d["std"] == pytest.approx(finite.std(), rel=1e-5)
    assert d["histogram"].sum() == d["counted"] == finite.size
    assert d["cells"].shape == d["not_finite"].shape == (32, 32)
    assert np.argwhere(d["not_finite"]).tolist() == [[0, 0], [31, 31]] and np.isfinite(d["cells"]).all()
    assert d["cells"][1, 1] == pytest.approx(x[:, 2, 2].mean(), abs=1e-6)  # row 2 of 40 alone is in row 1 of 32


def test_digest_of_other_types():
    assert sibyl.digest(np.arange(10, dtype=np.int64))["max"] == 9
    assert sibyl.digest(np.array(["a", "bcd"]))["max"] == 3
    assert sibyl.digest([np.ones(2, np.float32), np.zeros(3, np.float32)])["count"] == 5


# ---- Watches -----------------------------------------------------------------------------------------------


def test_newest_digests():
    s = layer()
    with s.watch() as watch:
        s.run(None, FEED)
    assert list(watch.digests) == ["x", "product", "y"]
    assert watch.digests["y"]["nan"] == 2
    watch.digests.clear()
    s.run(None, FEED)
    assert not watch.digests
    watch.remove()


def test_values_and_events():
    s, values, spans = layer(), [], []
    watch = s.watch("p*", on_value=lambda e, x: values.append((e, x)), on_event=lambda span, begins: spans.append((span, begins)))
    s.run(None, FEED)
    watch.remove()
    ((event, x),) = values
    assert (event.name, event.node, event.op_type, event.milli, event.run) == ("product", "layer/matmul", "MatMul", False, 1)
    np.testing.assert_array_equal(x, FEED["x"] @ np.arange(6, dtype=np.float32).reshape(3, 2))
    began = [span.kind for span, begins in spans if begins]
    assert began[:2] == ["run", "plan"] and began.count("node") == 2
    assert [span for span, begins in spans][-1].kind == "run" and spans[-1][0].seconds > 0


def test_what_a_callback_raises_ends_the_run():
    s = layer()

    def refuse(event, digest):
        raise KeyError(event.name)

    with s.watch("product", on_digest=refuse):
        with pytest.raises(sibyl.SibylError) as caught:
            s.run(None, FEED)
    assert isinstance(caught.value.__cause__, KeyError)
    s.run(None, FEED)


def test_added_and_removed_while_another_thread_runs():
    s, stop = layer(), threading.Event()

    def work():
        while not stop.is_set():
            s.run(None, FEED)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for i in range(200):
            with s.watch(optimised=i % 2 == 0) as watch:
                while i % 20 == 0 and not watch.digests:  # each twentieth stays until a run has seen it
                    thread.join(0.001)
            count = len(watch.digests)
            s.run(None, FEED)
            assert len(watch.digests) == count
    finally:
        stop.set()
        thread.join()


def test_share():
    s = layer()
    runs = []
    with s.watch(on_digest=lambda e, d: runs.append(e.run), optimised=True, share=1e-9) as watch:
        for _ in range(200):
            s.run(None, FEED)
        assert watch.skipped == 199
    assert watch.skipped == 199
    assert set(runs) == {1}  # the runs after it would have to take a thousand million times as long as its digests
    with s.watch(on_digest=lambda e, d: runs.append(e.run), optimised=True, share=1):
        while len(set(runs)) < 4:
            s.run(None, FEED)
    for share in 3, -1, float("nan"):
        with pytest.raises(sibyl.SibylError, match="share"):
            s.watch(share=share)


@pytest.mark.parametrize("share, seen", [(None, 1), (0, 3)])
def test_share_by_default(share, seen):
    """Digests that take long leave runs out unless each was asked for."""
    s = layer()
    runs = []

    def slow(event, digest):
        if not runs:
            time.sleep(0.1)
        runs.append(event.run)

    with s.watch("y", on_digest=slow, share=share) as watch:
        for _ in range(3):
            s.run(None, FEED)
        assert (len(runs), watch.skipped) == (seen, 3 - seen)


# ---- Timelines and logs ------------------------------------------------------------------------------------


def test_timeline(tmp_path):
    s, profile = layer(), sibyl.Profile()
    with profile.span("mine"):
        s.run(None, FEED, sibyl.RunOptions(profile))
    spans = profile.spans
    assert [x.kind for x in spans[:3]] == ["job", "run", "plan"] and spans[0].name == "mine" and spans[1].parent == 0
    assert all(spans[x.parent].begin <= x.begin <= x.end <= spans[x.parent].end for x in spans[1:])
    assert {row.op_type for row in profile.by_phase} >= {"run", "plan", "node"}
    product = next(row for row in profile.by_operator if row.op_type == "MatMul")
    assert product.flops >= 2 * 2 * 3 * 2  # of the fused Relu too
    assert product.bytes_written == 2 * 2 * 4 and product.memory > 0
    profile.save_trace(tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert [e["name"] for e in events if e["ph"] == "X"][0] == "mine"
    with pytest.raises(OSError):
        profile.save_trace(tmp_path / "no" / "t.json")


def test_limit_of_spans():
    s, profile = layer(), sibyl.Profile(max_spans=2)
    s.run(None, FEED, sibyl.RunOptions(profile))
    assert len(profile.spans) == 2 and profile.dropped > 0


def test_logging(caplog):
    caplog.set_level(logging.INFO, "models")
    s = layer(logger="models")
    s.run(None, FEED)
    text = caplog.text
    assert "session on " in text and "planned nodes 0 to" in text and "step 0" not in text
    assert caplog.records[0].message.startswith("a model in memory: ")  # opening is logged too
    assert {record.name for record in caplog.records} == {"models"}
    with pytest.raises(sibyl.SibylError):
        s.run(None, {})
    assert caplog.records[-1].levelno == logging.ERROR
    with pytest.raises(sibyl.SibylError):
        sibyl.inspect(b"none", logger="models")
    assert "a model could not be opened" in caplog.records[-1].message


def test_watch_of_a_job(tmp_path):
    model = w.model([w.node("Neg", ["x"], ["y"])], {"x": w.tensor_type("float32", ["N"])},
                    {"y": w.tensor_type("float32", ["N"])}, [])  # fmt: skip
    (tmp_path / "m.onnx").write_bytes(model)
    job = sibyl.Job({"sibyl_job": 1, "kind": "test", "name": "minus", "models": {"m": "m.onnx"},
                     "inputs": {"x": "tensor"}, "calls": {"minus": {"model": "m", "inputs": {"x": "x"}, "outputs": {"y": "y"}}},
                     "nodes": [{"name": "run", "op": "call", "calls": {"model": "minus"}, "inputs": {"x": "$x"}}],
                     "outputs": {"y": "$run.y"}}, folder=tmp_path)  # fmt: skip
    with job.watch("minus") as watch:
        job.run({"x": np.arange(4, dtype=np.float32)})
    assert watch.digests["y"]["min"] == -3
    with pytest.raises(sibyl.SibylError, match="no call 'plus'"):
        job.watch("plus")


def test_timeline_and_log_of_a_job(caplog):
    caplog.set_level(logging.DEBUG, "jobs")
    profile = sibyl.Profile()
    job = sibyl.Job(sibyl.describe_job(), threads=1, logger="jobs")
    job.run({"audio": np.zeros(16000, np.float32)}, profile=profile)
    kinds = [x.kind for x in profile.spans]
    assert kinds[0] == "job" and "call" in kinds
