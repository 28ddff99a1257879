/* Shared by the tests of tensors: arrays of codes. */
#ifndef TESTS_TENSOR_SUPPORT_H
#define TESTS_TENSOR_SUPPORT_H

#include "check_memory.h"

#include <inttypes.h>
#include <math.h>
#include <sibyl/tensor.h>

static const sib_dtype all_dtypes[] = {
#define SUPPORT_DTYPE(constant, number, name, bits, kind) constant,
    SIB_DTYPES(SUPPORT_DTYPE)
#undef SUPPORT_DTYPE
};
#define N_DTYPES (sizeof all_dtypes / sizeof *all_dtypes)

/* Writes and reads the code of element i of a dense array. */
static inline void put_code(sib_dtype dtype, void *data, size_t i, uint64_t code)
{
    unsigned bits = sib_dtype_bits(dtype);
    unsigned char *bytes = data;
    for (unsigned b = 0; b < bits; b++) {
        size_t at = i * bits + b;
        unsigned char mask = (unsigned char)(1u << at % 8);
        bytes[at / 8] = (unsigned char)(code >> b & 1 ? bytes[at / 8] | mask : bytes[at / 8] & ~mask);
    }
}

static inline uint64_t get_code(sib_dtype dtype, const void *data, size_t i)
{
    unsigned bits = sib_dtype_bits(dtype);
    const unsigned char *bytes = data;
    uint64_t code = 0;
    for (unsigned b = 0; b < bits && b < 64; b++) {
        size_t at = i * bits + b;
        code |= (uint64_t)(bytes[at / 8] >> at % 8 & 1) << b;
    }
    return code;
}

/* A dense tensor of random bits; strings of up to 5 letters. */
static inline sib_tensor *random_tensor(sib_dtype dtype, size_t rank, const int64_t *dims, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(dtype, rank, dims, &t, &err), err);
    unsigned bits = sib_dtype_bits(dtype);
    for (uint64_t i = 0; i < sib_tensor_count(t); i++) {
        int64_t index[SIB_MAX_RANK], rest = (int64_t)i;
        uint64_t code = check_u64(r);
        for (size_t a = rank; a-- > 0; rest /= dims[a])
            index[a] = rest % dims[a];
        if (dtype == SIB_STRING) {
            char text[8] = {(char)('a' + code % 26), (char)('a' + code / 26 % 26), (char)0xC3, (char)0xA9,
                            'z'};
            static const size_t lengths[] = {0, 1, 2, 4, 5};
            CHECK_OK(sib_tensor_set_string(t, index, (sib_str){text, lengths[code / 676 % 5]}, &err), err);
        } else if (bits == 128) {
            memcpy((char *)sib_tensor_data(t) + 16 * i, &code, 8);
            code = check_u64(r);
            memcpy((char *)sib_tensor_data(t) + 16 * i + 8, &code, 8);
        } else {
            put_code(dtype, sib_tensor_data(t), (size_t)i, dtype == SIB_BOOL ? code & 1 : code);
        }
    }
    return t;
}

/* Returns true if a and b have the same dtype, shape and bits, whatever their strides. */
static inline bool same_bits(const sib_tensor *a, const sib_tensor *b)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *x, *y;
    if (sib_tensor_dtype(a) != sib_tensor_dtype(b) || sib_tensor_rank(a) != sib_tensor_rank(b) ||
        memcmp(sib_tensor_dims(a), sib_tensor_dims(b), sib_tensor_rank(a) * sizeof(int64_t)) != 0)
        return false;
    CHECK_OK(sib_tensor_copy(a, &x, &err), err);
    CHECK_OK(sib_tensor_copy(b, &y, &err), err);
    size_t bytes = ((size_t)sib_tensor_count(x) * sib_dtype_bits(sib_tensor_dtype(x)) + 7) / 8;
    bool same = true;
    if (sib_tensor_dtype(x) == SIB_STRING) {
        const sib_str *s = sib_tensor_data(x), *u = sib_tensor_data(y);
        for (uint64_t i = 0; i < sib_tensor_count(x); i++)
            same = same && s[i].length == u[i].length && memcmp(s[i].data, u[i].data, s[i].length) == 0;
    } else {
        same = memcmp(sib_tensor_data(x), sib_tensor_data(y), bytes) == 0;
    }
    sib_tensor_free(&x);
    sib_tensor_free(&y);
    return same;
}

#endif
