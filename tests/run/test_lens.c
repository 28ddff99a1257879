/* The logit lens: values between blocks, and what the end makes of them. */
#include "check_memory.h"
#include "tiny.h"

#include <sibyl/lens.h>

#define WIDTH      2
#define VOCABULARY 3
static const int64_t two_by_two[] = {2, 2}, table_dims[] = {VOCABULARY, WIDTH},
                     head_dims[] = {WIDTH, VOCABULARY};
static const double table[] = {1, 2, -3, 4, 5, -6}, head[] = {1, 0, -1, 2, 1, 0};

/* x + f(x), f: what an operator makes of x times a matrix; beside it a mask that is added, made of the tokens' shape. */
static value_id part(tiny *t, value_id x, const char *op, int number)
{
    char name[8][16];
    for (int k = 0; k < 8; k++)
        snprintf(name[k], sizeof name[k], "%c%d", "wmabcdef"[k], number);
    const double w[] = {0.5 * number, 1, -1, 0.25};
    value_id inner = tiny_op(t, op, x, NO_VALUE, name[2]);
    value_id made =
        tiny_op(t, "MatMul", inner, tiny_constant(t, name[0], SIB_F32, 2, two_by_two, w), name[3]);
    return tiny_op(t, "Add", x, made, name[4]);
}

/* tokens -> embedding, blocks of a part with Tanh and one with Relu, a norm by RMS in small operators, positions, head. */
static sib_model *decoder(int blocks, bool positions)
{
    tiny t = tiny_begin();
    value_id tokens = tiny_input(&t, "tokens", SIB_I64, "N"), x, at = NO_VALUE;
    if (positions)
        at = tiny_input(&t, "at", SIB_I64, "M");
    x = tiny_op(&t, "Gather", tiny_constant(&t, "table", SIB_F32, 2, table_dims, table), tokens, "embedded");
    for (int i = 0; i < blocks; i++) {
        x = part(&t, x, "Tanh", 2 * i + 1);
        x = part(&t, x, "Relu", 2 * i + 2);
    }
    const int64_t one = 1;
    const double half = 0.5;
    value_id scaled = tiny_op(&t, "Mul", x, tiny_op(&t, "Abs", x, NO_VALUE, "size"), "norm");
    scaled = tiny_op(&t, "Mul", scaled, tiny_constant(&t, "half", SIB_F32, 1, &one, &half), "scaled");
    if (positions)
        scaled = tiny_op(&t, "Gather", scaled, at, "chosen");
    tiny_output(
        &t, tiny_op(&t, "MatMul", scaled, tiny_constant(&t, "head", SIB_F32, 2, head_dims, head), "logits"));
    return tiny_model(&t);
}

static sib_lens *lens_of(sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_lens *l = NULL;
    CHECK_OK(sib_lens_create(m, "tokens", "logits", NULL, &l, &err), err);
    return l;
}

TEST(finds_the_values_between_blocks)
{
    for (int positions = 0; positions < 2; positions++) {
        sib_model *m = decoder(3, positions);
        sib_lens *l = lens_of(m);
        sib_model_free(&m); /* the lens keeps it */
        static const char *const names[] = {"embedded", "c1", "c2", "c3", "c4", "c5", "c6"};
        sib_lens_value v;
        for (size_t i = 0; i < 7; i++) {
            assert_true(sib_lens_get(l, i, &v));
            assert_string_equal(v.name, names[i]);
            assert_int_equal(v.block, (i + 1) / 2);
            assert_int_equal(v.part, i ? (i - 1) % 2 + 1 : 0);
            assert_int_equal(v.whole, i % 2 == 0);
        }
        assert_false(sib_lens_get(l, 7, &v));
        sib_lens_free(&l);
    }
}

TEST(the_end_of_a_value_is_norm_and_head)
{
    for (int positions = 0; positions < 2; positions++) {
        sib_error err = SIB_ERROR_INIT;
        sib_model *m = decoder(2, positions);
        sib_lens *l = lens_of(m);
        const double rows[] = {1, -2, 3, 0.5, -1, 1};
        sib_tensor *given = tiny_tensor(SIB_F32, 2, (const int64_t[]){3, WIDTH}, rows), *logits = NULL;
        CHECK_OK(sib_lens_logits(l, given, NULL, &logits, &err), err);
        assert_int_equal(sib_tensor_rank(logits), 2);
        assert_int_equal(sib_tensor_dims(logits)[0], 3);
        assert_int_equal(sib_tensor_dims(logits)[1], VOCABULARY);
        const float *got = sib_tensor_data(logits);
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < VOCABULARY; k++) {
                double expected = 0;
                for (int j = 0; j < WIDTH; j++) {
                    double x = rows[i * WIDTH + j];
                    expected += 0.5 * x * (x < 0 ? -x : x) * head[j * VOCABULARY + k];
                }
                assert_float_equal(got[i * VOCABULARY + k], expected, 1e-5);
            }
        sib_tensor_free(&given);
        sib_tensor_free(&logits);
        sib_lens_free(&l);
        sib_model_free(&m);
    }
}

TEST(what_has_no_blocks_is_refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = decoder(0, false);
    sib_lens *l = NULL;
    assert_int_equal(sib_lens_create(m, "tokens", "logits", NULL, &l, &err), SIB_ERR_UNSUPPORTED);
    assert_null(l);
    assert_non_null(strstr(err.message, "'logits'"));
    err = (sib_error)SIB_ERROR_INIT;
    assert_int_equal(sib_lens_create(m, "words", "logits", NULL, &l, &err), SIB_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "'words'"));
    sib_model_free(&m);
}

TEST(every_failed_allocation_of_a_lens_is_clean)
{
    sib_model *m = decoder(2, true);
    sib_error err = SIB_ERROR_INIT;
    sib_lens *l = lens_of(m); /* what the model keeps of its graph once it is asked is there */
    sib_lens_free(&l);
    CHECK_EVERY_ALLOCATION(
        sib_lens_create(m, "tokens", "logits", &(sib_session_options){.threads = 1}, &l, &err),
        sib_lens_free(&l));
    sib_model_free(&m);
}
