#include "import/model/source.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Elements that are converted at once. */
#define PIECE ((size_t)1 << 20)
/* Rows that are transposed together, so that entire cache lines are written. */
#define TRANSPOSE_ROWS 16

sib_code source_tensor(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out, sib_error *err)
{
    static const int64_t still[SIB_MAX_RANK];
    static const uint64_t zero[2];
    return sib_tensor_wrap(dtype, rank, dims, still, (void *)zero, NULL, NULL, out, err);
}

/* The file's row for row r of the model: interleaved halves of a head become consecutive. */
static int64_t row_of(const source *s, int64_t r)
{
    if (s->heads <= 0)
        return r;
    int64_t size = s->rows / s->heads, head = r / size, i = r % size, half = size / 2;
    return head * size + (i < half ? 2 * i : 2 * (i - half) + 1);
}

/* Reads n numbers of row r from column c on; where rows are permuted they must not go beyond the row. */
static sib_code read_floats(const source *s, int64_t r, int64_t c, size_t n, float *out, sib_error *err)
{
    return weight_read(s->from, (uint64_t)(row_of(s, r) * s->columns + c), n, SIB_F32, out, err);
}

/* ---- Scales -------------------------------------------------------------------------------------------- */

static sib_code largest(const source *s, import_work *work, float *piece, size_t room, float *out,
                        sib_error *err)
{
    sib_code code = SIB_OK;
    for (int64_t r = 0; r < s->rows && code == SIB_OK; r++)
        for (int64_t c = 0; c < s->columns && code == SIB_OK; c += (int64_t)room) {
            size_t n = size_min(room, (size_t)(s->columns - c));
            code = read_floats(s, r, c, n, piece, err);
            for (size_t i = 0; i < n && code == SIB_OK; i++) {
                float x = fabsf(piece[i]), *max = &out[s->scaled_columns ? c + (int64_t)i : r];
                if (!(x <= 3.4e38f))
                    return err_set(err, SIB_ERR_VALUE,
                                   "%s: element (%lld, %lld) is %g, which int8 cannot represent", s->name,
                                   (long long)r, (long long)c + (long long)i, (double)piece[i]);
                *max = x > *max ? x : *max;
            }
            if (code == SIB_OK)
                code = work_did(work, n * sizeof *piece, s->name, err);
        }
    return code;
}

sib_code source_scales(const source *s, import_work *work, float *out, sib_error *err)
{
    size_t n = (size_t)(s->scaled_columns ? s->columns : s->rows), room = size_min((size_t)s->columns, PIECE);
    float *piece = mem_alloc(room, sizeof *piece);
    memset(out, 0, n * sizeof *out);
    sib_code code = piece ? largest(s, work, piece, room, out, err)
                          : err_memory(err, room * sizeof *piece, "a piece of a weight");
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] > 0 ? out[i] / 127 : 1;
    mem_free(piece);
    return code;
}

/* ---- Elements ------------------------------------------------------------------------------------------ */

/* Converts n floats, the first at row r (in the file's order) and column c, to the model's dtype. down: the
   next one is in the next row rather than the next column. */
static sib_code narrow(const source *s, const float *x, size_t n, size_t r, size_t c, bool down, void *out,
                       sib_error *err)
{
    if (s->dtype != SIB_I8)
        return sib_convert(SIB_F32, x, s->dtype, out, n, SIB_OVERFLOW_IEEE, err);
    int8_t *q = out;
    for (size_t i = 0; i < n; i++) {
        size_t row = down ? r + i : r, column = down ? c : c + i;
        float y = x[i] / s->scales[s->scaled_columns ? column : row];
        q[i] = (int8_t)lrintf(y > 127 ? 127 : y < -127 ? -127 : y);
    }
    return SIB_OK;
}

/* Receives pieces in the model's order, for a file or memory. */
typedef struct sink {
    FILE *stream; /* or memory */
    char *memory;
    import_work *work; /* may be NULL */
} sink;

static sib_code write_bytes(sink *k, const source *s, const void *bytes, size_t n, sib_error *err)
{
    SIB_ASSERT(k->stream || k->memory);
    if (!k->stream) {
        memcpy(k->memory, bytes, n);
        k->memory += n;
    } else if (fwrite(bytes, 1, n, k->stream) != n)
        return SIB_ERR_IO; /* the file's writer says which and why */
    return k->work ? work_did(k->work, n, s->name, err) : SIB_OK;
}

/* Writes pieces of rows in the file's order. wide, small: (PIECE) */
static sib_code write_rows(const source *s, sink *k, float *wide, void *small, sib_error *err)
{
    sib_code code = SIB_OK;
    size_t width = sib_dtype_bits(s->dtype) / 8;
    for (int64_t r = 0; r < s->rows && code == SIB_OK; r++)
        for (int64_t c = 0; c < s->columns && code == SIB_OK; c += PIECE) {
            size_t n = size_min(PIECE, (size_t)(s->columns - c));
            code = read_floats(s, r, c, n, wide, err);
            if (code == SIB_OK && s->dtype != SIB_F32)
                code = narrow(s, wide, n, (size_t)r, (size_t)c, false, small, err);
            if (code == SIB_OK)
                code = write_bytes(k, s, s->dtype == SIB_F32 ? (void *)wide : small, n * width, err);
        }
    return code;
}

