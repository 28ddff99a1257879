"""The interpreter's lock, pools, forks."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import sibyl
from sibyl import _sibyl


class Counter:
    """A thread that counts whenever it gets the interpreter's lock."""

    def __enter__(self):
        self.count, self._stop = 0, False
        self._interval = sys.getswitchinterval()
        # From here on no thread loses the lock unless it gives it away.
        sys.setswitchinterval(1e4)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self):
        while not self._stop:
            self.count += 1
            time.sleep(0.0002)

    def __exit__(self, *_):
        self._stop = True
        self._thread.join()
        sys.setswitchinterval(self._interval)


def counts_during(call, prepare=lambda: None, tries=100):
    """How far a counting thread came while call() ran.

    That thread cannot come any further unless call() gives the lock away, however long it takes; where it does give
    it away, a busy machine may still not run the thread, so there are some tries.
    """
    with Counter() as counter:
        while counter.count < 3:
            time.sleep(0.001)
        for _ in range(tries):
            prepare()
            before = counter.count
            call()
            if counter.count > before:
                return counter.count - before
    return 0


def test_the_counter_stands_still_while_the_lock_is_held():
    big = list(range(300_000))
    assert counts_during(lambda: sum(big)) == 0


@pytest.mark.parametrize("precise", [False, True])
def test_the_lock_is_given_away_while_features_are_computed(precise):
    samples = np.random.default_rng(0).standard_normal(16000 * 600).astype(np.float32)
    front_end = sibyl.LogMel(precise=precise)
    features = np.empty(front_end.shape(len(samples)), np.float32)
    assert counts_during(lambda: _sibyl.mel_compute(front_end._mel, None, samples, features, 0, False)) > 0


def test_the_lock_is_given_away_by_conv1d():
    x, w = np.ones((1, 384, 6000), np.float32), np.ones((384, 384, 3), np.float32)
    y = np.empty((1, 384, 5998), np.float32)
    assert counts_during(lambda: _sibyl.conv1d(None, x, w, None, y, 1, 0, 1, 1, False)) > 0


def test_the_lock_is_given_away_by_streams():
    samples = np.random.default_rng(0).standard_normal(16000 * 60).astype(np.float32)
    front_end = sibyl.LogMel(precise=True)
    stream = _sibyl.stream_create(front_end._mel)
    frames = np.empty((80, 6000), np.float32)
    push, pull = (lambda: _sibyl.stream_push(stream, samples, 0)), (lambda: _sibyl.stream_pull(stream, frames, None))
    assert counts_during(pull, prepare=push) > 0


def test_the_lock_is_given_away_while_a_file_is_decoded(tmp_path):
    """The file is a pipe that another thread fills, which it can only do while the decoder waits without the lock."""
    code = """
import os, sys, threading, sibyl, wave, io
path, data = sys.argv[1], open(sys.argv[2], "rb").read()
def feed():
    with open(path, "wb") as pipe:
        pipe.write(data)
thread = threading.Thread(target=feed)
thread.start()
try:
    print(len(sibyl.load_audio(path, allow_truncated=True)))
except sibyl.SibylError as error:
    print("refused", error)
thread.join()
"""
    from conftest import write_wav

    source = write_wav(tmp_path / "source.wav", np.arange(-16000, 16000, dtype=np.int16))
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "pipe"), str(source)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


@pytest.mark.parametrize("threads", [2, 3, 0])
def test_the_bits_do_not_depend_on_the_threads(speech, threads):
    for name in ("whisper", "librosa", "kaldi"):
        assert np.array_equal(sibyl.LogMel(name, threads=threads)(speech), sibyl.LogMel(name)(speech))
    assert np.array_equal(sibyl.log_mel_spectrogram(speech, threads=threads), sibyl.log_mel_spectrogram(speech))


def test_pools_are_shared():
    from sibyl._threads import pool

    assert pool(1) is None
    assert pool(2) is pool(2) and _sibyl.pool_threads(pool(2)) == 2
    assert _sibyl.pool_threads(None) == 1


def test_many_threads_at_once(speech):
    front_ends = [sibyl.LogMel(threads=n) for n in (1, 2, 2)]
    expected = front_ends[0](speech)
    results = []

    def work(front_end):
        for _ in range(5):
            results.append(np.array_equal(front_end(speech), expected))

    workers = [threading.Thread(target=work, args=(f,)) for f in front_ends * 2]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 30 and all(results)


def test_a_stream_serves_one_thread_at_a_time():
    """Two threads push into one stream: each call either works or says that the stream is in use."""
    front_end = sibyl.LogMel()
    stream = _sibyl.stream_create(front_end._mel)
    samples = np.zeros(16000, np.float32)
    frames = np.empty((80, 4096), np.float32)
    said = []

    def work():
        for _ in range(200):
            try:
                _sibyl.stream_push(stream, samples, 0)
                _sibyl.stream_pull(stream, frames, None)
            except RuntimeError as error:
                said.append(str(error))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all("another thread is using this stream" in words for words in said)
    assert _sibyl.stream_push(stream, samples, 0) == len(samples)  # and it is free again


def test_forked_processes_have_their_own_pools(speech):
    front_end = sibyl.LogMel(threads=2)
    expected = front_end(speech)
    child = os.fork()
    if child == 0:
        # A pool of the parent would wait for ever for threads that are not here.
        os._exit(0 if np.array_equal(front_end(speech), expected) else 1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child process hangs")
