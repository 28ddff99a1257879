"""Measures torch for `sibyl bench --peers`: reads orders on standard input, answers on standard output.

Orders are lines; arrays follow as raw bytes. Slot 0 holds OpenAI Whisper's feature formula, the others
convolutions.

    features N_SAMPLES N_MELS N_BINS   then float32 samples, float64 weights (n_mels, n_bins)
    result                             answers float32 features, then float64 ones
    conv1d SLOT B CI L CO K S P DTYPE THREADS
    run SLOT                           answers the seconds that one run took
"""

import ctypes
import sys
import time


def main():
    orders, answers = sys.stdin.buffer, sys.stdout.buffer

    def say(text):
        answers.write((text + "\n").encode())
        answers.flush()

    try:
        import torch
    except Exception as error:  # a broken installation is as good as none
        say("absent " + " ".join(str(error).split())[:200])
        return
    torch.set_num_threads(1)
    say("ready " + torch.__version__)
    torch.set_grad_enabled(False)
    runs = {}

    def features(samples, weights, window):
        spectrum = torch.stft(samples, 400, 160, window=window, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2
        log = torch.clamp(weights @ power, min=1e-10).log10()
        log = torch.maximum(log, log.max() - 8.0)
        return (log + 4.0) / 4.0

    def read(dtype, count):
        size = torch.empty(0, dtype=dtype).element_size()
        return torch.frombuffer(bytearray(orders.read(count * size)), dtype=dtype)

    def as_bytes(tensor):
        # by address: torch's own way would need NumPy
        return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size())

    def prepare_features(n_samples, n_mels, n_bins):
        samples = read(torch.float32, n_samples)
        weights = read(torch.float64, n_mels * n_bins).reshape(n_mels, n_bins)
        single = (samples, weights.float(), torch.hann_window(400))
        double = (samples.double(), weights, torch.hann_window(400, dtype=torch.float64))
        runs["single"], runs["double"] = single, double
        runs[0] = (1, lambda: features(*single))

    def prepare_conv1d(slot, b, ci, length, co, k, s, p, dtype, threads):
        kind = getattr(torch, dtype)
        torch.manual_seed(1)
        x = torch.rand(b, ci, length).to(kind)
        w = (torch.rand(co, ci, k) / (ci * k)).to(kind)
        bias = torch.rand(co).to(kind)
        runs[slot] = (threads, lambda: torch.nn.functional.conv1d(x, w, bias, s, p))

    for line in orders:
        order, *rest = line.decode().split()
        if order == "features":
            prepare_features(*map(int, rest))
            say("done")
        elif order == "conv1d":
            prepare_conv1d(*map(int, rest[:8]), rest[8], int(rest[9]))
            say("done")
        elif order == "run":
            threads, work = runs[int(rest[0])]
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            begin = time.perf_counter()
            work()
            say(repr(time.perf_counter() - begin))
        elif order == "result":
            for name in ("single", "double"):
                answers.write(as_bytes(features(*runs[name]).contiguous()))
            answers.flush()


main()
