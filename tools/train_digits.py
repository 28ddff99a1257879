#!/usr/bin/env python3
"""Trains `digits`, the small Whisper of assets/digits, and prints its figures.

    tools/train_digits.py train [--without SPEAKER]    under two hours on two cores; a second call goes on
    tools/train_digits.py evaluate [--model FILE] [--speaker SPEAKER] [--quick]
    tools/train_digits.py sample                       assets/digits/sample.flac, spoken by espeak-ng

Needs `tools/setup.sh train`, and the recordings of the Free Spoken Digit Dataset in --fsdd, else $SIBYL_DATA/fsdd, else
../shared/data/fsdd beside the sources. What is kept between calls lies in build/digits.
"""
import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
ASSETS = ROOT / "assets" / "digits"
BUILD = ROOT / "build" / "digits"

WORDS_FIRST = (0.65, 0.25, 0.1)  # shares of windows of 2, 4 and 8 s

# Phases (until which step, shares of short windows, share of batches of whole windows, steps of the learning rate's fall),
# and groups of shards (each of about 70 MB on disk) of short and of whole windows.
FULL = dict(phases=((3700, WORDS_FIRST, 0), (4400, WORDS_FIRST, 0.6, 1100), (6400, WORDS_FIRST, 0.75, 4000),
                    (7500, WORDS_FIRST, 0.8, 3500)), short=40, full=48)
WITHOUT = dict(phases=((1100, WORDS_FIRST, 0), (1700, WORDS_FIRST, 0.5, 800)), short=16, full=10)


def recordings_folder():
    data = pathlib.Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
    return data / "fsdd"


def train(options):
    from digits import shards, speech, training, vocabulary
    speech.recordings(options.fsdd, speech.HELD_OUT)  # ends here where there are none, before processes are started
    run = WITHOUT if options.without else FULL
    folder = BUILD / "shards"
    making = shards.start(folder, options.fsdd, options.seed, run["short"], run["full"])
    name = f"without-{options.without}" if options.without else "digits"
    phases = tuple(training.Phase(*phase) for phase in run["phases"])
    without = (options.without,) if options.without else ()
    model = training.train(training.Plan(folder, BUILD / f"{name}.state", options.seed, phases, run["short"], run["full"],
                                         without))
    if making:
        making.join()
    out = BUILD / f"{name}.pt" if options.without else ASSETS / "digits.pt"
    out.parent.mkdir(parents=True, exist_ok=True)
    model.save(out)
    if not options.without:
        vocabulary.save(ASSETS / "digits.tiktoken")
    print(f"wrote {out}: {out.stat().st_size} bytes")


def evaluate(options):
    from digits import evaluation
    evaluation.main(options.model, options.fsdd, options.speaker, options.quick)


def sample(options):
    from digits import sample as made
    made.write(ASSETS / "sample.flac")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "evaluate", "sample"))
    parser.add_argument("--fsdd", type=pathlib.Path, default=recordings_folder())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", metavar="SPEAKER", help="train: a speaker to leave out; writes to build/digits only")
    parser.add_argument("--model", type=pathlib.Path, default=ASSETS / "digits.pt")
    parser.add_argument("--speaker", help="evaluate: only this speaker")
    parser.add_argument("--quick", action="store_true", help="evaluate: a third of each set")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    {"train": train, "evaluate": evaluate, "sample": sample}[options.what](options)


if __name__ == "__main__":
    main()
