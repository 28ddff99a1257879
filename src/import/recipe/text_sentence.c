#include "import/recipe/text_sentence.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What all ways to pool read. */
typedef struct pooling {
    build *b;
    value_id hidden, mask; /* [B, N, d], int64 [B, N] */
    value_id kept;         /* float32 [B, N, 1]: 1 for each token, 0 for padding */
    value_id places;       /* int64 [1, N]: 0, 1, ... */
} pooling;

static value_id reduced(build *b, const char *type, value_id x, int64_t axis, bool keep)
{
    value_id out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "keepdims", keep);
    build_node(b, type, &a, 2, (value_id[]){x, build_int(b, axis)}, 1, &out);
    return out;
}

/* ---- Ways to pool: [B, d] ------------------------------------------------------------------------------ */

static value_id weighted(const pooling *p, value_id weights, bool by_root)
{
    build *b = p->b;
    value_id sum = reduced(b, "ReduceSum", build_mul(b, p->hidden, weights), 1, false),
             all = build_2(b, "Max", reduced(b, "ReduceSum", weights, 1, false), build_float(b, 1e-9));
    return build_2(b, "Div", sum, by_root ? build_1(b, "Sqrt", all) : all);
}

static value_id pool_cls(const pooling *p)
{
    return build_gather(p->b, p->hidden, build_scalar_int(p->b, 0), 1);
}

static value_id pool_max(const pooling *p)
{
    build *b = p->b;
    value_id seen = build_cast(b, p->kept, SIB_BOOL);
    return reduced(b, "ReduceMax", build_3(b, "Where", seen, p->hidden, build_float(b, -1e9)), 1, false);
}

static value_id pool_mean(const pooling *p)
{
    return weighted(p, p->kept, false);
}

static value_id pool_mean_by_root(const pooling *p)
{
    return weighted(p, p->kept, true);
}

/* Later tokens count more: 1, 2, ... */
static value_id pool_weighted_mean(const pooling *p)
{
    build *b = p->b;
    value_id count = build_cast(b, build_add(b, p->places, build_scalar_int(b, 1)), SIB_F32);
    return weighted(p, build_mul(b, p->kept, build_2(b, "Unsqueeze", count, build_int(b, -1))), false);
}

static value_id pool_last(const pooling *p)
{
    build *b = p->b;
    value_id last = reduced(b, "ReduceMax", build_mul(b, p->mask, p->places), 1, true), /* [B, 1] */
        chosen = build_cast(b, build_2(b, "Equal", p->places, last), SIB_F32);
    chosen = build_2(b, "Unsqueeze", chosen, build_int(b, -1));
    return reduced(b, "ReduceSum", build_mul(b, p->hidden, chosen), 1, false);
}

/* In the order in which their results are joined. */
static const struct mode {
    const char *key, *name; /* a flag in older files; a word in newer ones */
    value_id (*pool)(const pooling *p);
} modes[] = {
    {"pooling_mode_cls_token", "cls", pool_cls},
    {"pooling_mode_max_tokens", "max", pool_max},
    {"pooling_mode_mean_tokens", "mean", pool_mean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", pool_mean_by_root},
    {"pooling_mode_weightedmean_tokens", "weightedmean", pool_weighted_mean},
    {"pooling_mode_lasttoken", "lasttoken", pool_last},
};
#define N_MODES (sizeof modes / sizeof *modes)

/* ---- The folder ---------------------------------------------------------------------------------------- */

/* The word of a config, or one in a list of words. */
static bool names_mode(const json_t *said, const char *name)
{
    const char *word = json_string_value(said);
    if (word)
        return !strcmp(word, name);
    for (size_t i = 0; i < json_array_size(said); i++) {
        word = json_string_value(json_array_get(said, i));
        if (word && !strcmp(word, name))
            return true;
    }
    return false;
}

static value_id pool(build *b, const json_t *config, value_id hidden, value_id mask, int64_t *width)
{
    value_id places, parts[N_MODES] = {NO_VALUE};
    size_t n = 0;
    build_position_ids(b, build_shape(b, mask, 1, 1), NO_VALUE, &places, NULL);
    pooling p = {
        .b = b, .hidden = hidden, .mask = mask, .places = build_2(b, "Unsqueeze", places, build_int(b, 0))};
    p.kept = build_2(b, "Unsqueeze", build_cast(b, mask, SIB_F32), build_int(b, -1));
    for (size_t i = 0; i < N_MODES; i++)
        if (json_is_true(json_object_get(config, modes[i].key)) ||
            names_mode(json_object_get(config, "pooling_mode"), modes[i].name))
            parts[n++] = modes[i].pool(&p);
    if (!n)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: the pooling of its sentence-transformers folder is none of cls, max, mean, "
                   "mean_sqrt_len_tokens, weightedmean, lasttoken",
                   checkpoint_file(b->c, 0));
    if (json_is_false(json_object_get(config, "include_prompt")))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: pooling without the prompt ('include_prompt') is not supported",
                   checkpoint_file(b->c, 0));
    *width *= (int64_t)n;
    return n > 1 ? build_concat(b, -1, n, parts) : parts[0];
}

