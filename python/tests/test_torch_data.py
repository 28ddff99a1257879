"""sibyl.torch: features on the fly in the workers of a DataLoader."""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (make setup FOR=peers)")
import sibyl  # noqa: E402
from sibyl.torch import Dataset, collate  # noqa: E402


@pytest.fixture
def recordings():
    drawn = np.random.default_rng(5)
    return [drawn.uniform(-0.5, 0.5, 2000 + 700 * i).astype(np.float32) for i in range(12)]


class Threads(torch.utils.data.Dataset):
    """How many threads the worker has more once it has computed features."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        before = len(os.listdir("/proc/self/task"))
        self.data[i]
        return len(os.listdir("/proc/self/task")) - before


def test_items_are_the_front_ends(recordings):
    data = Dataset(recordings, n_mels=40, labels=range(12))
    features, label = data[3]
    assert label == 3
    assert np.array_equal(features.numpy(), sibyl.LogMel(n_mels=40)(recordings[3]))
    fixed = Dataset(recordings, seconds=0.25)
    assert {tuple(fixed[i].shape) for i in range(12)} == {(80, 25)}
    with pytest.raises(ValueError, match="2 labels for 12"):
        Dataset(recordings, labels=[1, 2])


def test_batches_do_not_depend_on_workers(recordings):
    data = Dataset(recordings, n_mels=40)
    made = [list(torch.utils.data.DataLoader(data, batch_size=5, num_workers=n, collate_fn=collate)) for n in (0, 1, 2)]
    assert [len(frames) for _, frames in made[0]] == [5, 5, 2]
    for other in made[1:]:
        for (a, m), (b, n) in zip(made[0], other, strict=True):
            assert torch.equal(a, b) and torch.equal(m, n)
    for row, frames, samples in zip(*made[0][0], recordings):
        assert np.array_equal(row[:, :frames].numpy(), sibyl.LogMel(n_mels=40)(samples))
        assert not row[:, frames:].any()


def test_augmentation_repeats_with_its_seed(recordings):
    data = Dataset(recordings, seconds=0.2, transform=lambda x: x * float(torch.rand(())))
    def epoch(seed):
        return list(torch.utils.data.DataLoader(data, batch_size=4, num_workers=2, generator=torch.Generator().manual_seed(seed)))
    first, again, other = epoch(1), epoch(1), epoch(2)
    assert all(map(torch.equal, first, again)) and not all(map(torch.equal, first, other))


def test_a_worker_adds_no_threads(recordings):
    for threads, added in ((1, 0), (3, 2)):
        data = Dataset([np.tile(r, 400) for r in recordings[:2]], threads=threads)
        # one batch: the worker's first answer starts a thread of its queue
        (counted,) = torch.utils.data.DataLoader(Threads(data), batch_size=len(data), num_workers=1)
        assert max(counted) == added
