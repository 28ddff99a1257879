#include "backend/gpu/matvec.h"

/* Rows up to which the weights are read in the time of one row, or of two where they are of few bits. */
#define ROWS_MAX 8
/* Groups that keep the reading of a large GPU's memory busy: two for each of its multiprocessors. */
#define GROUPS_ENOUGH 264
/* Neighbouring words of b that a group reads of one of its rows, at least, where they are read singly. */
#define WORDS_TOGETHER 8

typedef struct matvec {
    gpu_kernel kernel;
    gpu_matvec_args args; /* those of the others have the same members */
    uint32_t rows;        /* of a group */
    size_t groups;
} matvec;

static bool divides(uint32_t unit, const gpu_matmul_args *a, uint32_t row, uint32_t line)
{
    return a->b_outer % unit == 0 && a->b_inner % unit == 0 && row % unit == 0 && line % unit == 0;
}

/* Sets how b lies, whose rows in memory are `line` elements and `row` apart. Returns false where words would hold
   elements of two. */
static bool set_words(matvec *v, const gpu_matmul_args *a, uint32_t row, uint32_t line)
{
    const uint32_t per_word = a->b_type == SIB_F32 ? 1 : 2;
    v->args.words = divides(4 * per_word, a, row, line) ? 4 : 1;
    v->args.b_row = row / per_word;
    v->args.b_outer = a->b_outer / per_word;
    v->args.b_inner = a->b_inner / per_word;
    return divides(per_word, a, row, line);
}

/* The more units, the more neighbours in memory are read together; the fewer, the more groups there are. A
   unit has `own` columns. */
static void set_units(matvec *v, uint32_t own, size_t pieces, size_t batches)
{
    uint32_t units = 1;
    while (units < MATVEC_UNITS &&
           (MATVEC_THREADS / units > pieces ||
            (v->kernel == GPU_matvec && units * v->args.words < WORDS_TOGETHER && v->args.words == 1) ||
            batches * size_ceil_div(v->args.n, (size_t)own * units * 2) >= GROUPS_ENOUGH))
        units *= 2;
    v->args.units = units;
    v->groups = size_ceil_div(v->args.n, (size_t)own * units);
}

static bool is_power_of_2(uint32_t n)
{
    return n && (n & (n - 1)) == 0;
}

/* Weights of few bits, in rows of b_row bytes. */
static bool describe_bits(matvec *v, const gpu_matmul_args *a)
{
    v->kernel = GPU_matvec_bits;
    v->rows = MATVEC_BITS_ROWS;
    v->args.words = a->b_row % 16 == 0 ? 4 : 1;
    v->args.b_row = a->b_row / 4;
    v->args.flags |=
        (a->flags & MATMUL_B_ZERO ? MATVEC_ZERO : 0) | (a->flags & MATMUL_REAL_ZERO ? MATVEC_REAL_ZERO : 0);
    v->args.bits = a->bits;
    v->args.block = a->block;
    v->args.blocks = a->blocks;
    v->args.zero_row = a->zero_row;
    set_units(v, MATVEC_T_WIDTH, v->args.b_row / v->args.words, 1);
    return a->k % 8 == 0 && a->block >= 16 && is_power_of_2(a->block) && v->groups <= GPU_MAX_GROUPS;
}

static bool describe(matvec *v, const gpu_matmul_args *a, size_t batches)
{
    const bool lines = a->b_row == 1 && (a->b_column != 1 || a->n == 1); /* neighbours are along k */
    const uint32_t per_word = a->b_type == SIB_F32 ? 1 : 2;
    *v = (matvec){.kernel = lines ? GPU_matvec_t : GPU_matvec,
                  .rows = MATVEC_ROWS,
                  .args = {.type = a->type,
                           .m = a->m,
                           .n = a->n,
                           .k = a->k,
                           .inner = a->inner,
                           .a_outer = a->a_outer,
                           .a_inner = a->a_inner,
                           .a_row = a->a_row,
                           .a_column = a->a_column,
                           .a_type = a->a_type,
                           .b_type = a->b_type,
                           .flags = a->flags & MATMUL_BIAS ? MATVEC_C : 0,
                           .c_row = a->c_row,
                           .c_column = a->c_column,
                           .alpha = a->flags & MATMUL_SCALED ? a->alpha : 1,
                           .beta = a->flags & MATMUL_SCALED ? a->beta : 1}};
    if (a->m > ROWS_MAX || !gpu_is_float((sib_dtype)a->a_type) || !gpu_is_float((sib_dtype)a->b_type))
        return false;
    if (a->bits)
        return describe_bits(v, a);
    if ((a->flags & ~(MATMUL_BIAS | MATMUL_SCALED)) || (!lines && a->b_column != 1) ||
        !set_words(v, a,
                   !lines     ? a->b_row
                   : a->n > 1 ? a->b_column
                              : a->k,
                   lines ? a->k : a->n))
        return false;
    if (lines)
        set_units(v, MATVEC_T_WIDTH, a->k / per_word / v->args.words, batches);
    else
        set_units(v, v->args.words * per_word, a->k, batches);
    return v->groups <= GPU_MAX_GROUPS;
}

bool gpu_is_matvec(const gpu_matmul_args *args, size_t batches)
{
    matvec v;
    return describe(&v, args, batches);
}

sib_code gpu_add_matvec(gpu_step *s, const gpu_matmul_args *args, const gpu_operand *operands, size_t batches,
                        sib_error *err)
{
    matvec v;
    describe(&v, args, batches);
    return gpu_add(s, v.kernel, 6, operands, &v.args, v.groups, size_ceil_div(args->m, v.rows), batches, err);
}
