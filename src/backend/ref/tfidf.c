/* ONNX TfIdfVectorizer-9: counts of n-grams. */
#include "backend/ref/kernel.h"

#include <stdlib.h>
#include <string.h>

/* n tokens; exactly one of the lists is set. */
typedef struct gram {
    size_t n, number; /* number: index in the pool */
    const int64_t *ints;
    const sib_str *strings;
} gram;

static int compare_tokens(const gram *a, const gram *b, size_t i)
{
    if (a->ints)
        return (a->ints[i] > b->ints[i]) - (a->ints[i] < b->ints[i]);
    sib_str x = a->strings[i], y = b->strings[i];
    size_t n = size_min(x.length, y.length);
    int order = n ? memcmp(x.data, y.data, n) : 0;
    return order ? order : (x.length > y.length) - (x.length < y.length);
}

static int compare_grams(const void *a, const void *b)
{
    const gram *x = a, *y = b;
    int order = (x->n > y->n) - (x->n < y->n);
    for (size_t i = 0; i < x->n && !order; i++)
        order = compare_tokens(x, y, i);
    return order;
}

typedef struct vectorizer {
    int64_t shortest, longest, skips;
    bool weigh, once; /* weigh: mode IDF or TFIDF; once: IDF */
    size_t n_grams;
    gram *pool;             /* (n_grams), sorted */
    const int64_t *columns; /* (n_grams) by number */
    const float *weights;   /* (n_grams) by number, or NULL */
    uint64_t *counts;       /* (n_grams) by number, of one row */
    int64_t *ints;          /* (longest) tokens of a candidate */
    sib_str *strings;       /* (longest) */
} vectorizer;

static void vectorizer_free(vectorizer *v)
{
    mem_free(v->pool);
    mem_free(v->counts);
    mem_free(v->ints);
    mem_free(v->strings);
}

/* Splits the pool into its n-grams. */
static sib_code read_pool(const ref_call *c, const tfidf_spec *spec, vectorizer *v)
{
    size_t n_ints = spec->pool_int64s.n, n_strings = spec->pool_strings.n, n_starts = spec->ngram_counts.n,
           number = 0;
    const int64_t *ints = spec->pool_int64s.v, *starts = spec->ngram_counts.v;
    const sib_str *strings = spec->pool_strings.v;
    size_t all = n_strings ? n_strings : n_ints;
    for (size_t k = 0; k < n_starts; k++) {
        int64_t begin = starts[k], end = k + 1 < n_starts ? starts[k + 1] : (int64_t)all;
        size_t n = k + 1;
        if (begin < 0 || end < begin || (uint64_t)end > all || (uint64_t)(end - begin) % n)
            return ref_fail(c, SIB_ERR_VALUE, "ngram_counts: %zu-grams from %lld to %lld in a pool of %zu", n,
                            (long long)begin, (long long)end, all);
        for (int64_t at = begin; at < end; at += (int64_t)n, number++) {
            if (number >= v->n_grams)
                return ref_fail(c, SIB_ERR_VALUE,
                                "the pool has more n-grams than ngram_indexes, which has %zu", v->n_grams);
            v->pool[number] =
                (gram){n, number, n_strings ? NULL : ints + at, n_strings ? strings + at : NULL};
        }
    }
    if (number != v->n_grams)
        return ref_fail(c, SIB_ERR_VALUE, "the pool has %zu n-grams, ngram_indexes %zu", number, v->n_grams);
    qsort(v->pool, number, sizeof *v->pool, compare_grams);
    return SIB_OK;
}

