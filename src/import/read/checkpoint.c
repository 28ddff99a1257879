/* What an open checkpoint holds. */
#include "import/read/reader.h"

#include "base/alloc.h"

void checkpoint_free(checkpoint **pointer)
{
    checkpoint *c = pointer ? *pointer : NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        mem_free(c->files[i].path);
        mapping_release(c->files[i].map);
    }
    checkpoint_free(&c->adapter);
    mem_free(c->files);
    mem_free(c->weights);
    mem_free(c->facts);
    name_map_clear(&c->weight_names);
    name_map_clear(&c->fact_names);
    arena_free(&c->arena);
    mem_free(c);
    *pointer = NULL;
}

const char *checkpoint_format_name(const checkpoint *c)
{
    return c->format;
}

const char *checkpoint_file(const checkpoint *c, size_t i)
{
    return i < c->n_files ? c->files[i].path : NULL;
}

const weight *checkpoint_weight(const checkpoint *c, size_t i)
{
    return i < c->n_weights ? &c->weights[i] : NULL;
}

size_t checkpoint_weights(const checkpoint *c)
{
    return c->n_weights;
}

const weight *checkpoint_find(const checkpoint *c, const char *name)
{
    uint32_t i;
    return name_map_find(&c->weight_names, str_of(name), &i) ? &c->weights[i] : NULL;
}

const fact *checkpoint_fact(const checkpoint *c, const char *key)
{
    uint32_t i;
    return name_map_find(&c->fact_names, str_of(key), &i) ? &c->facts[i] : NULL;
}

const fact *checkpoint_fact_at(const checkpoint *c, size_t i)
{
    return i < c->n_facts ? &c->facts[i] : NULL;
}

int64_t checkpoint_int(const checkpoint *c, const char *key, int64_t otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    return f && f->kind == FACT_INT && !f->list ? f->ints[0] : otherwise;
}

double checkpoint_float(const checkpoint *c, const char *key, double otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    if (!f || f->list || (f->kind != FACT_INT && f->kind != FACT_FLOAT))
        return otherwise;
    return f->kind == FACT_INT ? (double)f->ints[0] : f->floats[0];
}
