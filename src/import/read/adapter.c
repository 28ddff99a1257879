#include "import/read/adapter.h"

#include "base/alloc.h"
#include "base/size.h"
#include "import/read/reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An adapter that is being merged. */
typedef struct merging {
    checkpoint *base, *from;
    const char *folder;
    bool rank_scaled; /* alpha / sqrt(rank) */
    bool across;      /* matrices of products are [in, out] */
    sib_error *err;
} merging;

static bool flag(const checkpoint *c, const char *key)
{
    const fact *f = checkpoint_fact(c, key);
    return f && f->kind == FACT_BOOL && !f->list && f->bools[0];
}

static sib_code check_config(const merging *m)
{
    static const char *const unsupported[] = {"use_dora", "use_qalora", "lora_bias", "use_bdlora"};
    const fact *kind = checkpoint_fact(m->from, "peft_type");
    if (!kind || kind->kind != FACT_STRING || kind->list)
        return err_set(m->err, SIB_ERR_FORMAT, "%s: adapter_config.json has no peft_type", m->folder);
    if (!str_is(kind->strings[0], "LORA"))
        return err_set(m->err, SIB_ERR_UNSUPPORTED, "%s: adapters of type '%.*s' are not supported, LORA is",
                       m->folder, READER_STR(kind->strings[0]));
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (flag(m->from, unsupported[i]))
            return err_set(m->err, SIB_ERR_UNSUPPORTED, "%s: adapters with %s are not supported", m->folder,
                           unsupported[i]);
    return SIB_OK;
}

/* The number for a module: of the first pattern ("rank_pattern.q_proj") that its name ends with, else `key`. */
static double number_of(const merging *m, const char *patterns, const char *key, sib_str module)
{
    const size_t front = strlen(patterns);
    const fact *f;
    for (size_t i = 0; (f = checkpoint_fact_at(m->from, i)); i++) {
        if (!str_starts(f->key, patterns) || f->list)
            continue;
        const sib_str end = str_from(f->key, front);
        if (end.length > module.length ||
            memcmp(module.data + module.length - end.length, end.data, end.length) != 0 ||
            (end.length < module.length && module.data[module.length - end.length - 1] != '.'))
            continue;
        return f->kind == FACT_INT ? (double)f->ints[0] : f->kind == FACT_FLOAT ? f->floats[0] : NAN;
    }
    return checkpoint_float(m->from, key, NAN);
}

/* The base's weight MODULE.ending; checkpoints may lack the first part of PEFT's names, or have another. */
static weight *base_weight(const merging *m, sib_str module, const char *ending)
{
    static const char *const fronts[] = {"", "model.", "transformer."};
    char name[READER_MAX_NAME + 64];
    const char *dot = memchr(module.data, '.', module.length);
    for (int cut = 0; cut < (dot ? 2 : 1); cut++) {
        const sib_str rest = cut ? str_from(module, (size_t)(dot + 1 - module.data)) : module;
        for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
            snprintf(name, sizeof name, "%s%.*s%s", fronts[i], (int)rest.length, rest.data, ending);
            const weight *found = checkpoint_find(m->base, name);
            if (found)
                return &m->base->weights[found - m->base->weights];
        }
    }
    return NULL;
}

static sib_code numbers_of(const merging *m, const weight *w, const float **out)
{
    uint64_t count;
    *out = NULL;
    if (w->rank != 2 || !weight_count(w, &count) || count > SIZE_MAX / sizeof(float))
        return err_set(m->err, SIB_ERR_FORMAT, "%s: weight '%.*s' is no matrix", m->folder,
                       READER_STR(w->name));
    float *numbers = arena_alloc(m->base->arena, (size_t)count, sizeof *numbers);
    *out = numbers;
    return numbers ? weight_read(w, 0, (size_t)count, SIB_F32, numbers, m->err)
                   : err_memory(m->err, (size_t)count * sizeof *numbers, "an adapter");
}

