/* Packs: weights of a model copied into the order in which a kernel reads them, made once and shared by
   all of the model's sessions. */
#ifndef BASE_PACKS_H
#define BASE_PACKS_H

#include <sibyl/base.h>

typedef struct packs packs;

sib_code packs_create(packs **out, sib_error *err);
/* Frees all copies. */
void packs_free(packs **p);

/* Writes the pack to out, which has the requested size and is aligned to MEM_ALIGN. */
typedef sib_code (*pack_fill)(void *context, void *out, sib_error *err);

/* Gets the pack of `of` (an address that stays valid as long as the packs) in format `how` (a short
   description, copied: "gemm f32 16"), calling `fill` on first use. Packs share large blocks of memory, of
   large pages where the system has them. *out lives as long as the packs and must not be written. A thread
   that asks for a pack that another is making waits for it. Errors: SIB_ERR_MEMORY, those of fill. */
sib_code packs_get(packs *p, const void *of, const char *how, size_t bytes, pack_fill fill, void *context,
                   const void **out, sib_error *err);

/* Total bytes of all packs. */
size_t packs_bytes(packs *p);

#endif
