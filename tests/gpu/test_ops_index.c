/* Elements by index and by order on a GPU's backend against ref. */
#include "ops.h"

TEST_FIXTURE(begin, end)

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

/* New rows of a cache, and places out of range. */
TEST(test_cache_rows)
{
    static const double places[] = {3, 0};
    static const tensor inputs[] = {
        {SIB_F32, 4, {2, 3, 6, 4}}, {SIB_F32, 4, {2, 3, 3, 4}}, {SIB_I64, 1, {2}}};
    claim_case w = made("TensorScatter", 24, 3, inputs);
    w.in[2].values = places;
    for (size_t t = 0; t < COUNT(moved); t++) {
        w.in[0].dtype = w.in[1].dtype = moved[t];
        w.in[2].dtype = t % 2 ? SIB_I32 : SIB_I64;
        check(&w);
    }
    w.n_attributes = 1;
    w.attributes[0] = claim_int("axis", 1);
    w.in[0] = w.in[1] = (claim_input){.dtype = SIB_F32, .rank = 3, .dims = {2, 5, 4}};
    w.in[1].dims[1] = 2;
    check(&w);
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
