#include "text/bytes.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

/* Half as much again as is needed, so that growing costs a constant a item. False where it does not fit. */
static bool grown(size_t n, size_t more, size_t room, size_t *out)
{
    size_t least;
    if (!size_add(n, more, &least) || !size_add(room, room / 2 + 64, out))
        return false;
    *out = size_max(*out, least);
    return true;
}

sib_code ids_reserve(id_list *l, size_t more, sib_error *err)
{
    size_t room;
    if (l->room - l->n >= more)
        return SIB_OK;
    if (!grown(l->n, more, l->room, &room))
        return err_set(err, SIB_ERR_SIZE, "too many ids");
    int32_t *ids = mem_realloc(l->ids, room, sizeof *ids);
    if (!ids)
        return err_memory(err, room * sizeof *ids, "ids");
    l->ids = ids;
    l->room = room;
    return SIB_OK;
}

void buffer_reserve(text_buffer *b, size_t more, sib_error *err)
{
    size_t room;
    if (b->code != SIB_OK || b->room - b->n >= more)
        return;
    if (b->most && (b->n > b->most || more > b->most - b->n)) {
        b->code = err_set(err, SIB_ERR_SIZE, "the tokenizer makes more than %zu bytes of a text", b->most);
        return;
    }
    if (!grown(b->n, more, b->room, &room)) {
        b->code = err_set(err, SIB_ERR_SIZE, "a text is too long");
        return;
    }
    char *data = mem_realloc(b->data, room, 1);
    if (!data) {
        b->code = err_memory(err, room, "a text");
        return;
    }
    b->data = data;
    b->room = room;
}

void buffer_free(text_buffer *b)
{
    mem_free(b->data);
    *b = (text_buffer){0};
}
