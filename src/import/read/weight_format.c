/* Element types of checkpoints, one row each, and the decoding of blocks. Layouts of blocks as ggml defines
   them: scales are float16 and come first, except in q6_k. */
#include "import/read/reader.h"

#include "base/size.h"
#include "tensor/dtype.h"

#include <string.h>

/* float16 at p, which may be unaligned. Exact: float holds every value. */
static float half_at(const uint8_t *p)
{
    uint32_t h = (uint32_t)p[0] | (uint32_t)p[1] << 8, bits = (h & 0x7FFF) << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f; /* the exponent's bias: 127 - 15 */
    memcpy(&bits, &value, sizeof bits);
    if ((h & 0x7C00) == 0x7C00) /* infinity, NaN */
        bits = 0x7F800000 | (h & 0x3FF) << 13;
    bits |= (h & 0x8000) << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* x = d * (q - 8); d, then 16 bytes: elements 0 to 15 in the low nibbles, 16 to 31 in the high ones. */
static void decode_q4_0(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 18, out += 32) {
        float d = half_at(p);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((p[2 + i] & 15) - 8);
            out[i + 16] = d * (float)((p[2 + i] >> 4) - 8);
        }
    }
}

/* x = d * q + m; d, m, then as q4_0. */
static void decode_q4_1(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 20, out += 32) {
        float d = half_at(p), m = half_at(p + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)(p[4 + i] & 15) + m;
            out[i + 16] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

/* x = d * (q - 16); d, 32 bits with the fifth bits, then as q4_0. */
static void decode_q5_0(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 22, out += 32) {
        float d = half_at(p);
        uint32_t high = u32_at(p + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((int)((p[6 + i] & 15) | (high >> i & 1) << 4) - 16);
            out[i + 16] = d * (float)((int)((p[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16);
        }
    }
}

/* x = d * q + m; d, m, then as q5_0. */
static void decode_q5_1(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 24, out += 32) {
        float d = half_at(p), m = half_at(p + 2);
        uint32_t high = u32_at(p + 4);
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((p[8 + i] & 15) | (high >> i & 1) << 4) + m;
            out[i + 16] = d * (float)((p[8 + i] >> 4) | (high >> (i + 16) & 1) << 4) + m;
        }
    }
}

/* x = d * q; d, then 32 signed bytes. */
static void decode_q8_0(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 34, out += 32) {
        float d = half_at(p);
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)(int8_t)p[2 + i];
    }
}

/* Scale and minimum, 6 bits each, of part j of the 8 in a block of 256, from the 12 bytes that hold them. */
static void k_scale(const uint8_t *p, int j, float *scale, float *minimum)
{
    if (j < 4) {
        *scale = (float)(p[j] & 63);
        *minimum = (float)(p[j + 4] & 63);
    } else {
        *scale = (float)((p[j + 4] & 15) | (p[j - 4] >> 6) << 4);
        *minimum = (float)((p[j + 4] >> 4) | (p[j] >> 6) << 4);
    }
}

/* x = d * scale * q - dmin * minimum, 8 parts of 32 elements; d, dmin, scales (12), with `fifth` the fifth
   bits (32: bit j of byte i for element i of part j), quants (128): two parts share 32 bytes, the first in
   the low nibbles. */
static void decode_k(const uint8_t *p, bool fifth, float *out)
{
    float d = half_at(p), dmin = half_at(p + 2);
    const uint8_t *scales = p + 4, *high = p + 16, *quants = p + (fifth ? 48 : 16);
    for (int j = 0; j < 8; j++) {
        float scale, minimum;
        k_scale(scales, j, &scale, &minimum);
        scale *= d;
        minimum *= dmin;
        for (int i = 0; i < 32; i++) {
            unsigned q = quants[j / 2 * 32 + i] >> (j % 2 * 4) & 15;
            if (fifth)
                q |= (high[i] >> j & 1u) << 4;
            out[j * 32 + i] = scale * (float)q - minimum;
        }
    }
}

static void decode_q4_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 144, out += 256)
        decode_k(p, false, out);
}

static void decode_q5_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 176, out += 256)
        decode_k(p, true, out);
}

/* x = d * scale * (q - 32), 16 parts of 16 elements; low nibbles (128 bytes), high two bits (64), scales (16,
   signed), d. Each half of the block has 64 of those 128 bytes: the low nibbles of the first and last 32 are
   for elements 0 to 31 and 32 to 63, the high nibbles for 64 to 95 and 96 to 127. */
