# official.sh COMMAND [BACKENDS]: all official cases of ONNX 1.23, with the reference backend or those named. In quick runs
# (SIBYL_QUICK), without the whole networks.
set -e
. "$(dirname "$0")/data.sh"
data_folder onnx-conformance
if [ -n "$SIBYL_QUICK" ]; then
  exec "$1" conform "$data/node" "$data/simple" "$data/pytorch-converted" "$data/pytorch-operator" --backend "${2:-ref}"
fi
exec "$1" conform "$data" --backend "${2:-ref}"
