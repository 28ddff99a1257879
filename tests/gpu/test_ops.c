/* Operators on a GPU's backend, which runs all of their milli-ops, against ref. */
#include "backend/claim.h"
#include "session.h"

#include <pthread.h>
#include <sibyl/plan.h>

static gpu_device *held; /* so that sessions share its pipelines */

static int begin(void)
{
    sib_error err = SIB_ERROR_INIT;
    find_device();
    claim_backend = backend();
    CHECK_OK(gpu_open(strcmp(backend(), "gpu-host") ? backend() : "host", &held, &err), err);
    return 0;
}

static int end(void)
{
    gpu_close(&held);
    return 0;
}
TEST_FIXTURE(begin, end)

typedef struct tensor {
    sib_dtype dtype;
    size_t rank;
    int64_t dims[4];
} tensor;

/* A case of inputs (n) of these dims, which are drawn from +-100. */
static claim_case made(const char *type, int64_t version, size_t n, const tensor *inputs)
{
    claim_case w = {.domain = "", .type = type, .version = version, .n_in = n, .n_out = 1};
    for (size_t i = 0; i < n; i++) {
        w.in[i] = (claim_input){.dtype = inputs[i].dtype, .rank = inputs[i].rank, .size = 100};
        memcpy(w.in[i].dims, inputs[i].dims, sizeof inputs[i].dims);
    }
    return w;
}

static void check(claim_case *w)
{
    char what[100];
    snprintf(what, sizeof what, "%s of %s", w->type, sib_dtype_name(w->in[0].dtype));
    claim_check(w, what);
}

/* ---- Elements by index --------------------------------------------------------------------------------- */

static const sib_dtype moved[] = {SIB_F32, SIB_F16, SIB_BF16, SIB_I8, SIB_U8, SIB_BOOL, SIB_I32, SIB_I64};

/* Integers of either width that count from either end, also known beforehand. */
static void check_indices(claim_case *w, const double *indices)
{
    for (size_t t = 0; t < COUNT(moved); t++)
        for (size_t k = 0; k < 4; k++) {
            w->in[0].dtype = moved[t];
            if (w->n_in > 2)
                w->in[2].dtype = moved[t];
            w->in[1].dtype = k % 2 ? SIB_I32 : SIB_I64;
            w->in[1].constant = k / 2;
            w->in[1].values = indices;
            check(w);
        }
}

TEST(test_gather)
{
    static const double indices[] = {0, -1, 4, 2, -5, 3};
    static const tensor inputs[] = {{SIB_F32, 3, {3, 5, 7}}, {SIB_I64, 2, {2, 3}}};
    claim_case w = made("Gather", 13, 2, inputs);
    w.n_attributes = 1;
    w.attributes[0] = claim_int("axis", 1);
    check_indices(&w, indices);
}

TEST(test_gather_elements)
{
    static const double indices[] = {0, -1, 4, 2, -5, 3, 1, 1};
    static const tensor inputs[] = {{SIB_F32, 3, {3, 5, 7}}, {SIB_I64, 3, {2, 2, 2}}};
    claim_case w = made("GatherElements", 13, 2, inputs);
    w.n_attributes = 1;
    w.attributes[0] = claim_int("axis", 1);
    check_indices(&w, indices);
}

TEST(test_gather_nd)
{
    static const double indices[] = {0, -1, 4, 2, -5, 3, 1, 1, 2, -7, 0, 6};
    static const tensor inputs[] = {{SIB_F32, 4, {3, 5, 7, 2}}, {SIB_I64, 3, {3, 2, 2}}};
    claim_case w = made("GatherND", 13, 2, inputs);
    w.n_attributes = 1;
    w.attributes[0] = claim_int("batch_dims", 1);
    check_indices(&w, indices);
    w = made("GatherND", 13, 2, inputs);
    w.in[0].dims[3] = 3;
    w.in[1] = (claim_input){.rank = 2, .dims = {4, 3}};
    check_indices(&w, (const double[]){0, -1, 6, 2, -5, -7, 1, 1, 2, -3, 0, 3});
}

TEST(test_scatter_nd)
{
    static const double indices[] = {0, 4, -1, 2, 0, 4, -3, -5}; /* two meet */
    static const tensor inputs[] = {
        {SIB_F32, 3, {3, 5, 8}}, {SIB_I64, 3, {2, 2, 2}}, {SIB_F32, 3, {2, 2, 8}}};
    static const char *const reductions[] = {"none", "add", "mul", "min", "max"};
    for (size_t r = 0; r < COUNT(reductions); r++) {
        claim_case w = made("ScatterND", 18, 3, inputs);
        w.n_attributes = 1;
        w.attributes[0] = claim_text("reduction", reductions[r]);
        w.in[1].values = indices;
        for (size_t t = 0; t < COUNT(moved) - (r ? 1 : 0); t++) {
            w.in[0].dtype = w.in[2].dtype = moved[t];
            if (r && moved[t] == SIB_BOOL)
                continue;
            w.in[0].size = w.in[2].size = moved[t] == SIB_U8 ? 10 : 100;
            check(&w);
        }
    }
}

