#include "tensor/dtype.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* Elements are in native byte order, which must be that of the files (.npy, ONNX): little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "big-endian machines need byte swaps in npy.c");

/* A string is a pointer and a length, 128 bits where these have 64. */
#define DTYPE_ROW(constant, number, name, bits, kind)                                                        \
    [number] = {name, (kind) == SIB_KIND_STRING ? 8 * sizeof(sib_str) : (bits), kind},
static const dtype_row rows[] = {{"unknown", 0, SIB_KIND_NONE}, SIB_DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
};

#define N_ROWS (sizeof rows / sizeof *rows)

const dtype_row *dtype_info(sib_dtype dtype)
{
    return &rows[(size_t)dtype < N_ROWS ? (size_t)dtype : 0];
}

bool dtype_is_packed(sib_dtype dtype)
{
    unsigned bits = dtype_info(dtype)->bits;
    return bits > 0 && bits < 8;
}

size_t dtype_stride(sib_dtype dtype)
{
    return dtype_info(dtype)->bits / 8;
}

size_t dtype_align(sib_dtype dtype)
{
    const dtype_row *row = dtype_info(dtype);
    unsigned parts = row->kind == SIB_KIND_COMPLEX || row->kind == SIB_KIND_STRING ? 2 : 1;
    return size_max(row->bits / 8 / parts, 1);
}

bool dtype_bytes(sib_dtype dtype, uint64_t n, size_t *out)
{
    unsigned bits = dtype_info(dtype)->bits;
    if (bits < 8) {
        *out = size_ceil_div((size_t)n, bits ? 8 / bits : 1);
        return n <= PTRDIFF_MAX;
    }
    return n <= PTRDIFF_MAX && size_mul((size_t)n, bits / 8, out) && *out <= PTRDIFF_MAX;
}

sib_code dtype_check(sib_dtype dtype, sib_error *err)
{
    if (dtype_info(dtype)->bits == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "dtype %d is not known, expected one of SIB_DTYPES",
                       (int)dtype);
    return SIB_OK;
}

const char *sib_dtype_name(sib_dtype dtype)
{
    return dtype_info(dtype)->name;
}

sib_dtype sib_dtype_from_name(const char *name)
{
    for (size_t i = 1; name && i < N_ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (sib_dtype)i;
    return SIB_DTYPE_UNKNOWN;
}

unsigned sib_dtype_bits(sib_dtype dtype)
{
    return dtype_info(dtype)->bits;
}

sib_dtype_kind sib_dtype_get_kind(sib_dtype dtype)
{
    return dtype_info(dtype)->kind;
}
