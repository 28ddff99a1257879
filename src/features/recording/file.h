/* For tests: the limits of a recording file. */
#ifndef FEATURES_RECORDING_FILE_H
#define FEATURES_RECORDING_FILE_H

#include <sibyl/recording.h>

/* Keeps at most `samples` samples in memory, and windows of at most `columns` columns, instead of the
   defaults. Called before the first read. */
void recording_file_limit(sib_recording_file *file, size_t samples, size_t columns);

#endif