static value_id normalized(build *b, value_id x)
{
    value_id length = reduced(b, "ReduceL2", x, -1, true);
    return build_2(b, "Div", x, build_2(b, "Max", length, build_float(b, 1e-12)));
}

static void add_prompts(build *b)
{
    json_t *config = build_beside(b, "config_sentence_transformers.json");
    const json_t *prompts = json_object_get(config, "prompts");
    const char *name = json_string_value(json_object_get(config, "default_prompt_name"));
    char *text = json_object_size(prompts) ? json_dumps(prompts, JSON_COMPACT) : NULL;
    if (text)
        build_add_metadata_text(b, "prompts", str_of(text));
    if (text && name)
        build_add_metadata_text(b, "default_prompt_name", str_of(name));
    free(text);
    json_decref(config);
}

static void add_limits(build *b)
{
    json_t *config = build_beside(b, "sentence_bert_config.json");
    const json_t *longest = json_object_get(config, "max_seq_length");
    if (json_is_integer(longest) && json_integer_value(longest) > 0)
        build_add_metadata_int(b, "max_tokens", json_integer_value(longest));
    if (json_is_true(json_object_get(config, "do_lower_case")))
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: 'do_lower_case' of sentence_bert_config.json is not supported",
                   checkpoint_file(b->c, 0));
    json_decref(config);
}

/* The last part of "sentence_transformers.models.Pooling". */
static const char *kind_of(const json_t *module)
{
    const char *type = json_string_value(json_object_get(module, "type")),
               *dot = type ? strrchr(type, '.') : NULL;
    return dot ? dot + 1 : type ? type : "";
}

/* The folder of a module, and its config.json; NULL after a failure. */
static json_t *open_module(build *b, const json_t *module, const char **folder)
{
    json_t *config = NULL;
    *folder = json_string_value(json_object_get(module, "path"));
    if (*folder && **folder && **folder != '/' && !strstr(*folder, ".."))
        config = build_beside(b, build_text(b, "%.200s/config.json", *folder));
    if (!config)
        build_fail(b, SIB_ERR_FORMAT, "%s: the module '%.60s' of its modules.json has no config.json",
                   checkpoint_file(b->c, 0), kind_of(module));
    return config;
}

static value_id add_pooling(build *b, const json_t *module, value_id hidden, value_id mask, int64_t *d)
{
    const char *folder;
    json_t *config = open_module(b, module, &folder);
    value_id x = config ? pool(b, config, hidden, mask, d) : NO_VALUE;
    json_decref(config);
    return x;
}

/* ---- A matrix of its own, in a folder below ------------------------------------------------------------- */