TEST(test_scatter_elements)
{
    static const double indices[] = {0, -1, 4, 0, 2, 0, 1, -5, 3, 4, 4, 1, 0, 0, 0, 0}; /* several meet */
    static const tensor inputs[] = {
        {SIB_F32, 3, {2, 5, 8}}, {SIB_I64, 3, {2, 2, 4}}, {SIB_F32, 3, {2, 2, 4}}};
    for (int64_t axis = 0; axis < 3; axis++) {
        double clipped[COUNT(indices)];
        claim_case w = made("ScatterElements", 18, 3, inputs);
        w.n_attributes = 2;
        w.attributes[0] = claim_int("axis", axis);
        w.attributes[1] = claim_text("reduction", axis == 1 ? "add" : "none");
        for (size_t i = 0; i < COUNT(indices); i++)
            clipped[i] = axis == 0 ? fmod(fabs(indices[i]), 2) : indices[i];
        if (axis == 1) {
            w.in[1].values = clipped;
            w.in[0].dtype = w.in[2].dtype = SIB_F16;
            check(&w);
        } else
            check_indices(&w, clipped);
    }
}

/* y = data[ArgMax(x)]: the indices never were on the host. */
static sib_session *chosen(int64_t rows, bool constant, const char *backends)
{
    tiny t = tiny_begin();
    const double numbers[8] = {10, 11, 12, 13, 14, 15, 16, 17};
    value_id x = tiny_input(&t, "x", SIB_F32, "2 4");
    value_id data = tiny_constant(&t, "data", SIB_F32, 1, &rows, numbers), at = tiny_made(&t, "at");
    attribute attributes[] = {claim_int("axis", 1), claim_int("keepdims", 0)};
    if (constant)
        at = tiny_constant(&t, "i", SIB_I64, 1, (int64_t[]){2}, (const double[]){0, 3});
    else
        tiny_node(&t, "ArgMax", "arg", 1, &x, 1, &at, 2, attributes);
    tiny_output(&t, tiny_op(&t, "Gather", data, at, "y"));
    return tiny_session(&t, &(sib_session_options){.backends = backends});
}

TEST(test_indices)
{
    static const double x[] = {1, 2, 3, 0, 5, 6, 7, 8};
    char backends[64];
    snprintf(backends, sizeof backends, "%s,ref", backend());
    sib_value *in = tiny_given(SIB_F32, 2, (int64_t[]){2, 4}, x);
    for (int64_t rows = 3; rows < 5; rows++)
        for (int constant = 0; constant < 2; constant++) {
            sib_error err = SIB_ERROR_INIT;
            sib_value *out = NULL;
            sib_session *s = chosen(rows, constant, backends);
            const sib_code code =
                sib_session_run(s, 1, &(sib_named_value){"x", in}, 0, NULL, &out, NULL, &err);
            if (rows == 4) {
                CHECK_OK(code, err);
                tiny_expect(out, SIB_F32, 1, (int64_t[]){2}, (const double[]){constant ? 10 : 12, 13});
            } else
                CHECK_FAILS(code, SIB_ERR_VALUE, err, "index 3 is out of range on axis 0 of size 3");
            sib_value_free(&out);
            sib_session_free(&s);
        }
    sib_value_free(&in);
}

/* An index that the host gives, beyond 32 bits and below both ends. */
TEST(test_index_given)
{
    static const double bad[] = {5, -6, 4294967297.0, -4294967295.0};
    static const tensor inputs[] = {{SIB_F32, 1, {5}}, {SIB_I64, 1, {1}}};
    char backends[64], says[64];
    snprintf(backends, sizeof backends, "%s,ref", backend());
    for (size_t i = 0; i < COUNT(bad); i++) {
        claim_case w = made("Gather", 13, 2, inputs);
        sib_error err = SIB_ERROR_INIT;
        sib_value *in[CLAIM_MAX], *out = NULL;
        w.in[1].values = &bad[i];
        sib_session *s = claim_session(&w, backends, in);
        snprintf(says, sizeof says, "Gather: index %.0f is out of range on axis 0 of size 5", bad[i]);
        CHECK_FAILS(sib_session_run(s, 2, (sib_named_value[]){{"i0", in[0]}, {"i1", in[1]}}, 0, NULL, &out,
                                    NULL, &err),
                    SIB_ERR_VALUE, err, says);
        sib_value_free(&in[0]);
        sib_value_free(&in[1]);
        sib_session_free(&s);
    }
}

/* ---- Products ------------------------------------------------------------------------------------------ */

TEST(test_matmul_integer)
{
    static const sib_dtype bytes[] = {SIB_U8, SIB_I8};
    for (size_t t = 0; t < 16; t++) {
        const sib_dtype a = bytes[t % 2], b = bytes[t / 2 % 2];
        const bool rows = t & 8;
        claim_case w = made(
            "MatMulInteger", 10, t & 4 ? 4 : 2,
            (const tensor[]){
                {a, 3, {2, 33, 70}}, {b, 2, {70, 37}}, {a, rows ? 1 : 0, {33}}, {b, rows ? 1 : 0, {37}}});
        w.in[0].size = w.in[1].size = 127;
        check(&w);
    }
}

