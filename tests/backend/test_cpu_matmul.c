/* Matrix products on cpu against ref: shapes, broadcasting, constants, attributes, dtypes. */
#include "backend/claim.h"
#include "check_blocks.h"

/* An input with dims as in "2 3 4". */
static claim_input input(sib_dtype dtype, const char *dims, bool constant)
{
    claim_input in = {.dtype = dtype, .constant = constant};
    char *end;
    for (int64_t d = strtol(dims, &end, 10); end != dims; d = strtol(dims, &end, 10)) {
        in.dims[in.rank++] = d;
        dims = end;
    }
    return in;
}

static const char *const shapes[][2] = {
    {"3 4", "4 5"},
    {"1 257", "257 128"},
    {"2 128", "128 512"},
    {"4", "4"},
    {"4", "4 7"},
    {"3 4", "4"},
    {"2 3 4", "4 5"},
    {"2 3 4", "2 4 5"},
    {"2 1 3 4", "5 4 6"},
    {"5 3 4", "2 1 4 6"},
    {"3 2 5 4", "4"},
    {"4", "3 2 4 5"},
    {"0 4", "4 5"},
    {"3 0", "0 5"},
    {"3 4", "4 0"},
    {"2 0 4", "4 5"},
    {"40 300", "300 70"},
    {"2 70 100", "2 100 33"},
    {"130 450", "450 390"},
    {"9 8", "8 8"},
    {"1 384", "384 1"},
    {"20 64", "64 3"},
    {"3 1 5 6", "1 2 6 4"},
    {"1 1 1", "1 1 1"},
    {"1 1 500", "500 700"},
    {"13 1000", "1000 31"},
    {"2 3 50 60", "3 60 50"},
};

static void check(claim_case *w, const char *words)
{
    char what[200];
    sib_value *expected[CLAIM_MAX];
    claim_expect(w, expected);
    for (unsigned form = 0; form < 3; form++) {
        w->in[1].constant = form > 0;
        w->threads = form == 2 ? 2 : 1;
        snprintf(what, sizeof what, "%s, %s B", words, form ? "constant" : "given");
        claim_compare(w, expected, what);
    }
    claim_drop(expected);
}

static void matmul_of(sib_dtype dtype, double rel)
{
    char words[100];
    for (size_t i = 0; i < COUNT(shapes); i++) {
        claim_case w = {.domain = "",
                        .type = "MatMul",
                        .version = 13,
                        .n_in = 2,
                        .n_out = 1,
                        .abs = 10 * rel,
                        .rel = rel};
        w.in[0] = input(dtype, shapes[i][0], false);
        w.in[1] = input(dtype, shapes[i][1], false);
        snprintf(words, sizeof words, "%s [%s] [%s]", sib_dtype_name(dtype), shapes[i][0], shapes[i][1]);
        check(&w, words);
    }
}

TEST(matmul_f32)
{
    matmul_of(SIB_F32, 2e-6);
}

static void gemm_of(sib_dtype dtype, double rel)
{
    static const char *const addends[] = {"33", "1 33", "20 33", "20 1", "1", "", "1 1"};
    char words[100];
    for (unsigned trans = 0; trans < 4; trans++)
        for (size_t addend = 0; addend <= COUNT(addends); addend++)
            for (unsigned factors = 0; factors < 3; factors++) {
                claim_case w = {.domain = "",
                                .type = "Gemm",
                                .version = 13,
                                .n_in = 2,
                                .n_out = 1,
                                .abs = 10 * rel,
                                .rel = rel};
                w.in[0] = input(dtype, trans & 1 ? "70 20" : "20 70", false);
                w.in[1] = input(dtype, trans & 2 ? "33 70" : "70 33", false);
                if (addend < COUNT(addends))
                    w.in[w.n_in++] = input(dtype, addends[addend], factors == 1);
                w.attributes[0] = claim_int("transA", trans & 1);
                w.attributes[1] = claim_int("transB", trans / 2);
                w.attributes[2] = claim_float("alpha", factors == 1 ? -0.5 : 1);
                w.attributes[3] = claim_float("beta", factors == 2 ? 0.25 : 1);
                w.n_attributes = 4;
                snprintf(words, sizeof words, "%s trans %u, addend %zu, factors %u", sib_dtype_name(dtype),
                         trans, addend, factors);
                check(&w, words);
            }
}

TEST(gemm_f32)
{
    gemm_of(SIB_F32, 2e-6);
}

TEST(matmul_f16)
{
    matmul_of(SIB_F16, 1e-3);
    gemm_of(SIB_F16, 1e-3);
}

TEST(matmul_bf16)
{
    matmul_of(SIB_BF16, 8e-3);
    gemm_of(SIB_BF16, 8e-3);
}

TEST(matmul_wide)
{
    static const sib_dtype integers[] = {SIB_I32, SIB_U32, SIB_I64, SIB_U64};
    matmul_of(SIB_F64, 1e-14);
    for (size_t d = 0; d < COUNT(integers); d++)
        for (size_t i = 0; i < COUNT(shapes); i++) {
            claim_case w = {.domain = "", .type = "MatMul", .version = 13, .n_in = 2, .n_out = 1};
            for (size_t side = 0; side < 2; side++) {
                w.in[side] = input(integers[d], shapes[i][side], false);
                w.in[side].size = integers[d] == SIB_I32 ? 3e4 : 1e5; /* products of int32 wrap */
            }
            check(&w, sib_dtype_name(integers[d]));
        }
}

