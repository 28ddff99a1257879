/* Memories and locks. */
#include "tile/machine.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GUARD_WORDS 8
#define GUARD       UINT64_C(0x5AFEC0DE5AFEC0DE)
#define GUARD_BYTES (GUARD_WORDS * sizeof(uint64_t))
#define ALIGN       64

/* ---- Memory ---- */

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Guards follow an element directly, so that one byte too far is detected; elements are aligned. */
size_t tile_memory_bytes(const size_t sizes[TILE_REGIONS])
{
    size_t bytes = 0;
    for (int i = 0; i < TILE_REGIONS; i++)
        bytes += sizes[i] ? rounded(GUARD_BYTES + sizes[i] + GUARD_BYTES) : 0;
    return bytes;
}

static void set_guard(unsigned char *at)
{
    const uint64_t word = GUARD;
    for (size_t i = 0; i < GUARD_WORDS; i++)
        memcpy(at + i * sizeof word, &word, sizeof word);
}

static bool guard_is_intact(const unsigned char *at)
{
    uint64_t word, broken = 0;
    for (size_t i = 0; i < GUARD_WORDS; i++) {
        memcpy(&word, at + i * sizeof word, sizeof word);
        broken |= word ^ GUARD;
    }
    return !broken;
}

void tile_memory_lay_out(tile_memory *m, unsigned char *block, const size_t sizes[TILE_REGIONS])
{
    m->block = block;
    for (int i = 0; i < TILE_REGIONS; i++) {
        m->regions[i] = (tile_region){NULL, sizes[i]};
        if (!sizes[i])
            continue;
        m->regions[i].bytes = block + GUARD_BYTES;
        set_guard(block);
        set_guard(m->regions[i].bytes + sizes[i]);
        block += rounded(GUARD_BYTES + sizes[i] + GUARD_BYTES);
    }
}

int tile_memory_broken(const tile_memory *m)
{
    for (int i = 0; i < TILE_REGIONS; i++) {
        const tile_region *r = &m->regions[i];
        if (r->size && (!guard_is_intact(r->bytes - GUARD_BYTES) || !guard_is_intact(r->bytes + r->size)))
            return i;
    }
    return TILE_REGIONS;
}

/* ---- Locks ---- */

const char *tile_name(const tile_machine *m, uint32_t tile, char buffer[32])
{
    const tile_place *p = &m->program.tiles[tile];
    snprintf(buffer, 32, "(%u, %u)", (unsigned)p->column, (unsigned)p->row);
    return buffer;
}

void tile_machine_fail(tile_machine *m, const char *format, ...)
{
    char sentence[256];
    va_list arguments;
    if (m->stop)
        return;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    m->stop = true;
    m->code = err_set(m->err, SIB_ERR_VALUE, "%s", sentence);
    pthread_cond_broadcast(&m->wake);
    for (uint32_t t = 0; t < m->program.n_tiles; t++)
        pthread_cond_broadcast(&m->cores[t].wake);
}

bool tile_lock_take(tile_lock *lock)
{
    if (!lock->value)
        return false;
    lock->value--;
    return true;
}

void tile_lock_raise(tile_machine *m, tile_lock *lock, uint32_t tile)
{
    lock->value++;
    lock->released++;
    pthread_cond_signal(&m->cores[tile].wake);
    pthread_cond_signal(&m->wake);
}