/* A weight of another checkpoint as float32, copied. */
static value_id weight_of(build *b, const checkpoint *c, const char *name, size_t rank, const int64_t *dims)
{
    const weight *w = checkpoint_find(c, name);
    const size_t n = (size_t)(dims[0] * (rank > 1 ? dims[1] : 1));
    if (!w || w->rank != rank || w->dims[0] != dims[0] || (rank > 1 && w->dims[1] != dims[1])) {
        build_fail(b, SIB_ERR_FORMAT, "%s: has no %s of the sizes in its config.json", checkpoint_file(c, 0),
                   name);
        return NO_VALUE;
    }
    float *x = b->code == SIB_OK ? arena_alloc(b->m->arena, n, sizeof *x) : NULL;
    if (b->code == SIB_OK && !x)
        build_fail(b, SIB_ERR_MEMORY, "no memory for %s", name);
    else if (x)
        b->code = weight_read(w, 0, n, SIB_F32, x, b->err);
    return build_reshape(b, build_floats(b, n, x), rank, dims);
}

/* The activation of "torch.nn.modules.activation.Tanh". */
static value_id activated(build *b, const json_t *config, value_id x)
{
    static const struct {
        const char *name;
        build_activation kind;
    } known[] = {{"Tanh", BUILD_TANH}, {"ReLU", BUILD_RELU}, {"GELU", BUILD_GELU}, {"SiLU", BUILD_SILU}};
    const char *name = json_string_value(json_object_get(config, "activation_function")),
               *dot = name ? strrchr(name, '.') : NULL;
    name = dot ? dot + 1 : name ? name : "Tanh";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name))
            return build_activate(b, known[i].kind, x);
    if (strcmp(name, "Identity") != 0)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.60s' of its module Dense is not supported",
                   checkpoint_file(b->c, 0), name);
    return x;
}

static value_id dense_of(build *b, const checkpoint *c, const json_t *config, value_id x, int64_t *d)
{
    const json_int_t out = json_integer_value(json_object_get(config, "out_features"));
    if (json_integer_value(json_object_get(config, "in_features")) != *d || out < 1 || out > 1 << 20) {
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: in_features or out_features of its module Dense are wrong for %lld numbers",
                   checkpoint_file(b->c, 0), (long long)*d);
        return NO_VALUE;
    }
    const int64_t dims[] = {out, *d};
    value_id w = weight_of(b, c, "linear.weight", 2, dims);
    x = build_2(b, "MatMul", x, build_transpose(b, w, 2, (const int64_t[]){1, 0}));
    if (!json_is_false(json_object_get(config, "bias")))
        x = build_add(b, x, weight_of(b, c, "linear.bias", 1, dims));
    *d = out;
    return activated(b, config, x);
}

static value_id add_dense(build *b, const json_t *module, value_id x, int64_t *d)
{
    const char *folder;
    json_t *config = open_module(b, module, &folder);
    checkpoint *c = config ? build_open_beside(b, folder) : NULL;
    x = c ? dense_of(b, c, config, x, d) : NO_VALUE;
    checkpoint_free(&c);
    json_decref(config);
    return x;
}

/* ---- The modules ---------------------------------------------------------------------------------------- */

void text_sentence_add(build *b, int64_t d, value_id hidden, value_id mask)
{
    json_t *modules = build_beside(b, "modules.json");
    value_id x = NO_VALUE;
    if (!modules)
        return;
    build_scope(b, "sentence");
    for (size_t i = 0; i < json_array_size(modules) && b->code == SIB_OK; i++) {
        const json_t *module = json_array_get(modules, i);
        const char *kind = kind_of(module);
        if (!strcmp(kind, "Pooling") && x == NO_VALUE)
            x = add_pooling(b, module, hidden, mask, &d);
        else if (!strcmp(kind, "Normalize") && x != NO_VALUE)
            x = normalized(b, x);
        else if (!strcmp(kind, "Dense") && x != NO_VALUE)
            x = add_dense(b, module, x, &d);
        else if (strcmp(kind, "Transformer") != 0 || i)
            build_fail(b, SIB_ERR_UNSUPPORTED,
                       "%s: the module '%.60s' of its modules.json is not supported; known are "
                       "Transformer, Pooling, Dense and Normalize, in this order",
                       checkpoint_file(b->c, 0), kind);
    }
    json_decref(modules);
    if (x == NO_VALUE)
        return;
    build_output(b, x, "sentence_embedding", SIB_F32, "B %lld", (long long)d);
    build_add_metadata(b, "normalize", "false"); /* the graph does where the folder says so */
    add_limits(b);
    add_prompts(b);
}