/* Of few bits, in blocks that K does not fill, with each kind of zero point. */
TEST(test_matmul_bits)
{
    static const sib_dtype types[] = {SIB_F32, SIB_F16};
    enum { K = 70, N = 38, BLOCK = 16, BLOCKS = 5 };
    for (int64_t bits = 2; bits <= 8; bits *= 2)
        for (size_t zeros = 0; zeros < 3; zeros++)
            for (size_t t = 0; t < 2; t++) {
                const sib_dtype type = types[t];
                claim_case w = made("MatMulNBits", 1, 6,
                                    (const tensor[]){{type, 3, {2, 3, K}},
                                                     {SIB_U8, 3, {N, BLOCKS, BLOCK * bits / 8}},
                                                     {type, 1, {N * BLOCKS}},
                                                     {SIB_U8, 1, {N * ((BLOCKS * bits + 7) / 8)}},
                                                     {SIB_DTYPE_UNKNOWN, 0, {0}},
                                                     {type, 1, {N}}});
                w.domain = "com.microsoft";
                w.in[0].size = w.in[2].size = w.in[5].size = 1;
                w.in[1].size = w.in[3].size = 127;
                if (zeros == 0)
                    w.in[3].dtype = SIB_DTYPE_UNKNOWN;
                if (zeros == 1) {
                    w.in[3] = w.in[2];
                    w.in[5].dtype = SIB_DTYPE_UNKNOWN;
                }
                w.n_attributes = 4;
                w.attributes[0] = claim_int("K", K);
                w.attributes[1] = claim_int("N", N);
                w.attributes[2] = claim_int("bits", bits);
                w.attributes[3] = claim_int("block_size", BLOCK);
                w.abs = t ? 1 : 1e-3; /* sums of 70 products of up to 200 */
                w.rel = t ? 2e-3 : 1e-5;
                check(&w);
            }
}

/* ---- Transposed convolutions --------------------------------------------------------------------------- */

/* Over one to three axes, strided and dilated with and without a common factor, in groups. */
TEST(test_transposed)
{
    static const int64_t strides[][3] = {{1, 1, 1}, {2, 3, 2}, {4, 2, 1}}, dilations[] = {2, 2, 3};
    for (size_t k = 0; k < 18; k++) {
        const size_t axes = k % 3 + 1;
        const sib_dtype type = k < 9 ? SIB_F32 : SIB_F16;
        claim_case w =
            made("ConvTranspose", 11, 3,
                 (const tensor[]){{type, axes + 2, {1, 4}}, {type, axes + 2, {4, 3}}, {type, 1, {6}}});
        for (size_t i = 0; i < axes; i++) {
            w.in[0].dims[2 + i] = 5 - (int64_t)i;
            w.in[1].dims[2 + i] = 3;
        }
        w.in[0].size = w.in[1].size = 1;
        w.n_attributes = 3;
        w.attributes[0] = claim_ints("strides", axes, strides[k / 3 % 3]);
        w.attributes[1] = claim_ints("dilations", axes, dilations);
        w.attributes[2] = claim_int("group", 2);
        w.abs = 1e-5;
        w.rel = type == SIB_F32 ? 1e-6 : 1e-3;
        check(&w);
    }
}

/* ---- Quantization -------------------------------------------------------------------------------------- */

/* Ties, ends, numbers beside both, and those that are none: the bytes of the definition, for one scale, one a place and
   one a block. */
TEST(test_quantize)
{
    enum { N = 6 * 700 };
    static const sib_dtype floats[] = {SIB_F32, SIB_F16, SIB_BF16}, bytes[] = {SIB_U8, SIB_I8};
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1e-40, 3e38, -3e38};
    static double x[N], scales[6 * 24], zeros[6 * 24];
    check_random r = {17};
    for (size_t i = 0; i < COUNT(scales); i++) {
        scales[i] = i % 5 == 4 ? 0 : (double)(float)(0.003 * (double)(1 + check_u64(&r) % 1000));
        zeros[i] = (double)(check_u64(&r) % 100);
    }
    for (size_t k = 0; k < 72; k++) {
        const sib_dtype type = floats[k % 3], scale = floats[k / 3 % 3], to = bytes[k / 9 % 2];
        const size_t grain = k / 18 % 4; /* one, one a place, one a block, one without a zero point */
        const tensor parameter = grain == 2   ? (tensor){scale, 2, {6, 24}}
                                 : grain == 1 ? (tensor){scale, 1, {6}}
                                              : (tensor){scale, 0, {0}};
        claim_case w = made("QuantizeLinear", 23, grain == 3 ? 2 : 3,
                            (const tensor[]){{type, 2, {6, 700}}, parameter, parameter});
        for (size_t i = 0; i < N; i++) { /* halves of the scale, and what is beside them */
            const double s = scales[grain == 2 ? i / 700 * 24 + i % 700 / 30 : grain == 1 ? i / 700 : 0];
            const double half = ((double)(check_u64(&r) % 600) - 300) / 2;
            x[i] = (double)nextafterf((float)(half * s), (float)(check_u64(&r) % 3) * 1e30f - 1e30f);
            x[i] = i % 50 == 7 ? odd[i / 50 % COUNT(odd)] : i % 3 ? x[i] : half * s;
        }
        w.in[0].values = x;
        w.in[1].values = scales;
        w.in[2].dtype = to;
        w.in[2].values = zeros;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("axis", grain == 2);
        w.attributes[1] = claim_int("block_size", grain == 2 ? 30 : 0);
        w.attributes[2] = claim_int("output_dtype", to);
        if (grain == 1)
            w.attributes[0] = claim_int("axis", -2);
        check(&w);
    }
}

TEST(test_quantize_range)
{
    static const double odd[] = {0, NAN, INFINITY, -INFINITY, 3e38, 1e-42};
    double x[5 * 67];
    for (size_t k = 0; k < 40; k++) {
        check_random r = {k};
        claim_case w = made("DynamicQuantizeLinear", 11, 1, (const tensor[]){{SIB_F32, 2, {5, 67}}});
        for (size_t i = 0; i < COUNT(x); i++)
            x[i] =
                (double)(float)(k < 6 ? odd[k] * (k > 2 && i % 2 ? -1 : 1)
                                      : (check_uniform(&r) + (double)(k % 3) - 1) * pow(10, (double)k - 20));
        w.in[0].values = x;
        w.n_out = 3;
        check(&w);
    }
}

