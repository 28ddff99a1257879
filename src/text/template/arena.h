/* Memory of a template, or of one rendering: taken piece by piece, freed at once. */
#ifndef TEXT_TEMPLATE_ARENA_H
#define TEXT_TEMPLATE_ARENA_H

#include <sibyl/base.h>

/* All zero but `max` is an empty arena. */
typedef struct arena {
    struct tpl_arena_block *last;
    size_t held, max; /* bytes; max: refused beyond it */
} arena;

/* n * size zeroed bytes that live as long as the arena. Returns NULL with err filled where that is above max
   (SIB_ERR_SIZE) or memory fails (SIB_ERR_MEMORY). */
void *tpl_arena_take(arena *a, size_t n, size_t size, sib_error *err);
void tpl_arena_free(arena *a);

#endif
