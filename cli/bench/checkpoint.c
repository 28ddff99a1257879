#include "bench/checkpoint.h"

#include "bench/bench.h"
#include "files.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHTS_MAX 2048

typedef struct random_weight {
    char *name;
    size_t rank, count;
    int64_t dims[3];
    double scale, offset;
} random_weight;

void random_add(random_weights *w, const char *where, const char *what, size_t rank, const int64_t *dims,
                double scale, double offset)
{
    if (!w->items)
        w->items = cli_alloc(WEIGHTS_MAX, sizeof *w->items);
    if (w->n == WEIGHTS_MAX)
        exit(cli_fail("a checkpoint has more than %d weights", WEIGHTS_MAX));
    random_weight *d = &w->items[w->n++];
    *d = (random_weight){.rank = rank, .count = 1, .scale = scale, .offset = offset};
    d->name = cli_format("%s%s", where, what);
    for (size_t i = 0; i < rank; i++) {
        d->dims[i] = dims[i];
        d->count *= (size_t)dims[i];
    }
}

void random_add_linear(random_weights *w, const char *where, const char *what, int64_t from, int64_t to,
                       bool biased)
{
    char *weight = cli_format("%s.weight", what), *bias = cli_format("%s.bias", what);
    random_add(w, where, weight, 2, (const int64_t[]){to, from}, 1 / sqrt((double)from), 0);
    if (biased)
        random_add(w, where, bias, 1, &to, 0.1, 0);
    free(weight);
    free(bias);
}

/* The header of safetensors: each weight's type, shape and place. */
static char *header_of(const random_weights *w)
{
    json_t *header = json_object();
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        const random_weight *d = &w->items[i];
        json_t *dims = json_array();
        for (size_t k = 0; k < d->rank; k++)
            json_array_append_new(dims, json_integer(d->dims[k]));
        json_object_set_new(header, d->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", dims, "data_offsets",
                                      (json_int_t)at, (json_int_t)(at + d->count * sizeof(float))));
        at += d->count * sizeof(float);
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!text)
        exit(cli_fail("out of memory"));
    return text;
}

static bool write_weight(FILE *f, const random_weight *d, uint64_t *noise)
{
    float *x = cli_alloc(d->count, sizeof *x);
    for (size_t i = 0; i < d->count; i++)
        x[i] = (float)(d->scale * bench_uniform(noise) + d->offset);
    bool ok = fwrite(x, sizeof *x, d->count, f) == d->count;
    free(x);
    return ok;
}

bool random_write(random_weights *w, const char *path)
{
    uint64_t noise = UINT64_C(0x9E3779B97F4A7C15);
    char *header = header_of(w);
    uint64_t length = strlen(header); /* little-endian, as all supported machines are */
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(&length, sizeof length, 1, f) == 1 && fwrite(header, 1, length, f) == length;
    for (size_t i = 0; i < w->n && ok; i++)
        ok = write_weight(f, &w->items[i], &noise);
    ok = (!f || fclose(f) == 0) && ok;
    if (!ok)
        cli_fail("%s: cannot be written: %s", path, strerror(errno));
    free(header);
    for (size_t i = 0; i < w->n; i++)
        free(w->items[i].name);
    free(w->items);
    *w = (random_weights){0};
    return ok;
}
