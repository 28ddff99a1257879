/* Models that are being opened, and how far each of them is, for those who wait. */
#ifndef SIB_SERVER_OPENINGS_H
#define SIB_SERVER_OPENINGS_H

#include <jansson.h>
#include <stdint.h>

typedef struct openings openings;
typedef struct opening opening;

/* NULL: no memory. */
openings *openings_create(void);
void openings_free(openings **all);

/* A model that begins to be opened. file: the last part of its path. NULL, which the other calls take, where memory
   fails. Thread-safe, as all that follow. */
opening *openings_begin(openings *all, const char *file);
/* tier: static, what is done now. fraction: of the tier, 0 to 1, or negative where that is not known. what: the thing at
   work, such as the name of a weight; "": none. */
void opening_tell(opening *o, const char *tier, double fraction, const char *what);
void openings_end(opening **o);

/* Another number after each change. */
uint64_t openings_version(openings *all);
/* A list in the order in which they began. NULL where memory fails. */
json_t *openings_json(openings *all);

#endif
