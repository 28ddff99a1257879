#ifndef SIB_SERVER_SEGMENTS_JSON_H
#define SIB_SERVER_SEGMENTS_JSON_H

#include <jansson.h>
#include <sibyl/sibyl.h>

/* As `sibyl transcribe` writes them; NULL where memory fails. */
json_t *segments_json(const sib_segment *segments, size_t n);

#endif
