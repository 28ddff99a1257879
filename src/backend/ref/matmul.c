/* Matrix products, in blocks that fit the cache. Every sum is in ascending order, so blocking does not
   change the result. */
#include "backend/ref/elements.h"
#include "backend/ref/kernel.h"
#include "base/pool.h"

#include <string.h>

/* Rows of a, columns of b and terms of the sums in one block. */
#define BLOCK_ROWS    64
#define BLOCK_COLUMNS 256
#define BLOCK_TERMS   128

/* Multiplications below which waking threads does not pay. */
#define WORTH_THREADS 2000000

typedef union matmul_number {
    double f;
    uint64_t u; /* signed ones too: the low bits are equal */
} matmul_number;

typedef struct matmul_scratch {
    matmul_number a[BLOCK_ROWS * BLOCK_TERMS], b[BLOCK_TERMS * BLOCK_COLUMNS],
        sums[BLOCK_ROWS * BLOCK_COLUMNS];
} matmul_scratch;

typedef struct matmul {
    const sib_tensor *a, *b;
    sib_tensor *out;
    ref_path path;
    uint64_t rows, columns, terms;
    uint64_t row_blocks, column_blocks; /* of one product */
    matmul_scratch *scratch;            /* (threads) */
    const struct sib_cancel *cancel;
} matmul;

/* sums[i][j] += sum over k of a[i][k] * b[k][j], ascending. a: (rows, BLOCK_TERMS), b: (terms, columns),
   sums: (rows, columns). Four terms at a time, so that a sum is loaded and stored once for them. */
#define MATMUL_BLOCK(name, type, member)                                                                     \
    static void name(size_t rows, size_t terms, size_t columns, const matmul_number *a,                      \
                     const matmul_number *b, matmul_number *restrict sums)                                   \
    {                                                                                                        \
        for (size_t i = 0; i < rows; i++) {                                                                  \
            const matmul_number *x = a + i * BLOCK_TERMS;                                                    \
            matmul_number *restrict sum = sums + i * columns;                                                \
            size_t k = 0;                                                                                    \
            for (; k + 4 <= terms; k += 4) {                                                                 \
                const matmul_number *b0 = b + k * columns, *b1 = b0 + columns, *b2 = b1 + columns,           \
                                    *b3 = b2 + columns;                                                      \
                type x0 = x[k].member, x1 = x[k + 1].member, x2 = x[k + 2].member, x3 = x[k + 3].member;     \
                for (size_t j = 0; j < columns; j++)                                                         \
                    sum[j].member =                                                                          \
                        (((sum[j].member + x0 * b0[j].member) + x1 * b1[j].member) + x2 * b2[j].member) +    \
                        x3 * b3[j].member;                                                                   \
            }                                                                                                \
            for (; k < terms; k++)                                                                           \
                for (size_t j = 0; j < columns; j++)                                                         \
                    sum[j].member += x[k].member * b[k * columns + j].member;                                \
        }                                                                                                    \
    }

MATMUL_BLOCK(block_doubles, double, f)
MATMUL_BLOCK(block_ints, uint64_t, u)

/* The first element in t of the matrix for product `batch` of the result; t's leading dims broadcast. */
static uint64_t matrix_at(const sib_tensor *t, const sib_tensor *out, uint64_t batch)
{
    uint64_t stride = (uint64_t)t->dims[t->rank - 2] * (uint64_t)t->dims[t->rank - 1], at = 0;
    for (size_t i = 2; i < out->rank; i++) {
        uint64_t size = (uint64_t)out->dims[out->rank - 1 - i], index = batch % size;
        uint64_t own = i < t->rank ? (uint64_t)t->dims[t->rank - 1 - i] : 1;
        at += own == 1 ? 0 : index * stride;
        stride *= own;
        batch /= size;
    }
    return at;
}

static void load(ref_path path, const sib_tensor *t, uint64_t first, size_t n, matmul_number *to)
{
    if (path == REF_PATH_DOUBLE)
        ref_load_doubles(t->dtype, t->data, first, n, (double *)(void *)to);
    else
        ref_load_ints(t->dtype, t->data, first, n, (int64_t *)(void *)to);
}

/* Loads `rows` lines of n elements, `pitch` apart in t and `stride` in `to`. */
static void load_lines(ref_path path, const sib_tensor *t, uint64_t first, uint64_t pitch, size_t rows,
                       size_t n, matmul_number *to, size_t stride)
{
    if (pitch == n && stride == n) {
        load(path, t, first, rows * n, to);
        return;
    }
    for (size_t i = 0; i < rows; i++)
        load(path, t, first + i * pitch, n, to + i * stride);
}

