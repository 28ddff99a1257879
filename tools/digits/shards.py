"""Shards of windows on disk, made by several processes at a time, each from its own seed."""
import multiprocessing

import numpy
import torch

from . import windows

PROCESSES = 2
SETTINGS = 500  # draws of espeak-ng voices that a shard's process chooses from
SHORT = ((2, 0.35), (4, 0.4), (8, 0.25))  # seconds of the short windows and their shares
QUIET = 0.1  # share of windows without speech
CUT = 0.12  # share of windows that end within speech, of the short ones

_bank = None


def _start(fsdd, seed):
    global _bank
    torch.set_num_threads(1)
    _bank = windows.Bank(numpy.random.default_rng(seed), fsdd, SETTINGS)


def _make(job):
    path, seed, seconds, count = job
    if path.exists():
        return path
    rng = numpy.random.default_rng(seed)
    made = []
    for _ in range(count):
        if rng.random() < QUIET:
            made.append(windows.quiet(rng, seconds))
        else:
            made.append(windows.window(rng, _bank, seconds, cut=rng.random() < (CUT if seconds < 30 else 0.3)))
    part = path.with_suffix(".part")
    torch.save([vars(window) for window in made], part)
    part.rename(path)
    return path


def jobs(out, seed, short, full, size=1024):
    """(path, seed, seconds, count) of `short` shards of short windows and `full` of 30 s, in the order to make them."""
    listed = []
    for index in range(short):
        for seconds, share in SHORT:
            listed.append((out / f"short-{index:03}-{seconds}.pt", [seed, index, seconds], seconds, int(size * share)))
    for index in range(full):
        listed.append((out / f"full-{index:03}.pt", [seed, index, 30], 30, size // 8))
    return listed


def _all(folder, fsdd, seed, short, full):
    with multiprocessing.get_context("spawn").Pool(PROCESSES, _start, (fsdd, seed)) as pool:
        for _ in pool.imap(_make, jobs(folder, seed, short, full)):
            pass


def start(folder, fsdd, seed, short, full):
    """A process that makes what is missing in the folder, while training already reads the first shards; to be joined. None where
    nothing is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    if all(path.exists() for path, *_ in jobs(folder, seed, short, full)):
        return None
    making = multiprocessing.get_context("spawn").Process(target=_all, args=(folder, fsdd, seed, short, full))
    making.start()
    return making
