/* Inputs moved by one representable number: how far a result depends on the last bit. */
#include "diff/judge.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

static uint64_t scrambled(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* +1: away from zero; -1: towards it. */
static int direction(movement m, uint32_t key, uint64_t i)
{
    if (m == MOVE_AWAY || m == MOVE_TOWARDS)
        return m == MOVE_AWAY ? 1 : -1;
    const uint64_t seed = m >= MOVE_RANDOM_2 ? 2 : 1;
    const int random = scrambled((seed << 60) ^ ((uint64_t)key << 32) ^ i) & 1 ? 1 : -1;
    return m == MOVE_RANDOM_1 || m == MOVE_RANDOM_2 ? random : -random;
}

const float_format *moved_format(sib_dtype dtype)
{
    const float_format *f = format_of(dtype);
    return f && f->mantissa_bits >= 7 ? f : NULL;
}

uint64_t code_at(const void *data, const float_format *f, uint64_t i)
{
    uint64_t code = 0; /* little-endian, as all that Sibyl is built for */
    memcpy(&code, (const char *)data + i * format_bytes(f), format_bytes(f));
    return code;
}

/* Whether a code stands for a number that is no integer, and finite. */
static bool is_fraction(const float_format *f, uint64_t code)
{
    const uint64_t magnitude = code & ((UINT64_C(1) << (f->mantissa_bits + f->exponent_bits)) - 1);
    const uint64_t mantissa = magnitude & ((UINT64_C(1) << f->mantissa_bits) - 1);
    const int64_t whole =
        (int64_t)(magnitude >> f->mantissa_bits) - f->bias; /* bits of the mantissa before the point */
    if (!magnitude || magnitude >= f->infinity)
        return false;
    return whole < 0 || (whole < (int64_t)f->mantissa_bits &&
                         (mantissa << whole & ((UINT64_C(1) << f->mantissa_bits) - 1)));
}

static sib_code move_tensor(const sib_tensor *t, movement m, uint32_t key, sib_value **out, sib_error *err)
{
    uint64_t parts;
    const float_format *f = moved_format(part_of(sib_tensor_dtype(t), &parts));
    sib_tensor *copy = NULL;
    if (!f)
        return sib_value_from_tensor(t, out, err);
    sib_code done = sib_tensor_copy(t, &copy, err);
    if (done != SIB_OK)
        return done;
    char *data = sib_tensor_data(copy);
    const uint64_t n = sib_tensor_count(copy) * parts;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t code = code_at(data, f, i);
        if (is_fraction(f, code))
            code = direction(m, key, i) > 0 ? code + 1 : code - 1;
        memcpy(data + i * format_bytes(f), &code, format_bytes(f));
    }
    done = sib_value_from_tensor(copy, out, err);
    sib_tensor_free(&copy);
    return done;
}

static sib_code move_sequence(const sib_value *v, movement m, uint32_t key, sib_value **out, sib_error *err)
{
    const size_t n = sib_value_count(v);
    sib_value **items = mem_calloc(n ? n : 1, sizeof *items);
    sib_code code = items ? SIB_OK : err_memory(err, n * sizeof *items, "a sequence");
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const sib_value *item = sib_value_item(v, i);
        const sib_tensor *t = sib_value_tensor(item);
        code =
            t ? move_tensor(t, m, key + (uint32_t)i, &items[i], err) : sib_value_copy(item, &items[i], err);
    }
    if (code == SIB_OK)
        code = sib_value_sequence(n, (const sib_value *const *)items, out, err);
    for (size_t i = 0; items && i < n; i++)
        sib_value_free(&items[i]);
    mem_free(items);
    return code;
}

sib_code move_value(const sib_value *v, movement m, uint32_t key, sib_value **out, sib_error *err)
{
    if (sib_value_get_kind(v) == SIB_VALUE_SEQUENCE)
        return move_sequence(v, m, key, out, err);
    const sib_tensor *t = sib_value_tensor(v);
    return t ? move_tensor(t, m, key, out, err) : sib_value_copy(v, out, err);
}
