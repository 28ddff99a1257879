/* The files that clients may open: those below the server's folder of models. */
#ifndef SIB_SERVER_MODEL_FILES_H
#define SIB_SERVER_MODEL_FILES_H

#include <jansson.h>

/* [{"file", "bytes"}] of `folder` (NULL: none), by name: models and jobs, at most 1,000, four folders deep; links are left
   out, as are names that begin with a dot. */
json_t *model_files(const char *folder);

#endif
