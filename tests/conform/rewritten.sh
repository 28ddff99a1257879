# The official cases (all of them, or Debian's of release 1.12) and the real models, run after each model was read and
# written back: the results are the same. In quick runs (SIBYL_QUICK) all are written back, and of the results some looked at.
set -e
folder="${SIBYL_DATA:-$SIBYL_SOURCE/../shared/data}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -d "$folder/onnx-conformance" ]; then
  for part in node simple pytorch-converted pytorch-operator; do
    "$2" "$folder/onnx-conformance/$part" "$work/$part"
  done
  trap 'rm -rf "$work" "$work.real"' EXIT
  "$2" "$folder/real-models" "$work.real"
  if [ -n "$SIBYL_QUICK" ]; then
    "$1" conform "$work/simple" "$work/pytorch-operator" --backend ref
  else
    "$1" conform "$work" --backend ref
    "$1" conform "$work.real" --backend ref --rtol 1e-3 --atol 1e-4
  fi
elif [ -d /usr/share/libonnx-testdata/data ]; then
  "$2" /usr/share/libonnx-testdata/data "$work/data"
  "$1" conform "$work/data" --backend ref --manifest "$(dirname "$0")/onnx-1.12.manifest"
else
  echo "skipped for want of onnx-conformance in \$SIBYL_DATA or ../shared/data, and of Debian's package libonnx-testdata"
  exit 77
fi
