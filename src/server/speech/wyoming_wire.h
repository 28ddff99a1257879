/* Events of the Wyoming protocol: a line of JSON, perhaps with more JSON and with bytes behind it. */
#ifndef SIB_SERVER_WYOMING_WIRE_H
#define SIB_SERVER_WYOMING_WIRE_H

#include "server/http/buffer.h"

#include <jansson.h>
#include <sibyl/base.h>

typedef struct wyoming_event {
    json_t *data;        /* an object; released with json_decref */
    char type[64];       /* cut where it is longer */
    const char *payload; /* (size) in the buffer that it was read from */
    size_t size;
} wyoming_event;

/* Reads the event at *at of the bytes that have come, and moves *at behind it. *complete: there is one. Errors:
   SIB_ERR_FORMAT, SIB_ERR_SIZE (what comes next cannot be known then). */
sib_code wyoming_read(const buffer *in, size_t *at, wyoming_event *out, bool *complete, sib_error *err);
/* An event as a line, owned by the caller; takes data. NULL: memory failed. */
char *wyoming_line(const char *type, json_t *data);

#endif
