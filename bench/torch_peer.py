"""Measures torch for `sibyl bench --peers`: reads orders on standard input, answers on standard output.

Orders are lines; arrays follow as raw bytes. Slot 0 holds OpenAI Whisper's feature formula, the others
convolutions and networks.

    features N_SAMPLES N_MELS N_BINS   then float32 samples, float64 weights (n_mels, n_bins)
    result                             answers float32 features, then float64 ones
    conv1d SLOT B CI L CO K S P DTYPE THREADS
    whisper SLOT PART MELS FRAMES STATE HEADS LAYERS POSITIONS VOCABULARY N PAST THREADS
                                       PART: encoder or decoder; the decoder runs N tokens behind PAST positions
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

    def whisper(part, mels, frames, state, heads, layers, positions, vocabulary, n, past):
        """Gives a function that runs a part of Whisper once, with random weights, as OpenAI's code does it in eager mode."""
        f = torch.nn.functional
        torch.manual_seed(1)

        def linear(size, to, biased=True):
            return torch.randn(to, size) / size**0.5, torch.randn(to) * 0.1 if biased else None

        def norm():
            return 1 + 0.1 * torch.randn(state), 0.1 * torch.randn(state)

        def attention():
            return [linear(state, state), linear(state, state, False), linear(state, state), linear(state, state)]

        def normed(x, weights):
            return f.layer_norm(x, (state,), *weights)

        def apart(x):
            return x.view(1, -1, heads, state // heads).transpose(1, 2)

        def together(x):
            return x.transpose(1, 2).reshape(1, -1, state)

        def attended(x, weights, cache, causal):
            q, k, v = (apart(f.linear(x, *w)) for w in weights[:3])
            if cache:
                k, v = torch.cat((cache[0], k), 2), torch.cat((cache[1], v), 2)
            y = f.scaled_dot_product_attention(q, k, v, is_causal=causal)
            return f.linear(together(y), *weights[3]), (k, v)

        def crossed(x, weights, heard):
            q = apart(f.linear(x, *weights[0]))
            return f.linear(together(f.scaled_dot_product_attention(q, *heard)), *weights[3])

        def fed_forward(x, weights):
            return f.linear(f.gelu(f.linear(x, *weights[0])), *weights[1])

        blocks = [
            {"norms": [norm() for _ in range(3)], "self": attention(), "cross": attention(),
             "feed": (linear(state, 4 * state), linear(4 * state, state))}
            for _ in range(layers)
        ]
        last_norm = norm()

        def encoder():
            mel, places = torch.randn(1, mels, frames), torch.randn(frames // 2, state)
            first = torch.randn(state, mels, 3) / (3 * mels) ** 0.5, torch.randn(state) * 0.1
            second = torch.randn(state, state, 3) / (3 * state) ** 0.5, torch.randn(state) * 0.1

            def run():
                x = f.gelu(f.conv1d(mel, *first, padding=1))
                x = f.gelu(f.conv1d(x, *second, stride=2, padding=1)).transpose(1, 2) + places
                for b in blocks:
                    x = x + attended(normed(x, b["norms"][0]), b["self"], None, False)[0]
                    x = x + fed_forward(normed(x, b["norms"][1]), b["feed"])
                return normed(x, last_norm)

            return run

        def decoder():
            size = state // heads
            caches = [tuple(torch.randn(1, heads, past, size) for _ in range(2)) for _ in blocks]
            heard = [tuple(torch.randn(1, heads, frames // 2, size) for _ in range(2)) for _ in blocks]
            tokens, places = torch.randint(vocabulary, (1, n)), torch.arange(past, past + n)
            embedding, place_table = torch.randn(vocabulary, state) * 0.05, torch.randn(positions, state) * 0.05
            words = linear(state, vocabulary, False)

            def run():
                x = f.embedding(tokens, embedding) + f.embedding(places, place_table)
                made = []
                for b, cache, audio in zip(blocks, caches, heard):
                    y, kept = attended(normed(x, b["norms"][0]), b["self"], cache if past else None, n > 1)
                    made.append(kept)
                    x = x + y
                    x = x + crossed(normed(x, b["norms"][1]), b["cross"], audio)
                    x = x + fed_forward(normed(x, b["norms"][2]), b["feed"])
                return f.linear(normed(x, last_norm)[:, -1:], *words), made

            return run

        return encoder() if part == "encoder" else decoder()

    def prepare_whisper(slot, part, *numbers):
        *dims, threads = map(int, numbers)
        runs.pop(slot, None)  # before others are made: weights are large
        work = whisper(part, *dims)

        def run():
            with torch.inference_mode():
                work()

        runs[slot] = (threads, run)

    for line in orders:
        order, *rest = line.decode().split()
        if order == "features":
            prepare_features(*map(int, rest))
            say("done")
        elif order == "conv1d":
            prepare_conv1d(*map(int, rest[:8]), rest[8], int(rest[9]))
            say("done")
        elif order == "whisper":
            prepare_whisper(int(rest[0]), *rest[1:])
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
