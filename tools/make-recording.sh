#!/bin/sh
# Makes assets/hello.flac, the recording that the demo decodes: one sentence spoken by espeak-ng.
# Needs espeak-ng and ffmpeg. Other versions of them produce other samples, so the file itself is in the repository.
set -eu
cd "$(dirname "$0")/.."
mkdir -p assets
espeak-ng -v en-gb -s 150 --stdout "Sibyl hears and answers, and shows every number on the way." |
    ffmpeg -y -v error -i pipe:0 -map_metadata -1 -fflags +bitexact -flags:a +bitexact \
        -ac 1 -ar 16000 -sample_fmt s16 -compression_level 12 assets/hello.flac
