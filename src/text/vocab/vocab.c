#include "text/vocab/vocab.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"

#define FIRST_SLOTS 512u

static inline uint64_t load_le(const char *data, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)(uint8_t)data[i] << (8 * i);
    return word;
}

static inline uint64_t load_8(const char *data)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
#else
    return load_le(data, 8);
#endif
}

/* Multiplies in one 8-byte word after the other; the last word overlaps the one before unless there are
   fewer than 8 bytes. */
uint32_t text_hash(const char *data, size_t size)
{
    uint64_t h = size * UINT64_C(0x9E3779B97F4A7C15);
    if (size < 8) {
        h ^= load_le(data, size);
    } else {
        for (size_t at = 0; at + 8 < size; at += 8) {
            h = (h ^ load_8(data + at)) * UINT64_C(0xD6E8FEB86659FD93);
            h ^= h >> 32;
        }
        h ^= load_8(data + size - 8);
    }
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(h >> 32);
}

int32_t vocab_find_hashed(const vocab *v, const char *data, size_t size, uint32_t hash)
{
    if (!v->slots)
        return -1;
    for (uint32_t i = hash & v->mask;; i = (i + 1) & v->mask) {
        const vocab_slot *s = &v->slots[i];
        if (s->id < 0)
            return -1;
        if (s->hash != hash)
            continue;
        const token *t = &v->tokens[s->id];
        if (t->size == size && (!size || memcmp(v->bytes.data + t->at, data, size) == 0))
            return s->id;
    }
}

int32_t vocab_find(const vocab *v, const char *data, size_t size)
{
    return vocab_find_hashed(v, data, size, text_hash(data, size));
}

static void put_slot(vocab_slot *slots, uint32_t mask, vocab_slot slot)
{
    uint32_t i = slot.hash & mask;
    while (slots[i].id >= 0)
        i = (i + 1) & mask;
    slots[i] = slot;
}

/* Makes room for one more, keeping at most half of the slots used. */
static sib_code grow_slots(vocab *v, sib_error *err)
{
    uint32_t n = v->slots ? v->mask + 1 : FIRST_SLOTS;
    if (n / 2 <= v->n_found)
        n *= 2;
    if (v->slots && n == v->mask + 1)
        return SIB_OK;
    vocab_slot *slots = mem_alloc(n, sizeof *slots);
    if (!slots)
        return err_memory(err, n * sizeof *slots, "a vocabulary");
    for (uint32_t i = 0; i < n; i++)
        slots[i].id = -1;
    for (uint32_t i = 0; v->slots && i <= v->mask; i++)
        if (v->slots[i].id >= 0)
            put_slot(slots, n - 1, v->slots[i]);
    mem_free(v->slots);
    v->slots = slots;
    v->mask = n - 1;
    return SIB_OK;
}

sib_code vocab_widen(vocab *v, size_t n, sib_error *err)
{
    if (n > VOCAB_MAX_IDS)
        return err_set(err, SIB_ERR_SIZE, "there are %zu ids, the limit is %u", n, VOCAB_MAX_IDS);
    sib_code code = ARRAY_RESERVE(v->tokens, v->capacity, n, "a vocabulary", err);
    if (code == SIB_OK && n > v->n) {
        memset(v->tokens + v->n, 0, (n - v->n) * sizeof *v->tokens);
        v->n = n;
    }
    return code;
}

sib_code vocab_add(vocab *v, int32_t id, sib_str bytes, uint8_t flags, sib_error *err)
{
    if (id < 0 || (uint32_t)id >= VOCAB_MAX_IDS)
        return err_set(err, SIB_ERR_SIZE, "id %d is out of range, expected 0 to %u", (int)id,
                       VOCAB_MAX_IDS - 1);
    if (bytes.length > VOCAB_MAX_BYTES - v->bytes.n)
        return err_set(err, SIB_ERR_SIZE, "the tokens have more than %u bytes", VOCAB_MAX_BYTES);
    if (bytes.length > VOCAB_MAX_TOKEN)
        return err_set(err, SIB_ERR_SIZE, "id %d has %zu bytes, expected at most %u", (int)id, bytes.length,
                       VOCAB_MAX_TOKEN);
    sib_code code = vocab_widen(v, (size_t)id + 1, err);
    if (code == SIB_OK)
        code = grow_slots(v, err);
    if (code != SIB_OK)
        return code;
    uint32_t hash = text_hash(bytes.data, bytes.length);
    if (v->tokens[id].flags & TOKEN_KNOWN)
        return err_set(err, SIB_ERR_FORMAT, "id %d occurs twice", (int)id);
    if (!(flags & TOKEN_HIDDEN)) {
        int32_t other = vocab_find_hashed(v, bytes.data, bytes.length, hash);
        if (other >= 0)
            return err_set(err, SIB_ERR_FORMAT, "ids %d and %d have the same bytes '%.*s'", (int)other,
                           (int)id, (int)size_min(bytes.length, 64), bytes.data);
    }
    uint32_t at = (uint32_t)v->bytes.n;
    buf_add(&v->bytes, bytes.data, bytes.length, err);
    if (v->bytes.code != SIB_OK)
        return v->bytes.code;
    v->tokens[id] = (token){at, (uint32_t)bytes.length, (uint8_t)(flags | TOKEN_KNOWN)};
    v->longest = size_max(v->longest, bytes.length);
    v->n_found += !(flags & TOKEN_HIDDEN);
    if (!(flags & TOKEN_HIDDEN))
        put_slot(v->slots, v->mask, (vocab_slot){hash, id});
    return SIB_OK;
}

void vocab_free(vocab *v)
{
    mem_free(v->tokens);
    mem_free(v->slots);
    buf_free(&v->bytes);
    *v = (vocab){0};
}
