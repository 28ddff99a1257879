/* Operators of one's own, one as a function and one as a lowering, in a model that is made by calls:
       cc own_operator.c -o own_operator $(pkg-config --cflags --libs sibyl) && ./own_operator [MODEL.onnx] */
#include <sibyl/sibyl.h>
#include <stdio.h>

/* my.dom:Clamp is a function: y = x between -high and high, element by element. */
static sib_code clamp_shape(void *context, sib_lowering *l, sib_error *err)
{
    (void)context;
    (void)err;
    sib_lowering_declare_like(l, 0, sib_lowering_input(l, 0)); /* y has the type of x, symbolic dims too */
    return SIB_OK;
}

static sib_code clamp_run(void *context, sib_call *c, sib_error *err)
{
    (void)context;
    float high = (float)sib_node_float(sib_call_node(c), "high", 0);
    const sib_tensor *x = sib_call_tensor(c, 0);
    sib_tensor *y;
    sib_code code = sib_call_output(c, 0, SIB_F32, sib_tensor_rank(x), sib_tensor_dims(x), &y, err);
    if (code != SIB_OK)
        return code;
    const float *from = sib_tensor_data(x);
    float *to = sib_tensor_data(y);
    for (uint64_t i = 0; i < sib_tensor_count(x); i++)
        to[i] = from[i] < -high ? -high : from[i] > high ? high : from[i];
    return SIB_OK;
}

/* my.dom:Swish is a lowering: y = x * sigmoid(x), in milli-ops. */
static sib_code swish_lower(void *context, sib_lowering *l, sib_error *err)
{
    (void)context;
    (void)err;
    sib_mval x = sib_lowering_input(l, 0);
    sib_lowering_output(l, 0, sib_milli_binary(l, "mul", x, sib_milli_unary(l, "sigmoid", x)));
    return SIB_OK;
}

static const float one = 1;
static const char *const types[] = {"float32"};
static const sib_operator_attribute high = {
    {.name = "high", .kind = SIB_ATTRIBUTE_FLOAT, .n = 1, .floats = &one}, false};
static const sib_operator clamp = {.domain = "my.dom",
                                   .name = "Clamp",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .types = types,
                                   .n_types = 1,
                                   .attributes = &high,
                                   .n_attributes = 1,
                                   .shape = clamp_shape,
                                   .run = clamp_run};
static const sib_operator swish = {
    .domain = "my.dom", .name = "Swish", .min_inputs = 1, .max_inputs = 1, .lower = swish_lower};

/* y = Clamp(Swish(x)) */
static sib_code make_model(sib_registry *r, sib_model **out, sib_error *err)
{
    sib_build *b = NULL;
    const sib_build_node nodes[2] = {
        {"my.dom", "Swish", "first", 1, 1, 0, (const char *[]){"x"}, (const char *[]){"s"}, NULL},
        {"my.dom", "Clamp", "second", 1, 1, 0, (const char *[]){"s"}, (const char *[]){"y"}, NULL}};
    sib_code code = sib_build_create(21, &b, err);
    if (code == SIB_OK)
        code = sib_build_opset(b, "my.dom", 1, err);
    if (code == SIB_OK)
        code = sib_build_registry(b, r, err);
    if (code == SIB_OK)
        code = sib_build_input(b, "x", SIB_F32, 1, (const int64_t[]){-1}, (const char *[]){"N"}, err);
    for (int i = 0; i < 2 && code == SIB_OK; i++)
        code = sib_build_add(b, &nodes[i], err);
    if (code == SIB_OK)
        code = sib_build_output(b, "y", err);
    if (code == SIB_OK)
        return sib_build_model(&b, out, err);
    sib_build_free(&b);
    return code;
}

static void show(const sib_value *y)
{
    const float *numbers = sib_tensor_data(sib_value_tensor(y));
    for (uint64_t i = 0; i < sib_tensor_count(sib_value_tensor(y)); i++)
        printf("%s%.4f", i ? " " : "", (double)numbers[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    static float x[4] = {-1, 0, 1, 2};
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    sib_model *m = NULL;
    sib_session *s = NULL;
    sib_tensor *t = NULL;
    sib_value *in = NULL, *out = NULL;
    sib_value_info y;

    if (sib_registry_create(&r, &err) == SIB_OK && sib_operator_register(r, &clamp, &err) == SIB_OK &&
        sib_operator_register(r, &swish, &err) == SIB_OK && make_model(r, &m, &err) == SIB_OK &&
        sib_session_create(m, NULL, &s, &err) == SIB_OK &&
        sib_tensor_wrap(SIB_F32, 1, (const int64_t[]){4}, NULL, x, NULL, NULL, &t, &err) == SIB_OK &&
        sib_value_from_tensor(t, &in, &err) == SIB_OK &&
        sib_session_run(s, 1, &(sib_named_value){"x", in}, 0, NULL, &out, NULL, &err) == SIB_OK) {
        if (sib_model_output(m, 0, &y))
            printf("%s: %s\n", y.name, y.type);
        show(out);
        if (argc > 1)
            sib_model_save(m, argv[1], NULL, &err);
    }
    if (err.code != SIB_OK)
        fprintf(stderr, "own_operator: %s\n", err.message);
    sib_value_free(&out);
    sib_value_free(&in);
    sib_tensor_free(&t);
    sib_session_free(&s);
    sib_model_free(&m);
    sib_registry_free(&r);
    return err.code == SIB_OK ? 0 : 1;
}
