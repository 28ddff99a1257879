"""The last stage: the decoder alone, on what the trained encoder gives for each window, computed once and kept.

Long strings take the decoder longer to learn than sounds take the encoder, and a step without the encoder costs a tenth.
"""
import dataclasses
import pathlib
import tempfile
import time

import numpy
import torch

from . import model, targets, training
from .training import PROCESSES

KINDS = ((30, 0.45, 8), (8, 0.35, 24), (4, 0.2, 40))  # seconds of windows, share of batches, windows of each process in one


@dataclasses.dataclass
class Plan:
    folder: pathlib.Path  # of the shards
    trained: pathlib.Path  # OpenAI's checkpoint to begin with
    state: pathlib.Path  # where the run stands, to go on from
    seed: int
    steps: int
    shards: int  # of each kind
    without: tuple = ()


class Heard:
    """Windows as the encoder hears them: [(float16 [frames, state], offset, segments)] by shard."""

    def __init__(self, encoder, plan):
        self.encoder, self.plan, self.kept = encoder, plan, {}
        self.data = training.Data(plan.folder, plan.without)

    def shard(self, index, seconds):
        if (index, seconds) not in self.kept:
            name = f"full-{index:03}.pt" if seconds == 30 else f"short-{index:03}-{seconds}.pt"
            rng, kept = numpy.random.default_rng([self.plan.seed, index, seconds]), []
            windows = self.data.shard(name)
            for first in range(0, len(windows), 16):
                some = windows[first:first + 16]
                mel, offsets, _, _ = training.batch(rng, some, seconds)
                with torch.no_grad():
                    audio = self.encoder(mel, offsets).half()
                kept += [(heard, int(offset), window["segments"]) for heard, offset, window in zip(audio, offsets, some)]
            del self.data.loaded[name]
            self.kept[index, seconds] = kept
        return self.kept[index, seconds]

    def batch(self, rng, index, seconds, count):
        shard, frames = self.shard(index, seconds), seconds * 50
        picked = [shard[i] for i in rng.integers(0, len(shard), count)]
        longest = int(rng.integers(1, 80)) if rng.random() < 0.2 else 0
        made = [targets.target(rng, segments, seconds, offset, frames, longest) for _, offset, segments in picked]
        return torch.stack([audio for audio, _, _ in picked]).float(), *targets.batch(made, frames)


def _run(rank, plan, rendezvous):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=PROCESSES)
    network = model.load(plan.trained)
    decoder, heard = network.decoder, Heard(network.encoder, plan)
    weights = list(decoder.parameters())
    pair = training.optimizers(decoder, weights)
    average, step, sums, begun = {name: value.clone() for name, value in decoder.state_dict().items()}, 0, numpy.zeros(2), time.time()
    if plan.state.exists():
        state = torch.load(plan.state, weights_only=True)
        decoder.load_state_dict(state["decoder"])
        for optimizer, stored in zip(pair, state["optimizers"]):
            optimizer.load_state_dict(stored)
        average, step = state["average"], state["step"]
    while step < plan.steps:
        kind, rng = numpy.random.default_rng([plan.seed, 1, step]), numpy.random.default_rng([plan.seed, 1, step, rank])
        seconds, _, count = KINDS[kind.choice(len(KINDS), p=[share for _, share, _ in KINDS])]
        available = min(plan.shards // PROCESSES, 1 + step // 60)
        index = int(rng.integers(available)) * PROCESSES + rank  # each process has shards of its own
        audio, tokens, wanted, spread = heard.batch(rng, index, seconds, count)
        training.set_rates(pair, training.rate(step, plan.steps, falling=0.5) * 0.7)
        told, guided = training.written(decoder, audio, tokens, wanted, spread)
        decoder.zero_grad()
        (told + training.GUIDED * guided).backward()
        training.average_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in pair:
            optimizer.step()
        step += 1
        training.follow(average, decoder, step)
        if rank:
            continue
        sums += [float(told.detach()), float(guided.detach())]
        if step % 100 == 0 or step == plan.steps:
            told, guided = sums / (step % 100 or 100)
            print(f"decoder, step {step}: tokens {told:.3f}, attention {guided:.3f}; {time.time() - begun:.0f} s", flush=True)
            sums[:] = 0
            part = plan.state.with_suffix(".part")
            torch.save({"decoder": decoder.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in pair],
                        "average": average, "step": step}, part)
            part.rename(plan.state)


def refine(plan):
    """The model of plan.trained with its decoder trained further."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_run, (plan, pathlib.Path(folder) / "rendezvous"), nprocs=PROCESSES)
    network = model.load(plan.trained)
    network.decoder.load_state_dict(torch.load(plan.state, weights_only=True)["average"])
    return network
