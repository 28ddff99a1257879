#!/bin/sh
# A set of recordings under Open MPI: each rank works on one shard (docs/scale.md).
#
#   mpirun -n 8 packaging/mpi/sibyl-set.sh list features
#   mpirun -n 8 packaging/mpi/sibyl-set.sh list texts transcribe --model whisper.onnx
#
# Ranks do not talk to each other. The same call with the same -n makes the rest after any end.
set -eu
manifest=${1:?is the file of items} out=${2:?is the folder for what is made}
shift 2
[ $# -gt 0 ] || set -- features
exec "${SIBYL:-sibyl}" "$@" --manifest "$manifest" -o "$out" --threads "${THREADS:-1}"