/* Sums with scales whose products are ties, near these, and of any bits, one a matrix or one a column: the bytes that
   float64 gives. */
TEST(test_requantize)
{
    enum { M = 40, K = 30, N = 24 };
    static double scales[3][N], zeros[N];
    static const tensor inputs[] = {{SIB_U8, 2, {M, K}}, {SIB_F32, 0, {0}}, {SIB_U8, 0, {0}},
                                    {SIB_I8, 2, {K, N}}, {SIB_F32, 1, {N}}, {SIB_I8, 1, {N}},
                                    {SIB_F32, 0, {0}},   {SIB_U8, 0, {0}}};
    for (size_t k = 0; k < 48; k++) {
        const bool bytes = k & 1, each = k & 2, few = k & 4, conv = k & 8;
        check_random r = {k};
        claim_case w = made(conv ? "QLinearConv" : "QLinearMatMul", conv ? 10 : 21, 8, inputs);
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < 3; j++)
                scales[j][i] = few ? ldexp((double)(1 + check_u64(&r) % 3), (int)j - 4)
                                   : (double)(float)((0.1 + fabs(check_uniform(&r))) * (j == 2 ? 50 : 0.1));
            zeros[i] = (double)(check_u64(&r) % 20);
        }
        if (conv) {
            w.in[0] = (claim_input){.dtype = SIB_U8, .rank = 4, .dims = {2, K, 5, 4}};
            w.in[3] = (claim_input){.dtype = SIB_I8, .rank = 4, .dims = {N, K, 1, 1}};
        }
        w.in[0].size = 250;
        w.in[3].size = 100;
        w.in[4].rank = w.in[5].rank = each;
        w.in[2].dtype = SIB_U8;
        w.in[7].dtype = bytes ? SIB_I8 : SIB_U8;
        for (size_t i = 1; i < 8; i++)
            w.in[i].constant = true;
        w.in[1].values = scales[0];
        w.in[4].values = scales[1];
        w.in[6].values = scales[2];
        w.in[2].values = w.in[7].values = zeros;
        w.in[5].values = zeros + 1;
        if (conv)
            w.in[5].rank = 0;
        check(&w);
    }
}

/* ---- Norms --------------------------------------------------------------------------------------------- */

/* Of numbers whose squares leave float32's range: the kernel of windows scales them, other norms are not the device's. */
TEST(test_norms_range)
{
    static const double x[] = {-2.4821279e-21, 8e-21, 0,    0,        3e30, -4e30, 1,  2,
                               INFINITY,       1,     -NAN, INFINITY, 0,    0,     -3, 4};
    static const double powers[] = {1, 2, 2.5, 3};
    for (size_t k = 0; k < 3 * COUNT(powers); k++) {
        const int64_t taps[] = {(int64_t)k % 3 + 1};
        claim_case w = made("LpPool", k % 4 == 2 ? 1 : 18, 1, (const tensor[]){{SIB_F32, 3, {1, 2, 8}}});
        w.in[0].values = x;
        w.n_attributes = 2;
        w.attributes[0] = claim_ints("kernel_shape", 1, taps);
        w.attributes[1] =
            k % 4 == 2 ? claim_float("p", powers[k % 4]) : claim_int("p", (int64_t)powers[k % 4]);
        w.rel = 1e-6;
        check(&w);
    }
    claim_case w = made("ReduceL2", 13, 1, (const tensor[]){{SIB_F32, 2, {8, 2}}});
    w.in[0].values = x;
    w.n_attributes = 1;
    w.attributes[0] = claim_ints("axes", 1, (const int64_t[]){1});
    w.left_to_lower = true;
    w.rel = 1e-6;
    check(&w);
}

/* ---- Rotations ----------------------------------------------------------------------------------------- */

/* Heads of 8 of which 4 or all are rotated, apart and packed, at positions and by step, in both domains. */
TEST(test_rotary)
{
    static const sib_dtype types[] = {SIB_F32, SIB_F16};
    static const double positions[] = {3, 0, 1, 6, 6, 2};
    for (size_t k = 0; k < 64; k++) {
        const bool packed = k & 1, placed = k & 2, part = k & 4, microsoft = k & 8;
        const sib_dtype type = types[k / 16 % 2];
        const int64_t half = part ? 2 : 4;
        const tensor x = packed ? (tensor){type, 3, {2, 3, 40}} : (tensor){type, 4, {2, 5, 3, 8}};
        const tensor cache = placed ? (tensor){type, 2, {7, half}} : (tensor){type, 3, {2, 3, half}};
        const tensor at = {placed ? SIB_I64 : SIB_DTYPE_UNKNOWN, 2, {2, 3}};
        if (microsoft && !placed)
            continue;
        claim_case w = microsoft ? made("RotaryEmbedding", 1, 4, (const tensor[]){x, at, cache, cache})
                                 : made("RotaryEmbedding", 23, 4, (const tensor[]){x, cache, cache, at});
        w.domain = microsoft ? "com.microsoft" : "";
        w.in[microsoft ? 1 : 3].values = positions;
        w.in[2].size = w.in[microsoft ? 3 : 1].size = 1;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("num_heads", packed ? 5 : 0);
        w.attributes[1] = claim_int("rotary_embedding_dim", part ? 4 : 0);
        w.attributes[2] = claim_int("interleaved", k / 32);
        w.abs = type == SIB_F32 ? 2e-5 : 0.1;
        check(&w);
    }
}

