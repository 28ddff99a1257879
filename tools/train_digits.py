#!/usr/bin/env python3
"""Trains `digits`, the small Whisper of assets/digits, and prints its figures.

    tools/train_digits.py train [--without SPEAKER]    about an hour and a half on two cores; a second call goes on
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

# A run: steps, the step from which whole windows come, groups of shards (each about 70 MB on disk).
FULL = dict(steps=2400, whole_from=1900, short=40, full=24)
WITHOUT = dict(steps=1300, whole_from=1050, short=30, full=8)  # with a speaker left out, to see what a stranger gets


def recordings_folder():
    data = pathlib.Path(os.environ.get("SIBYL_DATA", ROOT.parent / "shared" / "data"))
    return data / "fsdd"


def train(options):
    from digits import shards, training, vocabulary
    sizes = WITHOUT if options.without else FULL
    folder = BUILD / "shards"
    making = shards.start(folder, options.fsdd, options.seed, sizes["short"], sizes["full"])
    name = f"without-{options.without}" if options.without else "digits"
    model = training.train(training.Plan(folder, BUILD / f"{name}.state", options.seed, **sizes,
                                         without=(options.without,) if options.without else ()))
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
