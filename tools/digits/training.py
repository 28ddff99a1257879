"""Training: phases of short windows at any place of the 30 s, then of whole ones too. Each step follows from the seed and its number.

Whole windows are long recordings, or short ones with nothing behind them, as most recordings of a word or two are heard.

Two processes of one thread each share a batch and average their gradients: on a busy machine that waits less than threads
do, and with one more process the numbers are others, so their count is fixed.
"""
import dataclasses
import pathlib
import tempfile
import time

import numpy
import torch
import torch.distributed
import torch.nn.functional as F

from . import features, shards, targets
from .model import FRAMES, Whisper, parameters

PROCESSES = 2
AUDIO = 64  # seconds of each process in a batch of short windows
WHOLE = 3  # whole windows of each process in a batch
ALONE = 0.35  # of them, the share that holds one short window and nothing behind it
PROMPTED, PROMPTED_WHOLE = 0.15, 0.6  # share of batches with text of before: of short windows, of whole ones
FRESH = 50  # steps for each further group of shards that comes in
GUIDED, LABELLED = 0.3, 0.5  # weights of the losses beside that of tokens
AVERAGE = 0.995  # of the weights kept, over steps
RATE_INNER, RATE_OTHERS = 0.02, 3e-3  # of learning, at its highest


def warped(rng, power):
    """Log-mel power [batch, n_mels, frames] as other voices, levels and recorders would give it."""
    count, bands, frames = power.shape
    if rng.random() < 0.6:  # shorter or longer throats: bands moved up or down by up to a tenth
        place = (torch.arange(bands)[None] * torch.from_numpy(rng.uniform(0.9, 1.11, (count, 1))).float()).clamp(0, bands - 1.001)
        low = place.long()
        part = (place - low)[:, :, None]
        power = (power.gather(1, low[:, :, None].expand(-1, -1, frames)) * (1 - part)
                 + power.gather(1, (low + 1)[:, :, None].expand(-1, -1, frames)) * part)
    tilt = torch.from_numpy(rng.normal(0, 0.25, (count, 1, 1))).float() * torch.linspace(-1, 1, bands)[None, :, None]
    power = (power + tilt + torch.from_numpy(rng.normal(0, 0.4, (count, 1, 1))).float()).clamp(min=features.SILENCE)
    for row in range(count):
        if rng.random() < 0.25:
            low = rng.integers(0, bands - 8)
            power[row, low:low + rng.integers(2, 9)] = features.SILENCE
    return power


def ended(rng, mel, power, windows):
    """The procedure fills a window behind a recording's end with 0, which is no silence: so do some of these.

    Their audio is all zeros behind some frame, or they hold no speech and can end anywhere.
    """
    frames = power.shape[2]
    for row, window in enumerate(windows):
        sounding = torch.nonzero(power[row].amax(dim=0) > features.SILENCE + 0.1)
        least = int(sounding[-1]) + 1 if len(sounding) else 10
        if not window["segments"] and rng.random() < 0.7:
            least = 10
        if least < frames and rng.random() < 0.65:
            mel[row, :, least if rng.random() < 0.4 else rng.integers(least, frames):] = 0
    return mel