/* ---- Features ------------------------------------------------------------------------------------------ */

/* Front ends on recordings that tables of every part serve, beside the definition in double. */
TEST(test_log_mel)
{
    static const char *const presets[] = {"whisper", "kaldi", "librosa"};
    static const char *const smooths[] = {"none", "same", "valid"};
    for (size_t k = 0; k < COUNT(presets) * COUNT(smooths); k++) {
        claim_case w = made("LogMelSpectrogram", 1, 1, (const tensor[]){{SIB_F32, 2, {2, 4000}}});
        w.domain = "ai.sibyl";
        w.in[0].size = 0.5;
        w.n_attributes = 2;
        w.attributes[0] = claim_text("preset", presets[k / 3]);
        w.attributes[1] = claim_text("smooth", smooths[k % 3]);
        if (k / 3 == 2) /* 2048 is beyond the kernel's memory; 23 is a prime */
            w.attributes[w.n_attributes++] = claim_int("n_fft", k % 3 ? 1000 : 23);
        if (k / 3 == 2)
            w.attributes[w.n_attributes++] = claim_int("win_length", k % 3 ? 800 : 21);
        w.abs = k / 3 ? 2e-4 : 1e-5; /* decibels, and natural logarithms */
        w.rel = 1e-5;
        check(&w);
    }
}

/* Silence, one tone between silences, a frame that the ends fill, and a number that is none. */
TEST(test_log_mel_edges)
{
    enum { N = 1600 };
    double x[N] = {0};
    for (size_t k = 0; k < 4; k++) {
        const int64_t n = k == 2 ? 201 : N;
        claim_case w = made("LogMelSpectrogram", 1, 1, (const tensor[]){{SIB_F32, 1, {n}}});
        w.domain = "ai.sibyl";
        w.in[0].values = x;
        for (size_t i = 0; i < N && k; i++)
            x[i] = i < 600 || i > 1000 ? 0 : sin(0.3 * (double)i);
        if (k == 3)
            x[700] = NAN;
        w.abs = 2e-5;
        w.rel = 1e-5;
        check(&w);
    }
}

typedef struct overlap {
    sib_session *session;
    sib_value *in, *expected;
} overlap;

static void *run_overlapped(void *context)
{
    const overlap *o = context;
    for (int i = 0; i < 20; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_value *out = NULL;
        sib_comparison c;
        CHECK_OK(sib_session_run(o->session, 1, &(sib_named_value){"i0", o->in}, 0, NULL, &out, NULL, &err),
                 err);
        CHECK_OK(sib_value_compare(out, o->expected, &(sib_tolerance){0, 0, 0}, &c, &err), err);
        assert_true(c.equal);
        sib_value_free(&out);
    }
    return NULL;
}

/* Runs of one plan at once, whose energies are in the scratch of the same step. */
TEST(test_scratch)
{
    enum { N = 800 };
    claim_case w = made("LogMelSpectrogram", 1, 1, (const tensor[]){{SIB_F32, 1, {N}}});
    sib_value *drawn[CLAIM_MAX];
    char backends[64];
    double x[N];
    overlap each[3];
    pthread_t threads[COUNT(each)];
    w.domain = "ai.sibyl";
    snprintf(backends, sizeof backends, "%s,ref", backend());
    sib_session *s = claim_session(&w, backends, drawn);
    sib_value_free(&drawn[0]);
    for (size_t k = 0; k < COUNT(each); k++) {
        sib_error err = SIB_ERROR_INIT;
        for (size_t i = 0; i < N; i++)
            x[i] = sin((double)((k + 1) * i) * 0.1);
        each[k] = (overlap){s, tiny_given(SIB_F32, 1, (int64_t[]){N}, x), NULL};
        CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"i0", each[k].in}, 0, NULL, &each[k].expected, NULL,
                                 &err),
                 err);
    }
    for (size_t k = 0; k < COUNT(each); k++)
        assert_int_equal(pthread_create(&threads[k], NULL, run_overlapped, &each[k]), 0);
    for (size_t k = 0; k < COUNT(each); k++)
        pthread_join(threads[k], NULL);
    for (size_t k = 0; k < COUNT(each); k++) {
        sib_value_free(&each[k].in);
        sib_value_free(&each[k].expected);
    }
    sib_session_free(&s);
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

/* MultiHeadAttention, causal or with a bias, after a past that it gives on, with keys as heads. */
TEST(test_multi_head)
{
    for (size_t k = 0; k < 16; k++) {
        const sib_dtype type = SIB_F32, none = SIB_DTYPE_UNKNOWN, past = k & 2 ? type : none;
        const int64_t fresh = 6, before = k & 2 ? 4 : 0;
        const tensor key = k & 4 ? (tensor){type, 4, {2, 3, fresh, 8}} : (tensor){type, 3, {2, fresh, 24}};
        claim_case w = made("MultiHeadAttention", 1, 8,
                            (const tensor[]){{type, 3, {2, 6, 24}},
                                             key,
                                             key,
                                             {none, 0, {0}},
                                             {none, 0, {0}},
                                             {k & 8 ? type : none, 4, {1, 3, 6, fresh + before}},
                                             {past, 4, {2, 3, 4, 8}},
                                             {past, 4, {2, 3, 4, 8}}});
        w.domain = "com.microsoft";
        w.n_out = 3;
        w.n_attributes = 2;
        w.attributes[0] = claim_int("num_heads", 3);
        w.attributes[1] = claim_int("unidirectional", k & 1);
        for (size_t i = 0; i < w.n_in; i++)
            w.in[i].size = 2;
        w.abs = 1e-5;
        check(&w);
    }
}