static void decode_q6_k(const uint8_t *p, size_t n, float *out)
{
    for (; n--; p += 210, out += 256) {
        const uint8_t *low = p, *high = p + 128, *scales = p + 192;
        float d = half_at(p + 208);
        for (int j = 0; j < 8; j++) { /* 32 elements */
            int half = j / 4, quarter = j % 4;
            for (int i = 0; i < 32; i++) {
                unsigned four = low[half * 64 + quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 15;
                unsigned two = high[half * 32 + i] >> (quarter * 2) & 3;
                float scale = d * (float)(int8_t)scales[j * 2 + i / 16];
                out[j * 32 + i] = scale * (float)((int)(four | two << 4) - 32);
            }
        }
    }
}

/* ---- The table ------------------------------------------------------------------------------------ */

#define PLAIN(name, dtype, bytes)                                                                            \
    {                                                                                                        \
        name, dtype, 1, bytes, NULL                                                                          \
    }

static const weight_format formats[] = {
    PLAIN("float64", SIB_F64, 8),
    PLAIN("float32", SIB_F32, 4),
    PLAIN("float16", SIB_F16, 2),
    PLAIN("bfloat16", SIB_BF16, 2),
    PLAIN("float8e4m3fn", SIB_F8E4M3FN, 1),
    PLAIN("float8e4m3fnuz", SIB_F8E4M3FNUZ, 1),
    PLAIN("float8e5m2", SIB_F8E5M2, 1),
    PLAIN("float8e5m2fnuz", SIB_F8E5M2FNUZ, 1),
    PLAIN("float8e8m0", SIB_F8E8M0, 1),
    PLAIN("int64", SIB_I64, 8),
    PLAIN("int32", SIB_I32, 4),
    PLAIN("int16", SIB_I16, 2),
    PLAIN("int8", SIB_I8, 1),
    PLAIN("uint64", SIB_U64, 8),
    PLAIN("uint32", SIB_U32, 4),
    PLAIN("uint16", SIB_U16, 2),
    PLAIN("uint8", SIB_U8, 1),
    PLAIN("bool", SIB_BOOL, 1),
    PLAIN("complex64", SIB_C64, 8),
    PLAIN("complex128", SIB_C128, 16),
    {"q4_0", SIB_DTYPE_UNKNOWN, 32, 18, decode_q4_0},
    {"q4_1", SIB_DTYPE_UNKNOWN, 32, 20, decode_q4_1},
    {"q5_0", SIB_DTYPE_UNKNOWN, 32, 22, decode_q5_0},
    {"q5_1", SIB_DTYPE_UNKNOWN, 32, 24, decode_q5_1},
    {"q8_0", SIB_DTYPE_UNKNOWN, 32, 34, decode_q8_0},
    {"q4_k", SIB_DTYPE_UNKNOWN, 256, 144, decode_q4_k},
    {"q5_k", SIB_DTYPE_UNKNOWN, 256, 176, decode_q5_k},
    {"q6_k", SIB_DTYPE_UNKNOWN, 256, 210, decode_q6_k},
};

#define N_FORMATS (sizeof formats / sizeof *formats)

/* ggml's numbers; those without a name of ours have blocks that Sibyl does not decode. */
static const struct {
    uint32_t number;
    const char *name, *format;
} ggml_types[] = {
    {0, "F32", "float32"},    {1, "F16", "float16"}, {2, "Q4_0", "q4_0"},    {3, "Q4_1", "q4_1"},
    {6, "Q5_0", "q5_0"},      {7, "Q5_1", "q5_1"},   {8, "Q8_0", "q8_0"},    {9, "Q8_1", NULL},
    {10, "Q2_K", NULL},       {11, "Q3_K", NULL},    {12, "Q4_K", "q4_k"},   {13, "Q5_K", "q5_k"},
    {14, "Q6_K", "q6_k"},     {15, "Q8_K", NULL},    {16, "IQ2_XXS", NULL},  {17, "IQ2_XS", NULL},
    {18, "IQ3_XXS", NULL},    {19, "IQ1_S", NULL},   {20, "IQ4_NL", NULL},   {21, "IQ3_S", NULL},
    {22, "IQ2_S", NULL},      {23, "IQ4_XS", NULL},  {24, "I8", "int8"},     {25, "I16", "int16"},
    {26, "I32", "int32"},     {27, "I64", "int64"},  {28, "F64", "float64"}, {29, "IQ1_M", NULL},
    {30, "BF16", "bfloat16"}, {34, "TQ1_0", NULL},   {35, "TQ2_0", NULL},    {39, "MXFP4", NULL},
};

const weight_format *weight_format_of(sib_dtype dtype)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (dtype != SIB_DTYPE_UNKNOWN && formats[i].dtype == dtype)
            return &formats[i];
    return NULL;
}

const weight_format *weight_format_named(const char *name)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const weight_format *weight_format_of_ggml(uint32_t number, const char **name)
{
    *name = "a type without name";
    for (size_t i = 0; i < sizeof ggml_types / sizeof *ggml_types; i++)
        if (ggml_types[i].number == number) {
            *name = ggml_types[i].name;
            return ggml_types[i].format ? weight_format_named(ggml_types[i].format) : NULL;
        }
    return NULL;
}

bool weight_format_bytes(const weight_format *f, size_t rank, const int64_t *dims, uint64_t *bytes)
{
    int64_t count = 1, total;
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0 || !i64_mul(count, dims[i], &count))
            return false;
    if (f->block > 1 && (rank == 0 || dims[rank - 1] % f->block != 0))
        return false;
    if (!i64_mul(count / f->block, f->bytes, &total))
        return false;
    *bytes = (uint64_t)total;
    return true;
}