class Data:
    """Shards on disk, waited for in their order."""

    def __init__(self, folder, without):
        self.folder, self.without, self.loaded = folder, frozenset(without), {}

    def shard(self, name):
        if name not in self.loaded:
            path = self.folder / name
            while not path.exists():
                time.sleep(2)
            windows = torch.load(path, weights_only=False, mmap=True)  # processes share the pages
            self.loaded[name] = [window for window in windows if not window["sources"] & self.without]
        return self.loaded[name]

    def short(self, rng, available, seconds):
        picked = []
        while len(picked) < AUDIO // seconds:
            shard = self.shard(f"short-{rng.integers(available):03}-{seconds}.pt")
            picked += [shard[i] for i in rng.integers(0, len(shard), AUDIO // seconds // 2)]
        return picked

    def whole(self, rng, short, full):
        return [self.alone(rng, short) if rng.random() < ALONE else self._any(rng, f"full-{rng.integers(full):03}.pt")
                for _ in range(WHOLE)]

    def _any(self, rng, name):
        shard = self.shard(name)
        return shard[rng.integers(len(shard))]

    def alone(self, rng, available):
        """A short window that is not cut by its end, with digital silence behind it."""
        while True:
            seconds = int(rng.choice([seconds for seconds, _ in shards.SHORT]))
            window = self._any(rng, f"short-{rng.integers(available):03}-{seconds}.pt")
            if not window["segments"] or window["segments"][-1][-1][2] <= seconds:
                missing = 2 * FRAMES - window["power"].shape[1]
                return window | {"power": F.pad(window["power"], (0, missing), value=features.SILENCE)}


def batch(rng, windows, seconds):
    frames = seconds * 50
    power = torch.stack([window["power"] for window in windows]).float()
    changed = warped(rng, power)
    louder = torch.tensor([window["louder"] for window in windows])[:, None, None]
    mel = ended(rng, features.normalise(changed, changed.amax(dim=(1, 2), keepdim=True) + louder), power, windows)
    prompted = rng.random() < (PROMPTED_WHOLE if frames == FRAMES else PROMPTED)
    offsets, made = [], []
    for window in windows:
        cut = window["segments"] and window["segments"][-1][-1][2] > seconds
        offset = FRAMES - frames if cut else 0 if rng.random() < 0.25 else int(rng.integers(0, FRAMES - frames + 1))
        offsets.append(offset)
        made.append(targets.target(rng, window["segments"], seconds, offset, frames, prompted))
    labels = torch.stack([targets.frame_labels(window["segments"], frames) for window in windows])
    return mel, torch.tensor(offsets), targets.batch(made, frames), labels


def written(decoder, audio, tokens, wanted, spread):
    """The losses of the tokens, and of where the last layer's attention lies."""
    hidden, weights = decoder.hidden(tokens, audio)
    asked = wanted != targets.IGNORED
    told = F.cross_entropy(hidden[asked] @ decoder.token_embedding.weight.T, wanted[asked])
    heard = spread.sum(dim=2)
    entropy = -(spread * spread.clamp(min=1e-9).log()).sum()
    guided = (-(spread[:, None] * weights).sum() / weights.shape[1] - entropy) / heard.sum().clamp(min=1)
    return told, guided


def losses(model, head, mel, offsets, texts, labels):
    audio = model.encoder(mel, offsets)
    labelled = F.cross_entropy(head(audio).flatten(0, 1), labels.flatten())
    return *written(model.decoder, audio, *texts), labelled


def rate(step, until, falling, warm=100):
    """The learning rate's share: up in a line, then 1, then in a line down over the last `falling` steps before `until`."""
    return min((step + 1) / warm, 1, (until - step) / falling)


class Muon(torch.optim.Optimizer):
    """Steps of equal size in every direction of a matrix: the momentum made orthogonal by Newton and Schulz's iteration.

    About twice as far in as many steps as AdamW here. For matrices within the blocks only.
    """

    def __init__(self, weights, lr, momentum=0.95, decay=0.05):
        super().__init__(weights, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            shapes = {}
            for weight in group["params"]:
                shapes.setdefault(weight.shape, []).append(weight)
            for shape, weights in shapes.items():
                moved = []
                for weight in weights:
                    state = self.state[weight]
                    moving = state.setdefault("moving", torch.zeros_like(weight))
                    moving.lerp_(weight.grad, 1 - group["momentum"])
                    moved.append(weight.grad.lerp(moving, group["momentum"]))
                scale = group["lr"] * max(1, shape[0] / shape[1]) ** 0.5
                for weight, turned in zip(weights, orthogonal(torch.stack(moved))):
                    weight.mul_(1 - group["lr"] * group["decay"]).add_(turned, alpha=-scale)


def orthogonal(x):
    """[count, rows, columns]: nearly the orthogonal part of each matrix (singular values between 0.7 and 1.2)."""
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.transpose(1, 2) if tall else x


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of a run."""
    until: int  # step
    mix: tuple  # shares of short windows of 2, 4 and 8 s
    whole: float  # share of batches of whole windows
    falling: int = 0  # steps before its end over which the learning rate falls to 0


@dataclasses.dataclass
class Plan:
    """A training run."""
    folder: pathlib.Path  # of the shards
    state: pathlib.Path  # where the run stands, to go on from
    seed: int
    phases: tuple
    short: int  # groups of shards
    full: int
    without: tuple = ()  # speakers left out

    @property
    def steps(self):
        return self.phases[-1].until

    def phase(self, step):
        return next(phase for phase in self.phases if step < phase.until)

    def rate(self, step):
        """The learning rate's share: each fall ends at the next phase that has one, and a later one begins anew."""
        falls = next(phase for phase in self.phases if step < phase.until and phase.falling)
        return rate(step, falls.until, falls.falling)

    def whole_since(self, step):
        """How many steps before this one had a share of whole windows."""
        begins = [0, *(phase.until for phase in self.phases)]
        return sum(max(min(step, phase.until) - begin, 0) for begin, phase in zip(begins, self.phases) if phase.whole)


def optimizers(module, weights):
    """Muon for the matrices within the module's blocks, AdamW for the others of the weights."""
    inner = [weight for name, weight in module.named_parameters() if "blocks." in name and weight.dim() == 2]
    others = [weight for weight in weights if all(weight is not one for one in inner)]
    return [Muon(inner, lr=RATE_INNER), torch.optim.AdamW(others, lr=RATE_OTHERS, betas=(0.9, 0.98), weight_decay=0.01)]


def set_rates(pair, share):
    for optimizer, highest in zip(pair, (RATE_INNER, RATE_OTHERS)):
        optimizer.param_groups[0]["lr"] = highest * share


@torch.no_grad()
def follow(average, module, step):
    """Moves the average of the weights towards the module's."""
    kept = min(AVERAGE, step / (step + 20))
    for name, value in module.state_dict().items():
        average[name].lerp_(value, 1 - kept)


def average_gradients(weights):
    flat = torch.cat([weight.grad.flatten() for weight in weights])
    torch.distributed.all_reduce(flat)
    at = 0
    for weight in weights:
        weight.grad.copy_(flat[at:at + weight.numel()].view_as(weight) / PROCESSES)
        at += weight.numel()


def _windows(plan, data, step, rank):
    """(windows, seconds) of this process in this step: all processes draw the same kind."""
    kind, rng = numpy.random.default_rng([plan.seed, step]), numpy.random.default_rng([plan.seed, step, rank])
    phase, available = plan.phase(step), min(plan.short, 2 + step // FRESH)
    if kind.random() < phase.whole:
        return rng, data.whole(rng, available, min(plan.full, 1 + plan.whole_since(step) // FRESH)), 30
    seconds = int(kind.choice([seconds for seconds, _ in shards.SHORT], p=phase.mix))
    return rng, data.short(rng, available, seconds), seconds


def _run(rank, plan, rendezvous):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=PROCESSES)
    torch.manual_seed(plan.seed)
    model = Whisper()
    head = torch.nn.Linear(model.dims.n_audio_state, 11)
    weights = [*model.parameters(), *head.parameters()]
    pair = optimizers(model, weights)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    data, step, spent = Data(plan.folder, plan.without), 0, 0.0
    if plan.state.exists():
        state = torch.load(plan.state, weights_only=True)
        model.load_state_dict(state["model"])
        head.load_state_dict(state["head"])
        for optimizer, stored in zip(pair, state["optimizers"]):
            optimizer.load_state_dict(stored)
        average, step, spent = state["average"], state["step"], state["spent"]
    if rank == 0:
        print(f"{parameters(model)} parameters; step {step} of {plan.steps}", flush=True)
    sums, begun = numpy.zeros(3), time.time()
    while step < plan.steps:
        rng, windows, seconds = _windows(plan, data, step, rank)
        set_rates(pair, plan.rate(step))
        parts = losses(model, head, *batch(rng, windows, seconds))
        model.zero_grad()
        head.zero_grad()
        (parts[0] + GUIDED * parts[1] + LABELLED * parts[2]).backward()
        average_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in pair:
            optimizer.step()
        step += 1
        follow(average, model, step)
        if rank:
            continue
        sums += [float(part.detach()) for part in parts]
        if step % 50 == 0 or step == plan.steps:
            spent, begun = spent + time.time() - begun, time.time()
            told, guided, labelled = sums / (step % 50 or 50)
            print(f"step {step}: tokens {told:.3f}, attention {guided:.3f}, frames {labelled:.3f}; {spent:.0f} s", flush=True)
            sums[:] = 0
        if step % 100 == 0 or step == plan.steps:
            part = plan.state.with_suffix(".part")
            torch.save({"model": model.state_dict(), "head": head.state_dict(),
                        "optimizers": [optimizer.state_dict() for optimizer in pair], "average": average,
                        "step": step, "spent": spent}, part)
            part.rename(plan.state)


def train(plan):
    """Trains as planned, from where plan.state stands, and gives the averaged model."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_run, (plan, pathlib.Path(folder) / "rendezvous"), nprocs=PROCESSES)
    model = Whisper()
    model.load_state_dict(torch.load(plan.state, weights_only=True)["average"])
    return model.eval()