/* A row of which every key is hidden is 0 of Attention, and NaN of MultiHeadAttention. */
TEST(test_hidden_row)
{
    static const double hidden[] = {-INFINITY, -INFINITY, -INFINITY, 0, 1, -INFINITY};
    const tensor packed = {SIB_F32, 3, {1, 2, 8}}, keys = {SIB_F32, 3, {1, 3, 8}},
                 none = {SIB_DTYPE_UNKNOWN, 0, {0}};
    claim_case own = made("Attention", 23, 4, (const tensor[]){packed, keys, keys, {SIB_F32, 2, {2, 3}}}),
               w = made("MultiHeadAttention", 1, 6,
                        (const tensor[]){packed, keys, keys, none, none, {SIB_F32, 4, {1, 1, 2, 3}}});
    own.in[3].values = w.in[5].values = hidden;
    w.domain = "com.microsoft";
    own.n_attributes = 2;
    own.attributes[0] = claim_int("q_num_heads", 2);
    own.attributes[1] = claim_int("kv_num_heads", 2);
    w.n_attributes = 1;
    w.attributes[0] = claim_int("num_heads", 2);
    for (size_t i = 0; i < 3; i++)
        own.in[i].size = w.in[i].size = 2;
    own.abs = w.abs = 1e-5;
    check(&own);
    check(&w);
}

/* Attention of com.microsoft: one product for queries, keys and values, after a past, causal, with masks of the keys or of
   each query, or a bias of the scores; k by bits. */
TEST(test_projected)
{
    static const double mask[] = {1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1};
    static const int64_t sizes[] = {24, 24, 48};
    for (size_t k = 0; k < 96; k++) {
        const sib_dtype type = k & 1 ? SIB_F16 : SIB_F32, none = SIB_DTYPE_UNKNOWN;
        const bool past = k & 2, present = past || k & 4, wide = k & 8 && !present;
        const size_t hides = k / 16 % 3; /* nothing, a mask, a bias */
        const int64_t s = 6, t = past ? 10 : 6, columns = wide ? 96 : 72;
        const tensor masks = k & 8 ? (tensor){SIB_I32, 3, {2, s, t}} : (tensor){SIB_I32, 2, {2, t}};
        claim_case w = made("Attention", 1, 6,
                            (const tensor[]){{type, 3, {2, s, 5}},
                                             {type, 2, {5, columns}},
                                             {k & 4 ? type : none, 1, {columns}},
                                             hides == 1 ? masks : (tensor){none, 0, {0}},
                                             {none, 0, {0}},
                                             {hides == 2 ? type : none, 4, {1, 3, s, t}}});
        if (past)
            w.in[4] = (claim_input){.dtype = type, .rank = 5, .dims = {2, 2, 3, 4, 8}};
        double repeated[120];
        for (size_t i = 0; i < COUNT(repeated); i++)
            repeated[i] = mask[i % COUNT(mask)];
        w.in[3].values = repeated;
        for (size_t i = 0; i < w.n_in; i++)
            w.in[i].size = 1;
        w.domain = "com.microsoft";
        w.n_out = present ? 2 : 1;
        w.n_attributes = wide ? 3 : 2;
        w.attributes[0] = claim_int("num_heads", 3);
        w.attributes[1] = claim_int("unidirectional", k / 48);
        w.attributes[2] = claim_ints("qkv_hidden_sizes", 3, sizes);
        w.abs = type == SIB_F32 ? 1e-5 : 4e-3;
        w.rel = type == SIB_F32 ? 1e-5 : 2e-3;
        check(&w);
    }
}

/* One case of GroupQueryAttention of heads of 8. total: of the longest sequence; each next one is shorter by 2. */
typedef struct group_query {
    const char *what;
    int64_t b, n, kv, s, past, total;
    bool packed, rotary, interleaved, bias, free, sink, smooth; /* free: not causal */
    int64_t window;
    double softcap;
} group_query;

static void check_group_query(const group_query *r, sib_dtype type)
{
    const sib_dtype none = SIB_DTYPE_UNKNOWN, rest = r->packed ? none : type,
                    past = r->past < 0 ? none : type, turned = r->rotary ? type : none;
    const int64_t d = 8, width = (r->n + (r->packed ? 2 * r->kv : 0)) * d, before = r->past < 0 ? 0 : r->past;
    double ends[4], total = (double)r->total;
    claim_case w = made("GroupQueryAttention", 1, 12,
                        (const tensor[]){{type, 3, {r->b, r->s, width}},
                                         {rest, 3, {r->b, r->s, r->kv * d}},
                                         {rest, 3, {r->b, r->s, r->kv * d}},
                                         {past, 4, {r->b, r->kv, before, d}},
                                         {past, 4, {r->b, r->kv, before, d}},
                                         {SIB_I32, 1, {r->b}},
                                         {SIB_I32, 0, {0}},
                                         {turned, 2, {64, d / 2 - 1}},
                                         {turned, 2, {64, d / 2 - 1}},
                                         {none, 0, {0}},
                                         {r->bias ? type : none, 4, {1, r->n, r->s, r->total}},
                                         {r->sink ? type : none, 1, {r->n}}});
    for (int64_t i = 0; i < r->b; i++)
        ends[i] = (double)(r->total - 1 - (r->s == 1 || r->s == r->total ? 2 * i : 0));
    for (size_t i = 0; i < w.n_in; i++)
        w.in[i].size = 1;
    w.domain = "com.microsoft";
    w.n_out = 3;
    w.in[5].values = ends;
    w.in[6].values = &total;
    w.n_attributes = 8;
    w.attributes[0] = claim_int("num_heads", r->n);
    w.attributes[1] = claim_int("kv_num_heads", r->kv);
    w.attributes[2] = claim_int("do_rotary", r->rotary);
    w.attributes[3] = claim_int("rotary_interleaved", r->interleaved);
    w.attributes[4] = claim_float("softcap", r->softcap);
    w.attributes[5] = claim_int("causal", !r->free);
    w.attributes[6] = claim_int("local_window_size", r->window ? r->window : -1);
    w.attributes[7] = claim_int("smooth_softmax", r->smooth ? 1 : -1);
    w.abs = type == SIB_F32 ? 3e-6 : 3e-3;
    w.rel = type == SIB_F32 ? 3e-6 : 2e-3;
    claim_check(&w, r->what);
}