/* Adds scale * B A to a matrix. a: the adapter's A, whose B has the other name. across: as of the delta. */
static sib_code merge_matrix(const merging *m, const weight *a, sib_str module, const char *b_name,
                             bool across)
{
    char name[READER_MAX_NAME + 64];
    snprintf(name, sizeof name, "base_model.model.%.*s%s", (int)module.length, module.data, b_name);
    const weight *b = checkpoint_find(m->from, name);
    weight *w = base_weight(m, module, ".weight");
    if (!b || !w)
        return err_set(m->err, SIB_ERR_FORMAT, "%s: %s has no weight '%.*s%s'", m->folder,
                       b ? "the checkpoint" : "the adapter", READER_STR(module), b ? ".weight" : b_name);
    const bool flat = a->rank == 2 && b->rank == 2 && w->rank == 2;
    const int64_t rank = flat ? a->dims[0] : 0;
    if (!flat || rank < 1 || rank > ADAPTER_MAX_RANK || b->dims[1] != rank || w->dims[across] != b->dims[0] ||
        w->dims[!across] != a->dims[1] || w->dims[0] < 1 || w->dims[1] < 1)
        return err_set(m->err, SIB_ERR_FORMAT,
                       "%s: the matrices of '%.*s' do not fit the checkpoint's weight '%.*s'", m->folder,
                       READER_STR(module), READER_STR(w->name));
    const double r = number_of(m, "rank_pattern.", "r", module),
                 alpha = number_of(m, "alpha_pattern.", "lora_alpha", module);
    if (!(r >= 1) || !isfinite(alpha))
        return err_set(m->err, SIB_ERR_FORMAT, "%s: adapter_config.json has no r and lora_alpha", m->folder);
    weight_delta *d = arena_alloc(m->base->arena, 1, sizeof *d);
    if (!d)
        return err_memory(m->err, sizeof *d, "an adapter");
    *d = (weight_delta){.rows = (size_t)w->dims[0],
                        .columns = (size_t)w->dims[1],
                        .rank = (size_t)rank,
                        .scale = m->rank_scaled ? alpha / sqrt(r) : alpha / r,
                        .across = across};
    sib_code code = numbers_of(m, a, &d->a);
    if (code == SIB_OK)
        code = numbers_of(m, b, &d->b);
    w->delta = code == SIB_OK ? d : NULL;
    return code;
}

/* A weight that takes the place of the checkpoint's. */
static sib_code replace(const merging *m, const weight *with, sib_str name)
{
    weight *w = base_weight(m, name, "");
    if (!w)
        return err_set(m->err, SIB_ERR_FORMAT, "%s: the checkpoint has no weight '%.*s'", m->folder,
                       READER_STR(name));
    const weight was = *w;
    if (was.rank != with->rank || memcmp(was.dims, with->dims, was.rank * sizeof *was.dims) != 0)
        return err_set(m->err, SIB_ERR_FORMAT, "%s: weight '%.*s' has another shape than the checkpoint's",
                       m->folder, READER_STR(name));
    *w = *with;
    w->name = was.name;
    w->file = was.file;
    return SIB_OK;
}

static bool ends_with(sib_str s, const char *end)
{
    const size_t n = strlen(end);
    return s.length > n && !memcmp(s.data + s.length - n, end, n);
}

static sib_code merge_weight(const merging *m, const weight *w)
{
    static const char front[] = "base_model.model.";
    static const struct {
        const char *a, *b;
        bool embeds;
    } pairs[] = {{".lora_A.weight", ".lora_B.weight", false},
                 {".lora_embedding_A", ".lora_embedding_B", true}};
    if (!str_starts(w->name, front))
        return err_set(m->err, SIB_ERR_FORMAT, "%s: weight '%.*s' is not of an adapter", m->folder,
                       READER_STR(w->name));
    sib_str name = str_from(w->name, sizeof front - 1);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (ends_with(name, pairs[i].b))
            return SIB_OK; /* with its A */
        if (!ends_with(name, pairs[i].a))
            continue;
        name.length -= strlen(pairs[i].a);
        return merge_matrix(m, w, name, pairs[i].b, pairs[i].embeds || m->across);
    }
    return replace(m, w, name);
}

sib_code adapter_merge(checkpoint *c, const char *folder, sib_error *err)
{
    char config[4096], weights[4096];
    const char *const paths[] = {config, weights};
    const int n = snprintf(config, sizeof config, "%s/adapter_config.json", folder);
    snprintf(weights, sizeof weights, "%s/adapter_model.safetensors", folder);
    if (n >= (int)sizeof config - 16)
        return err_set(err, SIB_ERR_ARGUMENT, "the adapter's path is too long");
    if (access(weights, R_OK) != 0)
        snprintf(weights, sizeof weights, "%s/adapter_model.bin", folder);
    if (c->adapter)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: there is an adapter already", folder);
    sib_code code = checkpoint_open(paths, 2, &c->adapter, err);
    if (code != SIB_OK)
        return code;
    merging m = {.base = c,
                 .from = c->adapter,
                 .folder = folder,
                 .rank_scaled = flag(c->adapter, "use_rslora"),
                 .across = flag(c->adapter, "fan_in_fan_out"),
                 .err = err};
    code = check_config(&m);
    for (size_t i = 0; i < checkpoint_weights(m.from) && code == SIB_OK; i++)
        code = merge_weight(&m, checkpoint_weight(m.from, i));
    return code;
}
