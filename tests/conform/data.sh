# Where the shared data sets are: $SIBYL_DATA, else ../shared/data beside the sources. Sets `data`, or ends the test as
# skipped where the folder that is asked for is not there.
data_folder() {
  data="${SIBYL_DATA:-$SIBYL_SOURCE/../shared/data}/$1"
  if [ ! -d "$data" ]; then
    echo "skipped for want of $1 in \$SIBYL_DATA or ../shared/data"
    exit 77
  fi
}