static const group_query group_queries[] = {
    {"prompt", 2, 4, 2, 20, -1, 20, .packed = false},
    {"prompt, packed, rotated", 2, 4, 2, 20, -1, 20, .packed = true, .rotary = true},
    {"prompt into a buffer", 1, 4, 2, 20, 40, 20, .rotary = true},
    {"prompt behind an empty past", 1, 4, 2, 20, 0, 20, .rotary = true},
    {"one more", 2, 4, 2, 1, 19, 20, .rotary = true, .interleaved = true},
    {"one more in a buffer", 2, 4, 1, 1, 40, 20, .packed = true, .rotary = true},
    {"some more in a buffer", 2, 4, 4, 5, 40, 20, .softcap = 2},
    {"window", 1, 4, 2, 50, -1, 50, .window = 7},
    {"bias", 1, 4, 2, 5, 40, 20, .bias = true},
    {"not causal", 2, 4, 2, 20, -1, 20, .free = true},
    {"a sink a head", 2, 4, 2, 20, -1, 20, .sink = true, .window = 3},
    {"a sink of 0", 2, 4, 2, 5, 40, 45, .smooth = true, .softcap = 3},
    {"long", 2, 4, 2, 1, 700, 650, .bias = true, .sink = true},
    {"long, a window", 2, 4, 2, 1, 700, 650, .window = 70, .smooth = true},
};

TEST(test_group_query)
{
    for (size_t i = 0; i < COUNT(group_queries); i++) {
        check_group_query(&group_queries[i], SIB_F32);
        check_group_query(&group_queries[i], SIB_F16);
    }
}

/* A session of the case, and its inputs as they are given to it. */
typedef struct opened {
    sib_session *session;
    sib_value *inputs[CLAIM_MAX];
    sib_named_value given[CLAIM_MAX];
    size_t n;
} opened;

static void open_case(const claim_case *w, opened *o)
{
    static const char *const names[] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8"};
    char backends[64];
    snprintf(backends, sizeof backends, "%s,ref", backend());
    *o = (opened){0};
    o->session = claim_session(w, backends, o->inputs);
    for (size_t i = 0; i < w->n_in; i++)
        if (o->inputs[i])
            o->given[o->n++] = (sib_named_value){names[i], o->inputs[i]};
}

static void close_case(opened *o)
{
    for (size_t i = 0; i < CLAIM_MAX; i++)
        sib_value_free(&o->inputs[i]);
    sib_session_free(&o->session);
}

static void check_last_kernel(const claim_case *w, const char *expected)
{
    sib_value *out[CLAIM_MAX] = {0};
    sib_error err = SIB_ERROR_INIT;
    sib_plan *plan;
    sib_plan_step made;
    char kernel[64] = "";
    opened o;
    open_case(w, &o);
    CHECK_OK(sib_session_run(o.session, o.n, o.given, 0, NULL, out, NULL, &err), err);
    CHECK_OK(sib_session_plan(o.session, &plan, &err), err);
    for (size_t i = 0; sib_plan_get_step(plan, 0, i, &made); i++)
        snprintf(kernel, sizeof kernel, "%s", made.kernel);
    assert_string_equal(kernel, expected);
    sib_plan_free(&plan);
    claim_drop(out);
    close_case(&o);
}

/* One query of many keys, whose groups take some keys each: before the limit and behind it, of keys before and new ones,
   with a mask that hides all of them. */
TEST(test_long_cache)
{
    static const int64_t keys[] = {511, 512, 1700};
    for (size_t k = 0; k < 12; k++) {
        const sib_dtype type = k & 1 ? SIB_F16 : SIB_F32, masked = k & 2 ? type : SIB_DTYPE_UNKNOWN;
        const int64_t all = keys[k / 4], past = 300;
        claim_case w = made("Attention", 23, 6,
                            (const tensor[]){{type, 4, {2, 6, 1, 40}},
                                             {type, 4, {2, 3, all - past, 40}},
                                             {type, 4, {2, 3, all - past, 50}},
                                             {masked, 4, {2, 1, 1, all}},
                                             {type, 4, {2, 3, past, 40}},
                                             {type, 4, {2, 3, past, 50}}});
        double mask[2 * 1700];
        for (int64_t i = 0; i < 2 * all; i++)
            mask[i] = i < all ? -INFINITY : 0;
        w.in[3].values = mask;
        w.n_out = 3;
        w.n_attributes = 1;
        w.attributes[0] = claim_int("is_causal", 1);
        for (size_t i = 0; i < w.n_in; i++)
            w.in[i].size = 2;
        w.abs = type == SIB_F32 ? 1e-5 : 4e-3;
        w.rel = type == SIB_F32 ? 1e-5 : 2e-3;
        check(&w);
        check_last_kernel(&w, all < 512 ? "attention" : "attention_merge");
    }
}

