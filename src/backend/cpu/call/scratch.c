/* A list of free blocks that kernels reuse. */
#include "backend/cpu/call/scratch.h"

#include <pthread.h>

/* Max free blocks kept; concurrent runs may hold any number besides these. */
#define WAITING_MAX 16

/* Precedes the block in memory. */
typedef struct block_head {
    _Alignas(MEM_ALIGN) size_t bytes;
} block_head;

struct cpu_scratch {
    pthread_mutex_t lock;
    size_t n;
    block_head *waiting[WAITING_MAX]; /* (n) */
};

cpu_scratch *cpu_scratch_create(void)
{
    cpu_scratch *s = mem_calloc(1, sizeof *s);
    if (s && pthread_mutex_init(&s->lock, NULL) != 0) {
        mem_free(s);
        s = NULL;
    }
    return s;
}

void cpu_scratch_free(cpu_scratch *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        mem_free(s->waiting[i]);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* Removes and returns the smallest block of at least `bytes`; if none is large enough, the largest block,
   to be freed, so that blocks grow in size rather than in number. NULL if the list is empty. The lock is
   held. */
static block_head *best_of(cpu_scratch *s, size_t bytes)
{
    size_t best = s->n;
    for (size_t i = 0; i < s->n; i++) {
        if (best == s->n) {
            best = i;
            continue;
        }
        size_t size = s->waiting[i]->bytes, chosen = s->waiting[best]->bytes;
        if (chosen >= bytes ? size >= bytes && size < chosen : size > chosen)
            best = i;
    }
    if (best == s->n)
        return NULL;
    block_head *found = s->waiting[best];
    s->waiting[best] = s->waiting[--s->n];
    return found;
}

void *cpu_scratch_take(const cpu_call *c, size_t bytes)
{
    cpu_scratch *s = c->self->scratch;
    size_t all;
    if (!size_add(bytes, sizeof(block_head), &all))
        return NULL;
    pthread_mutex_lock(&s->lock);
    block_head *block = best_of(s, bytes);
    pthread_mutex_unlock(&s->lock);
    if (block && block->bytes >= bytes)
        return block + 1;
    mem_free(block);
    block = mem_alloc(all, 1);
    if (!block)
        return NULL;
    block->bytes = bytes;
    return block + 1;
}

void cpu_scratch_give(const cpu_call *c, void *block)
{
    cpu_scratch *s = c->self->scratch;
    if (!block)
        return;
    block_head *head = (block_head *)block - 1, *over = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->n < WAITING_MAX) {
        s->waiting[s->n++] = head;
    } else { /* free the smallest */
        over = head;
        for (size_t i = 0; i < s->n; i++)
            if (s->waiting[i]->bytes < over->bytes) {
                block_head *smaller = s->waiting[i];
                s->waiting[i] = over;
                over = smaller;
            }
    }
    pthread_mutex_unlock(&s->lock);
    mem_free(over);
}
