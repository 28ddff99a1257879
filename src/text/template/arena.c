#include "text/template/arena.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#define BLOCK ((size_t)16 << 10)

struct tpl_arena_block {
    struct tpl_arena_block *before;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *tpl_arena_take(arena *a, size_t n, size_t size, sib_error *err)
{
    size_t bytes;
    if (!size_mul(n, size, &bytes) || bytes > a->max || a->held > a->max - bytes) {
        err_set(err, SIB_ERR_SIZE, "the chat template needs more than %zu MiB of memory", a->max >> 20);
        return NULL;
    }
    bytes = (bytes + 15) / 16 * 16;
    if (!a->last || a->last->size - a->last->used < bytes) {
        size_t room = bytes > BLOCK ? bytes : BLOCK;
        struct tpl_arena_block *more = mem_calloc(1, sizeof *more + room);
        if (!more) {
            err_memory(err, room, "a chat template");
            return NULL;
        }
        more->before = a->last;
        more->size = room;
        a->last = more;
        a->held += room;
    }
    void *out = a->last->bytes + a->last->used;
    a->last->used += bytes;
    return out;
}

void tpl_arena_free(arena *a)
{
    while (a->last) {
        struct tpl_arena_block *before = a->last->before;
        mem_free(a->last);
        a->last = before;
    }
    a->held = 0;
}