static void run_block(const matmul *m, uint64_t item, matmul_scratch *s)
{
    uint64_t row = item % m->row_blocks * BLOCK_ROWS, batch = item / m->row_blocks / m->column_blocks;
    uint64_t column = item / m->row_blocks % m->column_blocks * BLOCK_COLUMNS;
    size_t rows = size_min(BLOCK_ROWS, m->rows - row), columns = size_min(BLOCK_COLUMNS, m->columns - column);
    uint64_t a = matrix_at(m->a, m->out, batch), b = matrix_at(m->b, m->out, batch);
    uint64_t out = (batch * m->rows + row) * m->columns + column;
    memset(s->sums, 0, rows * columns * sizeof *s->sums);
    for (uint64_t k = 0; k < m->terms && !cancel_is_set(m->cancel); k += BLOCK_TERMS) {
        size_t terms = size_min(BLOCK_TERMS, m->terms - k);
        load_lines(m->path, m->a, a + row * m->terms + k, m->terms, rows, terms, s->a, BLOCK_TERMS);
        load_lines(m->path, m->b, b + k * m->columns + column, m->columns, terms, columns, s->b, columns);
        (m->path == REF_PATH_DOUBLE ? block_doubles : block_ints)(rows, terms, columns, s->a, s->b, s->sums);
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j += REF_BLOCK)
            ref_store(m->path, (const ref_block *)(const void *)(s->sums + i * columns + j), m->out->dtype,
                      m->out->data, out + i * m->columns + j, size_min(REF_BLOCK, columns - j));
}

static void run_blocks(void *context, size_t begin, size_t count, unsigned worker)
{
    const matmul *m = context;
    for (size_t i = begin; i < begin + count && !cancel_is_set(m->cancel); i++)
        run_block(m, i, &m->scratch[worker]);
}

static sib_code run_numbers(const ref_call *c, matmul *m, uint64_t batches)
{
    double work = (double)m->out->count * (double)m->terms;
    /* blocks of packed results share bytes, which two threads must not write concurrently */
    sib_pool *pool = work >= WORTH_THREADS && !dtype_is_packed(m->out->dtype) ? c->pool : NULL;
    unsigned threads = sib_pool_threads(pool);
    m->row_blocks = size_ceil_div(m->rows, BLOCK_ROWS);
    m->column_blocks = size_ceil_div(m->columns, BLOCK_COLUMNS);
    m->scratch = mem_alloc(threads, sizeof *m->scratch);
    if (!m->scratch)
        return ref_no_memory(c, threads * sizeof *m->scratch);
    pool_run(pool, batches * m->row_blocks * m->column_blocks, 1, run_blocks, m);
    mem_free(m->scratch);
    return ref_cancelled(c);
}

/* One product of complex matrices as pairs: a (rows, terms), b (terms, columns). */
static void complex_product(const matmul *m, const double (*a)[2], const double (*b)[2], uint64_t first)
{
    for (uint64_t i = 0; i < m->rows; i++)
        for (uint64_t j = 0; j < m->columns && !cancel_is_set(m->cancel); j++) {
            ref_block sum = {{0, 0}};
            for (uint64_t k = 0; k < m->terms; k++) {
                const double *x = a[i * m->terms + k], *y = b[k * m->columns + j];
                sum.c[0][0] += x[0] * y[0] - x[1] * y[1];
                sum.c[0][1] += x[0] * y[1] + x[1] * y[0];
            }
            ref_store(REF_PATH_COMPLEX, &sum, m->out->dtype, m->out->data, first + i * m->columns + j, 1);
        }
}

static sib_code run_complex(const ref_call *c, const matmul *m, uint64_t batches)
{
    size_t left = m->rows * m->terms, right = m->terms * m->columns;
    double(*a)[2] = mem_alloc(left, sizeof *a), (*b)[2] = mem_alloc(right, sizeof *b);
    sib_code code = a && b ? SIB_OK : ref_no_memory(c, (left + right) * sizeof *a);
    for (uint64_t batch = 0; batch < batches && code == SIB_OK; batch++) {
        ref_load_complex(m->a->dtype, m->a->data, matrix_at(m->a, m->out, batch), left, a);
        ref_load_complex(m->b->dtype, m->b->data, matrix_at(m->b, m->out, batch), right, b);
        complex_product(m, (const double(*)[2])a, (const double(*)[2])b, batch * m->rows * m->columns);
        code = ref_cancelled(c);
    }
    mem_free(a);
    mem_free(b);
    return code;
}

sib_code ref_matmul(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0), *b = ref_in(c, 1);
    sib_tensor *out = ref_out(c, 0);
    if (!out || out->count == 0)
        return SIB_OK;
    matmul m = {.a = a, .b = b, .out = out, .path = ref_path_of(a->dtype), .cancel = c->cancel};
    m.rows = (uint64_t)a->dims[a->rank - 2];
    m.terms = (uint64_t)a->dims[a->rank - 1];
    m.columns = (uint64_t)b->dims[b->rank - 1];
    uint64_t batches = out->count / (m.rows * m.columns);
    if (m.terms != (uint64_t)b->dims[b->rank - 2])
        return ref_fail(c, SIB_ERR_ARGUMENT, "%llu columns cannot be multiplied with %llu rows",
                        (unsigned long long)m.terms, (unsigned long long)b->dims[b->rank - 2]);
    if (m.path == REF_PATH_STRING || m.path == REF_PATH_BOOL)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(a->dtype));
    return m.path == REF_PATH_COMPLEX ? run_complex(c, &m, batches) : run_numbers(c, &m, batches);
}
