# real-models.sh COMMAND [BACKENDS]: models that others trained, against what onnxruntime gave.
set -e
. "$(dirname "$0")/data.sh"
data_folder real-models
exec "$1" conform "$data" --backend "${2:-ref}" --rtol 1e-3 --atol 1e-4 ${2:+--manifest "$(dirname "$0")/passes.manifest"}
