#include "base/packs.h"

#include "base/alloc.h"
#include "base/error.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#define HOW_MAX 64

typedef struct pack {
    struct pack *next; /* in its bucket */
    const void *of;
    char how[HOW_MAX];
    void *made;
    size_t bytes;
} pack;

#define BUCKETS 256

struct packs {
    pthread_mutex_t lock; /* held while something is made, too */
    pack *buckets[BUCKETS];
    size_t bytes;
};

sib_code packs_create(packs **out, sib_error *err)
{
    packs *p = mem_calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return err_memory(err, sizeof *p, "packed weights");
    pthread_mutex_init(&p->lock, NULL);
    return SIB_OK;
}

void packs_free(packs **pp)
{
    packs *p = *pp;
    if (!p)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (pack *at = p->buckets[i], *next; at; at = next) {
            next = at->next;
            mem_free(at->made);
            mem_free(at);
        }
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    *pp = NULL;
}

static pack **bucket_of(packs *p, const void *of)
{
    return &p->buckets[((uintptr_t)of >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 56];
}

static sib_code add(packs *p, const void *of, const char *how, pack_make make, void *context, pack **out,
                    sib_error *err)
{
    pack *made = mem_calloc(1, sizeof *made);
    if (!made)
        return err_memory(err, sizeof *made, "packed weights");
    made->of = of;
    strcpy(made->how, how);
    sib_code code = make(context, &made->made, &made->bytes, err);
    if (code != SIB_OK) {
        mem_free(made);
        return code;
    }
    pack **bucket = bucket_of(p, of);
    made->next = *bucket;
    *bucket = made;
    p->bytes += made->bytes;
    *out = made;
    return SIB_OK;
}

sib_code packs_get(packs *p, const void *of, const char *how, pack_make make, void *context, const void **out,
                   sib_error *err)
{
    *out = NULL;
    if (strlen(how) >= HOW_MAX)
        return err_set(err, SIB_ERR_ARGUMENT, "'%s' is too long a name for a way of packing", how);
    pthread_mutex_lock(&p->lock);
    pack *at = *bucket_of(p, of);
    while (at && (at->of != of || strcmp(at->how, how) != 0))
        at = at->next;
    sib_code code = at ? SIB_OK : add(p, of, how, make, context, &at, err);
    pthread_mutex_unlock(&p->lock);
    if (code == SIB_OK)
        *out = at->made;
    return code;
}

size_t packs_bytes(packs *p)
{
    pthread_mutex_lock(&p->lock);
    size_t bytes = p->bytes;
    pthread_mutex_unlock(&p->lock);
    return bytes;
}