/* Writes everything in order, where neither rows nor scales matter. */
static sib_code write_flat(const source *s, sink *k, void *piece, sib_error *err)
{
    sib_code code = SIB_OK;
    size_t width = sib_dtype_bits(s->dtype) / 8, count = (size_t)(s->rows * s->columns);
    for (size_t i = 0; i < count && code == SIB_OK; i += PIECE) {
        size_t n = size_min(PIECE, count - i);
        code = weight_read(s->from, i, n, s->dtype, piece, err);
        if (code == SIB_OK)
            code = write_bytes(k, s, piece, n * width, err);
    }
    return code;
}

/* Transposes `across` columns of the file, from c on, to (across, rows). strip: (TRANSPOSE_ROWS, across) */
static sib_code transpose(const source *s, int64_t c, size_t across, float *strip, float *transposed,
                          sib_error *err)
{
    size_t rows = (size_t)s->rows;
    sib_code code = SIB_OK;
    for (size_t r = 0; r < rows && code == SIB_OK; r += TRANSPOSE_ROWS) {
        size_t deep = size_min(TRANSPOSE_ROWS, rows - r);
        for (size_t i = 0; i < deep && code == SIB_OK; i++)
            code = read_floats(s, (int64_t)(r + i), c, across, strip + i * across, err);
        for (size_t j = 0; j < across && code == SIB_OK; j++)
            for (size_t i = 0; i < deep; i++)
                transposed[j * rows + r + i] = strip[i * across + j];
    }
    return code;
}

static sib_code write_transposed(const source *s, sink *k, float *strip, float *transposed, void *small,
                                 size_t across, sib_error *err)
{
    sib_code code = SIB_OK;
    size_t width = sib_dtype_bits(s->dtype) / 8, rows = (size_t)s->rows;
    for (int64_t c = 0; c < s->columns && code == SIB_OK; c += (int64_t)across) {
        size_t n = size_min(across, (size_t)(s->columns - c));
        code = transpose(s, c, n, strip, transposed, err);
        for (size_t j = 0; j < n && code == SIB_OK && s->dtype != SIB_F32; j++)
            code = narrow(s, transposed + j * rows, rows, 0, (size_t)c + j, true,
                          (char *)small + j * rows * width, err);
        if (code == SIB_OK)
            code = write_bytes(k, s, s->dtype == SIB_F32 ? (void *)transposed : small, n * rows * width, err);
    }
    return code;
}

/* Rows of bytes as they are. */
static sib_code write_as_bytes(const source *s, sink *k, sib_error *err)
{
    sib_code code = SIB_OK;
    for (int64_t r = 0; r < s->rows && code == SIB_OK; r++)
        code = write_bytes(k, s, s->from->data + row_of(s, r) * s->columns, (size_t)s->columns, err);
    return code;
}

static sib_code write_source(const source *s, sink *k, sib_error *err)
{
    if (s->as_bytes)
        return write_as_bytes(s, k, err);
    size_t rows = (size_t)s->rows, columns = (size_t)s->columns, width = sib_dtype_bits(s->dtype) / 8;
    size_t across = size_min(columns, size_max(PIECE / size_max(rows, 1), 1));
    size_t room = s->transposed ? across * rows : size_min(PIECE, rows * columns);
    float *strip = s->transposed ? mem_alloc(TRANSPOSE_ROWS * across, sizeof *strip) : NULL;
    float *wide = mem_alloc(room, sizeof *wide);
    void *small = s->dtype != SIB_F32 ? mem_alloc(room, width) : NULL;
    sib_code code = SIB_OK;
    if (!wide || (s->transposed && !strip) || (s->dtype != SIB_F32 && !small))
        code = err_memory(err, room * sizeof *wide, "a piece of a weight");
    else if (s->transposed)
        code = write_transposed(s, k, strip, wide, small, across, err);
    else if (s->heads > 0 || s->dtype == SIB_I8)
        code = write_rows(s, k, wide, small, err);
    else
        code = write_flat(s, k, small ? small : wide, err);
    mem_free(strip);
    mem_free(wide);
    mem_free(small);
    return code;
}

sib_code source_read(const source *s, void *out, sib_error *err)
{
    sink k = {.memory = out};
    return write_source(s, &k, err);
}

sib_code source_write(void *context, const sib_tensor *t, FILE *stream, bool *own, sib_error *err)
{
    source_list *l = context;
    for (size_t i = 0; i < l->n; i++) {
        const source *s = &l->items[(l->at + i) % l->n];
        if (s->tensor != t)
            continue;
        l->at += i + 1;
        *own = true;
        return write_source(s, &(sink){.stream = stream, .work = l->work}, err);
    }
    *own = false;
    return SIB_OK;
}
