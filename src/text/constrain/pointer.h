/* References within a JSON document. */
#ifndef TEXT_CONSTRAIN_POINTER_H
#define TEXT_CONSTRAIN_POINTER_H

#include <jansson.h>

/* What "#/a/b" names (RFC 6901, as a fragment); "#" is the root. NULL where it names nothing. */
const json_t *json_pointer(const json_t *root, const char *text);

#endif