TEST(bits)
{
    char words[100];
    for (int number = 2; number <= 8; number *= 2)
        for (unsigned form = 0; form < 12; form++) {
            int64_t k = form % 3 == 0 ? 64 : form % 3 == 1 ? 200 : 37, columns = form % 2 ? 70 : 3;
            int64_t block = form < 6 ? 16 : 32, blocks = (k + block - 1) / block,
                    m = form == 4 ? 30 : form % 4 + 1;
            sib_dtype dtype = form == 3 || form == 7 ? SIB_F16 : SIB_F32;
            claim_case w = {
                .domain = "com.microsoft", .type = "MatMulNBits", .version = 1, .n_in = 3, .n_out = 1};
            w.rel = dtype == SIB_F16 ? 2e-3 : 3e-5;
            w.abs = w.rel * (1 << number); /* the magnitude of the weights */
            w.in[0] = (claim_input){.dtype = dtype, .rank = 3, .dims = {1, m, k}};
            w.in[1] = (claim_input){
                .dtype = SIB_U8, .rank = 3, .dims = {columns, blocks, block / 8 * number}, .constant = true};
            w.in[1].size = 255;
            w.in[2] = (claim_input){.dtype = dtype, .rank = 1, .dims = {columns * blocks}, .constant = true};
            if (form % 5) {
                w.n_in = 4;
                w.in[3] = (claim_input){.dtype = SIB_U8,
                                        .rank = 1,
                                        .dims = {columns * ((blocks * number + 7) / 8)},
                                        .constant = true};
                w.in[3].size = 255;
            }
            if (form % 3 == 1) {
                for (size_t i = w.n_in; i < 5; i++)
                    w.in[i] = (claim_input){0};
                w.in[5] = (claim_input){.dtype = dtype, .rank = 1, .dims = {columns}, .constant = true};
                w.n_in = 6;
            }
            w.attributes[0] = claim_int("K", k);
            w.attributes[1] = claim_int("N", columns);
            w.attributes[2] = claim_int("bits", number);
            w.attributes[3] = claim_int("block_size", block);
            w.n_attributes = 4;
            snprintf(words, sizeof words, "%d bits, form %u", number, form);
            claim_check(&w, words);
        }
}

/* Weights in blocks of few bits, as they are in a file. */
TEST(blocks)
{
    check_random r = {18};
    for (block_kind kind = 0; kind < N_BLOCK_KINDS; kind++)
        for (unsigned form = 0; form < 3; form++) {
            const block_format *f = block_format_at(kind);
            int64_t m = form == 2 ? 40 : form + 1, columns = form ? 70 : 3, blocks = form + 1;
            size_t bytes = (size_t)(columns * blocks) * f->bytes;
            uint8_t *q = malloc(bytes);
            double *values = malloc(bytes * sizeof *values);
            assert_true(q && values);
            check_blocks(&r, kind, q, bytes / f->bytes);
            for (size_t i = 0; i < bytes; i++)
                values[i] = q[i];
            claim_case w = {.domain = "ai.sibyl",
                            .type = "MatMulBlocks",
                            .version = 1,
                            .n_in = 2,
                            .n_out = 1,
                            .rel = 1e-5};
            w.abs = 1e-5 * (f->block > 32 ? 30 : 1);
            w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 3, .dims = {1, m, blocks * f->block}};
            w.in[1] = (claim_input){.dtype = SIB_U8,
                                    .rank = 2,
                                    .dims = {columns, blocks * f->bytes},
                                    .values = values,
                                    .constant = true};
            w.attributes[0] = claim_text("format", f->name);
            w.n_attributes = 1;
            claim_check(&w, f->name);
            w.in[1].constant = false;
            w.left_to_lower = true;
            claim_check(&w, "blocks that are no constant");
            free(q), free(values);
        }
}

TEST(fused_matmul)
{
    for (unsigned trans = 0; trans < 4; trans++) {
        claim_case w = {.domain = "com.microsoft",
                        .type = "FusedMatMul",
                        .version = 1,
                        .n_in = 2,
                        .n_out = 1,
                        .abs = 2e-5,
                        .rel = 2e-6};
        w.in[0] = input(SIB_F32, trans & 1 ? "2 3 70 20" : "2 3 20 70", false);
        w.in[1] = input(SIB_F32, trans & 2 ? "3 33 70" : "3 70 33", false);
        w.attributes[0] = claim_int("transA", trans & 1);
        w.attributes[1] = claim_int("transB", trans / 2);
        w.attributes[2] = claim_float("alpha", 0.125);
        w.n_attributes = 3;
        check(&w, "fused");
    }
}

/* Infinities, NaN and empty operands give the same as on ref. */
TEST(strange_numbers)
{
    const double a[] = {INFINITY, 1, -1, NAN, 0, 2, 1, 1, 1e30, 1e30, -0.0, 0},
                 b[] = {1, 0, -1, 2, INFINITY, 1e30};
    claim_case w = {
        .domain = "", .type = "MatMul", .version = 13, .n_in = 2, .n_out = 1, .abs = 1e-6, .rel = 1e-6};
    w.in[0] = input(SIB_F32, "4 3", false);
    w.in[0].values = a;
    w.in[1] = input(SIB_F32, "3 2", false);
    w.in[1].values = b;
    check(&w, "strange");
}
