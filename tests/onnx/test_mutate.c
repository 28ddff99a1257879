/* Mutated official models: reading one ends soon, with a valid graph or an error, and frees all memory.
   SIBYL_MUTATIONS is the number of mutations (`make mutate`: 10,000 with sanitizers), SIBYL_MUTATION_SEED the
   seed. */
#include "base/alloc.h"
#include "cases.h"
#include "mutate.h"
#include "onnx/onnx.h"
#include "sample.h"
#include "too_long.h"

/* Wall time for one file. */
#define MAX_SECONDS 2
#define MAX_BYTES   (8 << 20)

static bytes load(const case_list *cases, size_t i)
{
    bytes b = {0};
    FILE *f = i < cases->n ? fopen(cases->paths[i], "rb") : NULL;
    if (!f)
        return sample_model();
    uint8_t part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0 && b.n < MAX_BYTES)
        b_append(&b, part, n);
    fclose(f);
    return b;
}

static bool read_it(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_open_options options = {.max_bytes = 64 << 20, .max_nodes = 200000};
    onnx_model *m = NULL;
    uint64_t before = check_held();
    sib_code code = onnx_read_bytes(data, n, &options, &m, &err);
    if (code == SIB_OK) {
        if (graph_verify(m->graph, &err) != SIB_OK)
            fail_msg("%s: read, and not right: %s", doing, err.message);
    } else if (m || err.code != code || !err.message[0]) {
        fail_msg("%s: code %d without a sentence", doing, (int)code);
    }
    onnx_free(&m);
    assert_int_equal(check_held(), before);
    return code == SIB_OK;
}

TEST(test_mutations)
{
    const char *number = getenv("SIBYL_MUTATIONS"), *seed = getenv("SIBYL_MUTATION_SEED");
    size_t n = number ? (size_t)atoll(number) : 500, n_read = 0;
    check_random r = {seed ? (uint64_t)atoll(seed) : 20};
    case_list cases = cases_find();
    signal(SIGALRM, too_long);
    for (size_t k = 0; k < n; k++) {
        size_t index = cases.n ? (size_t)(check_u64(&r) % (cases.n + 5)) : 0; /* sometimes our own model */
        bytes b = load(&cases, index);
        char what[200];
        b.data = realloc(b.data, mutate_room(b.n));
        assert_non_null(b.data);
        size_t bytes_now = mutate(&r, b.data, b.n, what, sizeof what);
        snprintf(doing, sizeof doing, "mutation %zu of %s (%s)", k,
                 index < cases.n ? cases.paths[index] : "the sample", what);
        /* A block of the exact size, so that a read past the end is detected. */
        uint8_t *exact = malloc(bytes_now ? bytes_now : 1);
        assert_non_null(exact);
        memcpy(exact, b.data, bytes_now);
        alarm(MAX_SECONDS);
        n_read += read_it(exact, bytes_now);
        alarm(0);
        free(exact);
        b_free(&b);
    }
    print_message("%zu mutated files of %zu models: %zu read, the others refused\n", n, cases.n, n_read);
    cases_free(&cases);
}
