"""Whisper's log-mel features of 16 kHz audio: 400-sample Hann windows every 160 samples, 80 bands of Slaney's mel scale."""
import functools

import numpy
import torch

RATE = 16000
N_FFT = 400
HOP = 160
N_MELS = 80
SILENCE = -10.0  # log10 of the least mel power


@functools.cache
def mel_filters():
    """float32 [N_MELS, N_FFT / 2 + 1]: triangles of equal area on Slaney's scale, linear below 1 kHz, logarithmic above."""
    step = 200 / 3
    log_step = numpy.log(6.4) / 27
    highest = 15 + numpy.log(RATE / 2 / 1000) / log_step
    mels = numpy.linspace(0, highest, N_MELS + 2)
    hertz = numpy.where(mels < 15, mels * step, 1000 * numpy.exp(log_step * (mels - 15)))
    bins = numpy.linspace(0, RATE / 2, N_FFT // 2 + 1)
    rising = (bins[None] - hertz[:-2, None]) / numpy.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - bins[None]) / numpy.diff(hertz)[1:, None]
    area = 2 / (hertz[2:] - hertz[:-2])
    return torch.from_numpy((numpy.maximum(0, numpy.minimum(rising, falling)) * area[:, None]).astype(numpy.float32))


def log_power(audio):
    """float32 [N_MELS, len(audio) / HOP]: log10 of the mel power, at least SILENCE."""
    spectrum = torch.stft(torch.as_tensor(audio, dtype=torch.float32), N_FFT, HOP, window=torch.hann_window(N_FFT),
                          return_complex=True)[:, :-1].abs() ** 2
    return (mel_filters() @ spectrum).clamp(min=10 ** SILENCE).log10()


def normalise(power, highest=None):
    """Whisper's last step: what lies 8 below the highest value (of the whole recording) is raised to that; then scaled."""
    if highest is None:
        highest = power.amax(dim=(-2, -1), keepdim=True)
    return (torch.maximum(power, torch.as_tensor(highest) - 8) + 4) / 4
