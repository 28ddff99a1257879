/* Copies of constants that are made once and kept: weights of a model in the order in which a kernel reads them, shared by all of
   the model's sessions. */
#ifndef BASE_PACKS_H
#define BASE_PACKS_H

#include <sibyl/base.h>

typedef struct packs packs;

sib_code packs_create(packs **out, sib_error *err);
/* Frees all copies. */
void packs_free(packs **p);

/* Writes the copy to out, which has the number of bytes asked for and is aligned to MEM_ALIGN. */
typedef sib_code (*pack_fill)(void *context, void *out, sib_error *err);

/* What was made of `of` (an address that stays as long as the packs) in the way `how` (a few words, copied: "gemm f32
   16"), by `fill` where nobody asked before. It stands with others in large stretches of memory, of large pages where the
   system has them. *out lives as long as the packs and is not to be written. Threads that ask for the same at once wait
   for the one that makes it. Errors: SIB_ERR_MEMORY, those of fill. */
sib_code packs_get(packs *p, const void *of, const char *how, size_t bytes, pack_fill fill, void *context,
                   const void **out, sib_error *err);

/* Bytes of all that was made. */
size_t packs_bytes(packs *p);

#endif
