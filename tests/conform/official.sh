# All official cases of ONNX 1.23, with the reference backend. In quick runs (SIBYL_QUICK), without the whole networks.
set -e
. "$(dirname "$0")/data.sh"
data_folder onnx-conformance
if [ -n "$SIBYL_QUICK" ]; then
  exec "$1" conform "$data/node" "$data/simple" "$data/pytorch-converted" "$data/pytorch-operator" --backend ref
fi
exec "$1" conform "$data" --backend ref
