/* What someone who typed a name that is not known may have meant. */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

typedef struct nearest {
    const char *typed; /* (length) */
    size_t length;
    const char *name; /* the nearest of those that were tried; NULL: none is near */
    size_t distance;  /* of letters to replace, insert or remove */
} nearest;

/* Takes the name where it is nearer than those before, and at most a third of its letters away. */
void nearest_try(nearest *n, const char *name);
/* ", did you mean BEFORE and the name?", or "": release with free. */
char *nearest_hint(const nearest *n, const char *before);

#endif
