/* Element types of checkpoints, one row each. */
#include "import/read/reader.h"

#include "base/size.h"
#include "tensor/dtype.h"

#include <string.h>

/* ---- The table ------------------------------------------------------------------------------------ */

#define PLAIN(name, dtype, bytes)                                                                            \
    {                                                                                                        \
        name, dtype, 1, bytes, N_BLOCK_KINDS                                                                 \
    }

static const weight_format formats[] = {PLAIN("float64", SIB_F64, 8),
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
#define ROW(name, block, bytes) {#name, SIB_DTYPE_UNKNOWN, block, bytes, BLOCK_##name},
                                        BLOCK_FORMATS(ROW)
#undef ROW
};

#define N_FORMATS (sizeof formats / sizeof *formats)

/* ggml's numbers; those without a name of ours have blocks that Sibyl does not decode. */
static const struct {
    uint32_t number;
    const char *name, *format;
} ggml_types[] = {
    {0, "F32", "float32"},    {1, "F16", "float16"}, {2, "Q4_0", "q4_0"},      {3, "Q4_1", "q4_1"},
    {6, "Q5_0", "q5_0"},      {7, "Q5_1", "q5_1"},   {8, "Q8_0", "q8_0"},      {9, "Q8_1", NULL},
    {10, "Q2_K", "q2_k"},     {11, "Q3_K", "q3_k"},  {12, "Q4_K", "q4_k"},     {13, "Q5_K", "q5_k"},
    {14, "Q6_K", "q6_k"},     {15, "Q8_K", NULL},    {16, "IQ2_XXS", NULL},    {17, "IQ2_XS", NULL},
    {18, "IQ3_XXS", NULL},    {19, "IQ1_S", NULL},   {20, "IQ4_NL", "iq4_nl"}, {21, "IQ3_S", NULL},
    {22, "IQ2_S", NULL},      {23, "IQ4_XS", NULL},  {24, "I8", "int8"},       {25, "I16", "int16"},
    {26, "I32", "int32"},     {27, "I64", "int64"},  {28, "F64", "float64"},   {29, "IQ1_M", NULL},
    {30, "BF16", "bfloat16"}, {34, "TQ1_0", NULL},   {35, "TQ2_0", NULL},      {39, "MXFP4", "mxfp4"},
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
