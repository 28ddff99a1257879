#include "base/packs.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#define HOW_MAX 64

typedef struct pack {
    struct pack *next; /* in its bucket */
    const void *of;
    char how[HOW_MAX];
    void *made;
} pack;

/* A block of memory from which packs are allocated in sequence. */
typedef struct stretch {
    struct stretch *next;
    size_t bytes, used;
    char *memory; /* (bytes) */
} stretch;

#define MIN_STRETCH (1 << 20)
#define MAX_STRETCH (32 << 20)

#define BUCKETS 256

struct packs {
    pthread_mutex_t lock; /* also held while a pack is made */
    pack *buckets[BUCKETS];
    stretch *stretches; /* the one with free space comes first */
    size_t bytes;
};

sib_code packs_create(packs **out, sib_error *err)
{
    packs *p = mem_calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return err_memory(err, sizeof *p, "packed weights");
    p->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
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
            mem_free(at);
        }
    for (stretch *at = p->stretches, *next; at; at = next) {
        next = at->next;
        mem_free(at->memory);
        mem_free(at);
    }
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    *pp = NULL;
}

/* ---- Memory ------------------------------------------------------------------------------------------ */

/* Blocks grow with the total so far, so that small models use little memory. */
static stretch *new_stretch(packs *p, size_t wanted)
{
    size_t bytes = size_max(wanted, size_min(size_max(p->bytes, MIN_STRETCH), MAX_STRETCH));
    stretch *s = mem_calloc(1, sizeof *s);
    char *memory = s ? mem_alloc(bytes, 1) : NULL;
    if (!memory) {
        mem_free(s);
        return NULL;
    }
    SIB_ASSERT(bytes >= wanted);
    *s = (stretch){.next = p->stretches, .bytes = bytes, .memory = memory};
    p->stretches = s;
    return s;
}

/* Returns NULL where memory fails. */
static void *take(packs *p, size_t bytes)
{
    size_t aligned;
    stretch *s = p->stretches;
    if (!size_add(bytes, MEM_ALIGN - 1, &aligned))
        return NULL;
    aligned = aligned / MEM_ALIGN * MEM_ALIGN;
    if (!s || s->bytes - s->used < aligned)
        s = new_stretch(p, aligned);
    if (!s)
        return NULL;
    void *at = s->memory + s->used;
    s->used += aligned;
    SIB_ASSERT(s->used <= s->bytes);
    SIB_ASSERT((uintptr_t)at % MEM_ALIGN == 0);
    return at;
}

/* ---- Packs ------------------------------------------------------------------------------------------- */

static pack **bucket_of(packs *p, const void *of)
{
    return &p->buckets[((uintptr_t)of >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 56];
}

static sib_code add(packs *p, const void *of, const char *how, size_t bytes, pack_fill fill, void *context,
                    pack **out, sib_error *err)
{
    pack *made = mem_calloc(1, sizeof *made);
    void *memory = made ? take(p, bytes) : NULL;
    if (!memory) {
        mem_free(made);
        return err_memory(err, bytes, "packed weights");
    }
    sib_code code = fill(context, memory, err);
    if (code != SIB_OK) {
        mem_free(made);
        return code;
    }
    pack **bucket = bucket_of(p, of);
    *made = (pack){.next = *bucket, .of = of, .made = memory};
    strcpy(made->how, how);
    *bucket = made;
    p->bytes += bytes;
    *out = made;
    return SIB_OK;
}

sib_code packs_get(packs *p, const void *of, const char *how, size_t bytes, pack_fill fill, void *context,
                   const void **out, sib_error *err)
{
    SIB_ASSERT(of && fill);
    *out = NULL;
    if (strlen(how) >= HOW_MAX)
        return err_set(err, SIB_ERR_ARGUMENT, "'%s' is too long for the name of a packing", how);
    pthread_mutex_lock(&p->lock);
    pack *at = *bucket_of(p, of);
    while (at && (at->of != of || strcmp(at->how, how) != 0))
        at = at->next;
    sib_code code = at ? SIB_OK : add(p, of, how, bytes, fill, context, &at, err);
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
