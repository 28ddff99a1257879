# release-1.12.sh COMMAND [BACKENDS]: the official cases of ONNX 1.12, as Debian packages them.
data=/usr/share/libonnx-testdata/data
if [ ! -d "$data" ]; then
  echo "skipped for want of Debian's package libonnx-testdata"
  exit 77
fi
exec "$1" conform "$data" --backend "${2:-ref}" --manifest "$(dirname "$0")/onnx-1.12.manifest"
