"""Features on the fly for training with torch:

    from torch.utils.data import DataLoader
    import sibyl.torch

    data = sibyl.torch.Dataset(["a.flac", "b.flac"], n_mels=80)
    for features, frames in DataLoader(data, batch_size=16, num_workers=8, collate_fn=sibyl.torch.collate):
        ...                                             # (16, 80, longest), (16)

Each worker computes on one thread, so that workers share the processors, and each recording's features depend on nothing else: the same
in any worker, order and number of workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .audio import load_audio, pad_or_trim
from .features import LogMel


class Dataset(torch.utils.data.Dataset[Any]):
    """Recordings as their features (bands, frames), float32, computed when they are asked for.

    recordings: paths, or samples (n) at the front end's rate. front_end, options: as LogMel takes them. seconds: cut or padded to by zeros, so
    that all have a shape and the default collate_fn does. labels: one per recording, which then makes items (features, label).
    transform: called with the samples (n) before, to augment them; where it draws numbers, it takes them from torch's generator, which the
    DataLoader seeds in each worker.
    """

    def __init__(
        self,
        recordings: Sequence[str | os.PathLike[Any] | Any],
        front_end: Any = "whisper",
        *,
        seconds: float | None = None,
        labels: Sequence[Any] | None = None,
        transform: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> None:
        if labels is not None and len(labels) != len(recordings):
            raise ValueError(f"there are {len(labels)} labels for {len(recordings)} recordings")
        self.front_end = LogMel(front_end, **{"threads": 1, **options})
        self.recordings, self.labels, self.seconds, self.transform = recordings, labels, seconds, transform

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> Any:
        item = self.recordings[index]
        rate = self.front_end.spec.sample_rate
        samples = load_audio(item, rate) if isinstance(item, (str, bytes, os.PathLike)) else item
        if self.transform:
            samples = self.transform(samples)
        if self.seconds is not None:
            samples = pad_or_trim(samples, round(self.seconds * rate))
        features = torch.as_tensor(self.front_end(samples))
        return features if self.labels is None else (features, self.labels[index])


def collate(items: Sequence[Any]) -> Any:
    """Features of different lengths as (n, bands, longest), filled with zeros, and their frames (n); labels, where there are some, as the
    default collate_fn makes them of theirs."""
    labelled = isinstance(items[0], tuple)
    features = [item[0] if labelled else item for item in items]
    frames = torch.tensor([f.shape[-1] for f in features])
    batch = features[0].new_zeros(len(features), features[0].shape[0], int(frames.max()))
    for row, one in zip(batch, features, strict=True):
        row[:, : one.shape[-1]] = one
    if labelled:
        return batch, frames, torch.utils.data.default_collate([item[1] for item in items])
    return batch, frames