static sib_code vectorizer_make(const ref_call *c, vectorizer *v, int64_t columns)
{
    tfidf_spec spec = spec_tfidf(c->node);
    size_t n_weights = spec.weights.n;
    *v = (vectorizer){.shortest = spec.min_gram_length,
                      .longest = spec.max_gram_length,
                      .skips = spec.max_skip_count,
                      .once = spec.mode == TFIDF_IDF,
                      .weigh = spec.mode != TFIDF_TF,
                      .n_grams = spec.ngram_indexes.n,
                      .columns = spec.ngram_indexes.v,
                      .weights = n_weights ? spec.weights.v : NULL};
    if (v->shortest < 1 || v->longest < v->shortest || v->longest > INT32_MAX || v->skips < 0)
        return ref_fail(c, SIB_ERR_VALUE, "grams of %lld to %lld tokens with %lld left out",
                        (long long)v->shortest, (long long)v->longest, (long long)v->skips);
    if (n_weights && n_weights != v->n_grams)
        return ref_fail(c, SIB_ERR_VALUE, "%zu weights for %zu n-grams", n_weights, v->n_grams);
    for (size_t i = 0; i < v->n_grams; i++)
        if (v->columns[i] < 0 || v->columns[i] >= columns)
            return ref_fail(c, SIB_ERR_VALUE, "ngram_indexes holds %lld, but the output has %lld columns",
                            (long long)v->columns[i], (long long)columns);
    v->pool = mem_alloc(v->n_grams, sizeof *v->pool);
    v->counts = mem_alloc(v->n_grams, sizeof *v->counts);
    v->ints = mem_alloc((size_t)v->longest, sizeof *v->ints);
    v->strings = mem_alloc((size_t)v->longest, sizeof *v->strings);
    if (!v->pool || !v->counts || !v->ints || !v->strings)
        return ref_no_memory(c, v->n_grams * sizeof *v->pool);
    return read_pool(c, &spec, v);
}

/* Counts the n-grams of one row of x, tokens `first` to first + length - 1. */
static void count_row(vectorizer *v, const sib_tensor *x, size_t first, size_t length)
{
    bool words = x->dtype == SIB_STRING;
    memset(v->counts, 0, v->n_grams * sizeof *v->counts);
    for (size_t n = (size_t)v->shortest; n <= (size_t)v->longest && n <= length; n++)
        for (size_t apart = 1; apart <= (size_t)v->skips + 1; apart++) {
            if (apart > 1 && (n == 1 || (n - 1) > (length - 1) / apart))
                break; /* single tokens are counted once; farther apart they leave the row */
            gram wanted = {n, 0, words ? NULL : v->ints, words ? v->strings : NULL};
            for (size_t at = first; at + (n - 1) * apart < first + length; at++) {
                for (size_t i = 0; i < n; i++)
                    if (words)
                        v->strings[i] = ((const sib_str *)x->data)[at + i * apart];
                    else
                        v->ints[i] = ((const int64_t *)x->data)[at + i * apart];
                const gram *g = bsearch(&wanted, v->pool, v->n_grams, sizeof *g, compare_grams);
                if (g)
                    v->counts[g->number]++;
            }
        }
}

static double scored(const vectorizer *v, size_t number)
{
    double count = (double)v->counts[number];
    if (v->once && count > 1)
        count = 1;
    return v->weigh && v->weights ? count * v->weights[number] : count;
}

sib_code ref_tfidf(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0), *sums = NULL;
    vectorizer v = {0};
    if (!out)
        return SIB_OK;
    if (x->rank < 1 || x->rank > 2 || out->rank != x->rank || (x->dtype != SIB_I64 && x->dtype != SIB_STRING))
        return ref_fail(c, SIB_ERR_ARGUMENT, "tokens of %s and rank %zu", sib_dtype_name(x->dtype), x->rank);
    size_t length = (size_t)x->dims[x->rank - 1], columns = (size_t)out->dims[out->rank - 1],
           rows = x->rank == 2 ? (size_t)x->dims[0] : 1;
    sib_code code = sib_tensor_create(SIB_F64, out->rank, out->dims, &sums, c->err);
    if (code == SIB_OK)
        code = vectorizer_make(c, &v, (int64_t)columns);
    for (size_t r = 0; r < rows && code == SIB_OK; r++) {
        double *row = (double *)sums->data + r * columns;
        count_row(&v, x, r * length, length);
        for (size_t i = 0; i < v.n_grams; i++)
            row[v.columns[i]] += scored(&v, i);
    }
    if (code == SIB_OK)
        code = sib_convert(SIB_F64, sums->data, out->dtype, out->data, (size_t)out->count, SIB_OVERFLOW_IEEE,
                           c->err);
    vectorizer_free(&v);
    sib_tensor_free(&sums);
    return code;
}
