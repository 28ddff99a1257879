/* The folder of imported models. */
#ifndef IMPORT_CACHE_H
#define IMPORT_CACHE_H

#include <sibyl/base.h>

/* "$XDG_CACHE_HOME/NAME", "~/.cache/NAME" where that is not set. Release with mem_free. Errors: SIB_ERR_IO (there is no
   home), SIB_ERR_MEMORY. */
sib_code cache_path(const char *name, char **out, sib_error *err);

/* Bytes that the models in `folder` may take, by $SIBYL_CACHE_MB. Errors: SIB_ERR_ARGUMENT (it is no number). */
sib_code cache_limit(uint64_t *out, sib_error *err);
/* Removes models from `folder`, those not used for longest first, until all take `limit` bytes at most, but never the one
   whose name is `kept`; and what imports that were ended left behind. What is in use stays mapped. Failures are
   left to the next call. */
void cache_trim(const char *folder, uint64_t limit, const char *kept);
/* Removes a folder with the files in it. */
void cache_remove(const char *folder);

#endif
