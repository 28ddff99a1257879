"""sibyl.ray on a cluster of Ray's with three nodes on this machine (make ray-test)."""

import hashlib
import os
import wave

import numpy as np
import pytest

ray = pytest.importorskip("ray", reason="ray (make setup FOR=ray)")
cluster_utils = pytest.importorskip("ray.cluster_utils")
import sibyl  # noqa: E402
import sibyl.ray  # noqa: E402

N = 240


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """N recordings, the last of which is none."""
    folder, drawn = tmp_path_factory.mktemp("speech"), np.random.default_rng(3)
    for i in range(N - 1):
        samples = drawn.integers(-9000, 9000, 4000 + 40 * i, dtype=np.int16)
        with wave.open(str(folder / f"{i:03}.wav"), "wb") as w:
            w.setparams((1, 2, 16000, 0, "NONE", ""))
            w.writeframes(samples.tobytes())
    (folder / f"{N - 1:03}.wav").write_bytes(b"not a recording")
    return folder


@pytest.fixture(scope="module")
def cluster():
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    made.nodes = [made.add_node(num_cpus=2) for _ in range(2)]
    made.wait_for_nodes()
    here = os.pathsep.join(filter(None, (os.path.dirname(__file__), os.environ.get("PYTHONPATH"))))
    ray.init(made.address, runtime_env={"env_vars": {"PYTHONPATH": here}})
    yield made
    ray.shutdown()
    made.shutdown()


class Slow(sibyl.ray.Features):
    """Takes its time, so that a node can end in the middle, and counts the batches in files."""

    def __init__(self, folder):
        super().__init__(n_mels=40)
        self.folder = folder

    def __call__(self, batch):
        import time

        time.sleep(0.2)
        made = super().__call__(batch)
        open(os.path.join(self.folder, f"{os.getpid()}-{time.time_ns()}"), "w").close()
        return made


def digest(features):
    return hashlib.sha256(np.ascontiguousarray(features, np.float32).tobytes()).hexdigest()


def test_a_node_that_ends_costs_no_row(cluster, speech, tmp_path):
    import threading
    import time

    def end_a_node():
        while len(os.listdir(tmp_path)) < 4:
            time.sleep(0.05)
        cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)

    data = ray.data.read_binary_files(str(speech), include_paths=True, override_num_blocks=30)
    killer = threading.Thread(target=end_a_node)
    killer.start()
    rows = data.map_batches(Slow, fn_constructor_kwargs={"folder": str(tmp_path)}, batch_size=8, compute=ray.data.ActorPoolStrategy(size=2)).take_all()
    killer.join()
    assert sum(node["Alive"] for node in ray.nodes()) == 2
    assert sorted(os.path.basename(row["path"]) for row in rows) == [f"{i:03}.wav" for i in range(N)]
    front_end = sibyl.LogMel(n_mels=40)
    for row in rows:
        if row["path"].endswith(f"{N - 1:03}.wav"):
            assert "Error" in row["error"] and row["features"].shape == (40, 0)
        else:
            assert row["error"] == "" and "bytes" not in row
            assert digest(row["features"]) == digest(front_end(row["path"]))


def test_parquet(cluster, speech, tmp_path):
    names = [str(speech / f"{i:03}.wav") for i in range(12)]
    data = ray.data.from_items([{"audio_filepath": name} for name in names])
    data.map_batches(sibyl.ray.Features, batch_size=4, compute=ray.data.ActorPoolStrategy(size=1)).write_parquet(str(tmp_path / "out"))
    rows = ray.data.read_parquet(str(tmp_path / "out")).take_all()
    assert {row["audio_filepath"]: digest(row["features"]) for row in rows} == {n: digest(sibyl.LogMel()(n)) for n in names}