/* Sequences that end beyond the rows of cosines, or of the cache. */
TEST(test_group_query_ends)
{
    static const double total[] = {1}, beyond[] = {3, 70};
    for (int k = 0; k < 2; k++) {
        const tensor row = {SIB_F32, 3, {1, 1, 8}}, past = {SIB_F32, 4, {1, 1, k ? 80 : 3, 8}};
        const tensor turns = {k ? SIB_F32 : SIB_DTYPE_UNKNOWN, 2, {64, 4}};
        claim_case w = made(
            "GroupQueryAttention", 1, 9,
            (const tensor[]){row, row, row, past, past, {SIB_I32, 1, {1}}, {SIB_I32, 0, {0}}, turns, turns});
        sib_value *out[3] = {0};
        sib_error err = SIB_ERROR_INIT;
        opened o;
        w.domain = "com.microsoft";
        w.n_out = 3;
        w.in[5].values = &beyond[k];
        w.in[6].values = total;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("num_heads", 1);
        w.attributes[1] = claim_int("kv_num_heads", 1);
        w.attributes[2] = claim_int("do_rotary", k);
        open_case(&w, &o);
        CHECK_FAILS(sib_session_run(o.session, o.n, o.given, 0, NULL, out, NULL, &err), SIB_ERR_VALUE, err,
                    "out of range");
        close_case(&o);
    }
}

/* ---- Order --------------------------------------------------------------------------------------------- */

TEST(test_arg)
{
    static const double ties[] = {3, 7, NAN, 7, NAN, 1, 1, 7, 3, -0.0, 0, -0.0, 5, 5, 5, 5};
    static const tensor inputs[] = {{SIB_F32, 3, {3, 65, 5}}};
    static const sib_dtype types[] = {SIB_F32, SIB_F16, SIB_BF16, SIB_I8, SIB_U8, SIB_I32};
    for (int k = 0; k < 4; k++)
        for (int64_t axis = 0; axis < 3; axis++)
            for (size_t t = 0; t < COUNT(types); t++) {
                claim_case w = made(k % 2 ? "ArgMax" : "ArgMin", 13, 1, inputs);
                w.in[0].dtype = types[t];
                w.n_attributes = 2;
                w.attributes[0] = claim_int("axis", axis);
                w.attributes[1] = claim_int("select_last_index", k / 2);
                check(&w);
            }
    for (int k = 0; k < 4; k++) {
        claim_case w = made(k % 2 ? "ArgMax" : "ArgMin", 13, 1, (const tensor[]){{SIB_F32, 2, {4, 4}}});
        w.in[0].values = ties;
        w.n_attributes = 2;
        w.attributes[0] = claim_int("axis", 1);
        w.attributes[1] = claim_int("select_last_index", k / 2);
        check(&w);
    }
}

/* Sums whose rounding would add up: each is that of the exact one. */
TEST(test_running)
{
    static const tensor inputs[] = {{SIB_F32, 3, {3, 1000, 2}}, {SIB_I64, 0, {0}}};
    static const sib_dtype types[] = {SIB_F32, SIB_I32};
    const double axes[] = {0, 1, 2};
    for (size_t k = 0; k < 8; k++)
        for (size_t a = 0; a < 3; a++) {
            claim_case w = made(k % 2 ? "CumProd" : "CumSum", k % 2 ? 26 : 14, 2, inputs);
            w.in[0].dtype = types[k / 2 % 2];
            w.in[0].size = k % 2 && k / 2 % 2 == 0 ? 2 : 100;
            w.in[1].values = &axes[a];
            w.in[1].constant = true;
            w.n_attributes = 2;
            w.attributes[0] = claim_int("reverse", k > 3);
            w.attributes[1] = claim_int("exclusive", k > 5);
            w.rel = 1.3e-7;
            w.abs = 1e-37;
            check(&w);
        }
}

TEST(test_running_infinite)
{
    static const double x[] = {1, INFINITY, 2, 3, 1, -INFINITY, INFINITY, 1, 3e38, 3e38, -3e38, 1};
    claim_case w = made("CumSum", 14, 2, (const tensor[]){{SIB_F32, 2, {2, 4}}, {SIB_I64, 0, {0}}});
    const double axis = 1;
    w.in[0].values = x;
    w.in[1].values = &axis;
    w.in[1].constant = true;
    check(&w);
}

TEST(test_top_k)
{
    static const double ties[] = {3, 7, NAN, 7, NAN, 1, 1, 7, 3, -0.0, 0, -0.0, 5, INFINITY, -INFINITY, 5};
    const double k[] = {3};
    for (int largest = 0; largest < 2; largest++)
        for (int64_t axis = 0; axis < 2; axis++)
            for (int tied = 0; tied < 3; tied++) {
                claim_case w =
                    made("TopK", 11, 2,
                         (const tensor[]){{tied == 2 ? SIB_I32 : SIB_F32, 3, {4, 4, tied ? 1 : 70}},
                                          {SIB_I64, 1, {1}}});
                w.n_out = 2;
                w.in[0].values = tied == 1 ? ties : NULL;
                w.in[0].size = 10;
                w.in[1].values = k;
                w.in[1].constant = true;
                w.n_attributes = 2;
                w.attributes[0] = claim_int("axis", axis);
                w.attributes[1] = claim_int("largest", largest);
                check(&w);
                w.unwanted[largest] = true;
                check(&w);
            }
}
