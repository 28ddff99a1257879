"""Features of CUDA tensors: on their device, on torch's stream. Also a script: python3 test_cuda.py."""

import sys
import warnings

import numpy as np
import pytest

import sibyl
from sibyl import _sibyl


def _samples(*shape):
    rng = np.random.default_rng(1)
    return (0.3 * rng.standard_normal(shape) * (1 + np.arange(shape[-1]) // 8000 % 2 * -0.9999)).astype(np.float32)


@pytest.fixture
def cuda(torch):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    return torch


def test_addresses():
    """The device of the kernels in C takes addresses of this process."""
    mel = sibyl.LogMel()
    audio = _samples(2, 24000)
    out = np.empty((2, 80, 150), np.float32)
    device = _sibyl.mel_device_create(mel._mel, "gpu-host")
    _sibyl.mel_compute_device(device, audio.ctypes.data, out.ctypes.data, 2, 24000, 0, False, 0)
    assert np.abs(out - mel(audio)).max() < 1e-4
    with pytest.raises(sibyl.SibylError, match="multiples of 4"):
        _sibyl.mel_compute_device(device, audio.ctypes.data + 1, out.ctypes.data, 2, 24000, 0, False, 0)
    with pytest.raises(sibyl.SibylError, match="abacus"):
        _sibyl.mel_device_create(mel._mel, "abacus")


def test_cuda_features(cuda):
    for shape in [(48000,), (3, 48000), (2, 2, 16001)]:
        for options in [{}, {"n_mels": 128, "padding": 480}, {"smooth": "same"}, {"smooth": "valid"}]:
            audio = _samples(*shape)
            on_device = cuda.from_numpy(audio).cuda()
            mel = sibyl.log_mel_spectrogram(on_device, **options)
            assert mel.device == on_device.device and mel.is_contiguous() and mel.dtype == cuda.float32
            expected = sibyl.log_mel_spectrogram(audio, **options)
            assert mel.shape == expected.shape and np.abs(mel.cpu().numpy() - expected).max() < 2e-4


def test_cuda_streams_and_waits(cuda):
    audio = cuda.from_numpy(_samples(480000)).cuda()
    expected = sibyl.log_mel_spectrogram(audio).cpu()
    cuda.cuda.set_sync_debug_mode("error")  # a wait of torch's is an error
    try:
        side = cuda.cuda.Stream()
        side.wait_stream(cuda.cuda.current_stream())
        with cuda.cuda.stream(side):
            mel = sibyl.log_mel_spectrogram(audio * 1.0)
    finally:
        cuda.cuda.set_sync_debug_mode("default")
    side.synchronize()
    assert cuda.equal(mel.cpu(), expected)


def test_cuda_conversions(cuda):
    audio = cuda.from_numpy(_samples(32000)).cuda()
    expected = sibyl.log_mel_spectrogram(audio)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cuda.equal(sibyl.log_mel_spectrogram(audio.double()), expected)
    with pytest.warns(UserWarning, match="not contiguous"):
        assert cuda.equal(sibyl.log_mel_spectrogram(audio.repeat_interleave(2)[::2]), expected)
    assert sibyl.log_mel_spectrogram(cuda.empty(0, 32000, device="cuda")).shape == (0, 80, 200)
    with pytest.raises(RuntimeError):
        sibyl.log_mel_spectrogram(audio.requires_grad_()).sum().backward()


def test_other_devices(torch):
    class Elsewhere(torch.Tensor):
        device = torch.device("xpu", 0)

    with pytest.raises(ValueError, match="xpu:0"):
        sibyl.log_mel_spectrogram(torch.zeros(16000).as_subclass(Elsewhere))


if __name__ == "__main__":
    import torch

    torch.cuda.init()
    for test in (test_cuda_features, test_cuda_streams_and_waits, test_cuda_conversions):
        test(torch)
        print(test.__name__, "passed")
    batch = torch.randn(64, 480000, device="cuda")
    sibyl.log_mel_spectrogram(batch)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(20):
        sibyl.log_mel_spectrogram(batch)
    end.record()
    torch.cuda.synchronize()
    print(f"64 x 30 s: {begin.elapsed_time(end) / 20 * 1000:.1f} us", file=sys.stderr)
