/* Products of bytes on cpu against ref: signs, zero points and scales per tensor or per row or column,
   constants, shapes. */
#include "backend/claim.h"

static claim_input input(sib_dtype dtype, const char *dims)
{
    claim_input in = {.dtype = dtype, .size = dtype == SIB_I8 ? 128 : dtype == SIB_U8 ? 255 : 1};
    char *end;
    for (int64_t d = strtol(dims, &end, 10); end != dims; d = strtol(dims, &end, 10)) {
        in.dims[in.rank++] = d;
        dims = end;
    }
    return in;
}

/* A scale or zero point: n elements, or a scalar if n is 0. */
static claim_input parameter(sib_dtype dtype, int64_t n)
{
    claim_input in = input(dtype, "");
    in.rank = n != 0;
    in.dims[0] = n;
    return in;
}

static const double scales[70] = {
    0.01, 0.02, 0.013, 0.04, 0.005, 0.06, 0.07, 0.011, 0.012, 0.03, 0.02, 0.01, 0.05, 0.09,
    0.01, 0.02, 0.013, 0.04, 0.005, 0.06, 0.07, 0.011, 0.012, 0.03, 0.02, 0.01, 0.05, 0.09,
    0.01, 0.02, 0.013, 0.04, 0.005, 0.06, 0.07, 0.011, 0.012, 0.03, 0.02, 0.01, 0.05, 0.09,
    0.01, 0.02, 0.013, 0.04, 0.005, 0.06, 0.07, 0.011, 0.012, 0.03, 0.02, 0.01, 0.05, 0.09,
    0.01, 0.02, 0.013, 0.04, 0.005, 0.06, 0.07, 0.011, 0.012, 0.03, 0.02, 0.01, 0.05, 0.09};

static claim_input scale(int64_t n)
{
    claim_input in = parameter(SIB_F32, n);
    in.values = scales;
    return in;
}

static const struct {
    const char *a, *b;
    int64_t m, n; /* 0: not a single matrix */
} shapes[] = {{"3 4", "4 5", 3, 5},      {"30 100", "100 70", 30, 70}, {"2 3 40", "40 33", 0, 33},
              {"4", "4 7", 0, 7},        {"2 3 4", "2 4 5", 0, 5},     {"5 6", "6", 5, 0},
              {"0 4", "4 5", 0, 5},      {"3 0", "0 5", 3, 5},         {"2 1 9 8", "3 8 8", 0, 8},
              {"1 384", "384 64", 1, 64}};

static void check(claim_case *w, size_t b, const char *words)
{
    char what[200];
    sib_value *expected[CLAIM_MAX];
    claim_expect(w, expected);
    for (unsigned form = 0; form < 3; form++) {
        w->in[b].constant = form > 0;
        w->threads = form == 2 ? 2 : 1;
        snprintf(what, sizeof what, "%s, form %u", words, form);
        claim_compare(w, expected, what);
    }
    claim_drop(expected);
}

static void each_case(void (*make)(claim_case *w, size_t shape, sib_dtype a, sib_dtype b, unsigned form),
                      size_t b)
{
    char words[100];
    for (size_t shape = 0; shape < COUNT(shapes); shape++)
        for (unsigned form = 0; form < 16; form++) {
            claim_case w = {.domain = "", .version = 10, .n_out = 1};
            make(&w, shape, form & 1 ? SIB_I8 : SIB_U8, form & 2 ? SIB_I8 : SIB_U8, form / 4);
            snprintf(words, sizeof words, "%s %s, form %u", shapes[shape].a, shapes[shape].b, form);
            check(&w, b, words);
        }
}

static void integer(claim_case *w, size_t shape, sib_dtype a, sib_dtype b, unsigned form)
{
    w->type = "MatMulInteger";
    w->n_in = form == 0 ? 2 : 4;
    w->in[0] = input(a, shapes[shape].a);
    w->in[1] = input(b, shapes[shape].b);
    w->in[2] = form == 3 ? (claim_input){0} : parameter(a, form == 2 ? shapes[shape].m : 0);
    w->in[3] = parameter(b, form >= 2 ? shapes[shape].n : form);
}

TEST(matmul_integer)
{
    each_case(integer, 1);
}

static void qlinear(claim_case *w, size_t shape, sib_dtype a, sib_dtype b, unsigned form)
{
    sib_dtype y = form & 1 ? SIB_I8 : SIB_U8;
    int64_t n = form & 2 ? shapes[shape].n : 0;
    w->type = "QLinearMatMul";
    w->n_in = 8;
    w->in[0] = input(a, shapes[shape].a);
    w->in[1] = scale(0);
    w->in[2] = parameter(a, 0);
    w->in[3] = input(b, shapes[shape].b);
    w->in[4] = scale(n);
    w->in[5] = parameter(b, n);
    w->in[6] = scale(1);
    w->in[7] = parameter(y, 0);
}

TEST(qlinear_matmul)
{
    each_case(qlinear, 3);
}

static void to_float(claim_case *w, size_t shape, sib_dtype a, sib_dtype b, unsigned form)
{
    int64_t n = form & 2 ? shapes[shape].n : 0;
    w->domain = "com.microsoft";
    w->version = 1;
    w->type = "MatMulIntegerToFloat";
    w->n_in = form & 1 && shapes[shape].n ? 7 : 6;
    w->in[0] = input(a, shapes[shape].a);
    w->in[1] = input(b, shapes[shape].b);
    w->in[2] = scale(0);
    w->in[3] = scale(n);
    w->in[4] = parameter(a, 0);
    w->in[5] = parameter(b, n);
    w->in[6] = parameter(SIB_F32, shapes[shape].n);
    w->abs = 1e-5;
    w->rel = 1e-6;
}

TEST(matmul_to_float)
{
    each_case(to_float, 1);
}

static void dynamic(claim_case *w, size_t shape, sib_dtype a, sib_dtype b, unsigned form)
{
    int64_t n = form & 2 ? shapes[shape].n : 0;
    w->domain = "com.microsoft";
    w->version = 1;
    w->type = "DynamicQuantizeMatMul";
    w->n_in = form & 1 && shapes[shape].n ? 5 : 4;
    w->in[0] = input(SIB_F32, shapes[shape].a);
    w->in[0].size = a == SIB_I8 ? 3 : 1e-3;
    w->in[1] = input(b, shapes[shape].b);
    w->in[2] = scale(n);
    w->in[3] = parameter(b, n);
    w->in[4] = parameter(SIB_F32, shapes[shape].n);
    w->abs = 1e-5;
    w->rel = 1e-6;
}

TEST(dynamic_quantize)
{
    each_case(dynamic, 1);
}
