#include "job/whisper/list.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <string.h>

sib_code whisper_grow(void **block, size_t *room, size_t wanted, size_t size, const char *what,
                      sib_error *err)
{
    if (wanted <= *room)
        return SIB_OK;
    size_t more = size_max(wanted, *room + *room / 2);
    void *grown = mem_realloc(*block, more, size);
    if (!grown)
        return err_memory(err, more * size, what);
    *block = grown;
    *room = more;
    return SIB_OK;
}

sib_code whisper_ids_add(whisper_ids *l, const int32_t *ids, size_t n, sib_error *err)
{
    void *block = l->data;
    sib_code code = whisper_grow(&block, &l->room, l->n + n, sizeof *l->data, "tokens", err);
    l->data = block;
    if (code != SIB_OK || n == 0)
        return code;
    memcpy(l->data + l->n, ids, n * sizeof *ids);
    l->n += n;
    return SIB_OK;
}

void whisper_ids_free(whisper_ids *l)
{
    mem_free(l->data);
    *l = (whisper_ids){0};
}

sib_code whisper_bytes_add(whisper_bytes *b, const char *data, size_t n, sib_error *err)
{
    void *block = b->data;
    sib_code code = whisper_grow(&block, &b->room, b->n + n + 1, 1, "text", err);
    b->data = block;
    if (code != SIB_OK)
        return code;
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = 0;
    return SIB_OK;
}

void whisper_bytes_free(whisper_bytes *b)
{
    mem_free(b->data);
    *b = (whisper_bytes){0};
}
