/* Recordings told from raw samples by their first bytes, where there is no name and nothing to seek in. */
#ifndef AUDIO_CONTAINERS_H
#define AUDIO_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that decide for most formats. */
#define CONTAINER_BYTES 16
/* Bytes that decide for frames of MP3 and AAC, which have no mark at the front: enough for three of the longest. */
#define CONTAINER_FRAMES 8192

/* Whether the bytes b (n), at least CONTAINER_BYTES unless there are no more, may begin frames without a mark: then
   CONTAINER_FRAMES of them decide. */
bool container_may_be_frames(const uint8_t *b, size_t n);
/* Whether a recording in a known container begins with the bytes b (n). Raw samples that do are not worth a thought: they
   would begin with "RIFF", or with three frame headers at the distances that these state. */
bool container_begins(const uint8_t *b, size_t n);

#endif
