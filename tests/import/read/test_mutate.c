/* Mutated checkpoints, one target per reader: opening one and reading its weights ends soon, with weights or
   an error, stays within the file, and frees all memory. SIBYL_MUTATIONS is the number for each target, or
   SIBYL_MUTATION_SECONDS the CPU time (`make mutate-checkpoints`, with sanitizers), SIBYL_MUTATION_SEED the
   seed, SIBYL_MUTATION_TARGET a single target. A file that fails is saved to SIBYL_MUTATION_SAVE; files given
   as arguments are read before any mutation. */
#include "base/alloc.h"
#include "too_long.h"
#include "torch_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

/* Wall time for one file. */
#define MAX_SECONDS 5
#define MAX_SIZE    (64 << 10)
#define MAX_PEAK    (16 << 20)

/* The current file. If SIBYL_MUTATION_SAVE is set, it is mapped from there, so that it survives a crash. */
typedef struct file_now {
    uint64_t n;
    uint8_t data[MAX_SIZE];
} file_now;
static file_now in_memory, *now_read = &in_memory;

static void map_now(void)
{
    const char *path = getenv("SIBYL_MUTATION_SAVE");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd < 0)
        return;
    assert_int_equal(ftruncate(fd, sizeof in_memory), 0);
    now_read = mmap(NULL, sizeof in_memory, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(now_read, MAP_FAILED);
    close(fd);
}

/* No file of a few kilobytes takes much memory. */
static void check_peak(void)
{
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    if (c.bytes_peak > MAX_PEAK)
        fail_msg("%s: %llu bytes were held", doing, (unsigned long long)c.bytes_peak);
}

/* Reads every weight at its start, at its end and in a view. */
static void read_weights(const checkpoint *c)
{
    for (size_t i = 0; i < checkpoint_weights(c); i++) {
        const weight *w = checkpoint_weight(c, i);
        sib_error err = SIB_ERROR_INIT;
        sib_tensor *t = NULL;
        double some[300];
        uint64_t n;
        assert_ptr_equal(checkpoint_find(c, w->name.data), w);
        assert_true(weight_count(w, &n));
        size_t part = n < 300 ? (size_t)n : 300;
        CHECK_OK(weight_read(w, 0, part, SIB_F64, some, &err), err);
        CHECK_OK(weight_read(w, n - part, part, SIB_F64, some, &err), err);
        if (weight_view(c, w, &t, &err) == SIB_OK)
            assert_int_equal(sib_tensor_count(t), n);
        else
            assert_int_equal(err.code, SIB_ERR_UNSUPPORTED);
        sib_tensor_free(&t);
    }
    for (size_t i = 0; checkpoint_fact_at(c, i); i++)
        assert_ptr_equal(checkpoint_fact(c, checkpoint_fact_at(c, i)->key.data), checkpoint_fact_at(c, i));
}

/* Returns true if it can be read. */
static bool read_it(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    uint64_t before = check_held();
    sib_code code = checkpoint_open_bytes("mutated", data, n, &c, &err);
    if (code == SIB_OK)
        read_weights(c);
    else if (c || err.code != code || !err.message[0])
        fail_msg("%s: code %d without a sentence", doing, (int)code);
    checkpoint_free(&c);
    assert_int_equal(check_held(), before);
    check_peak();
    return code == SIB_OK;
}

/* ---- Mutations ------------------------------------------------------------------------------------ */

static size_t below(check_random *r, size_t n)
{
    return n ? (size_t)(check_u64(r) % n) : 0;
}

/* Wrong sizes, counts and offsets. */
static uint64_t extreme(check_random *r, size_t n)
{
    const uint64_t numbers[] = {0,
                                1,
                                2,
                                3,
                                16,
                                17,
                                31,
                                32,
                                127,
                                128,
                                255,
                                256,
                                65535,
                                65536,
                                INT32_MAX,
                                UINT32_MAX,
                                INT64_MAX,
                                UINT64_MAX,
                                n,
                                n - 1,
                                n + 1,
                                n / 2,
                                UINT64_C(1) << 32,
                                UINT64_C(1) << 62,
                                UINT64_C(1) << 63,
                                UINT64_MAX - 7};
    return numbers[below(r, sizeof numbers / sizeof *numbers)];
}

/* Makes one change; returns the new number of bytes. Room: MAX_SIZE. */
static size_t change(check_random *r, uint8_t *data, size_t n)
{
    size_t at = below(r, n), length = 1 + below(r, 1 + below(r, 64)), to;
    if (n == 0)
        return n;
    if (length > n - at)
        length = n - at;
    switch (below(r, 9)) {
    case 0: /* a bit */
        data[at] ^= (uint8_t)(1u << below(r, 8));
        return n;
    case 1: /* a byte */
        data[at] = (uint8_t)check_u64(r);
        return n;
    case 2: { /* a number of 1, 2, 4 or 8 bytes */
        uint64_t v = extreme(r, n);
        size_t width = (size_t)1 << below(r, 4);
        memcpy(data + at, &v, width < n - at ? width : n - at);
        return n;
    }
    case 3: { /* a number a little larger or smaller */
        uint32_t v = 0;
        size_t width = n - at < 4 ? n - at : 4;
        memcpy(&v, data + at, width);
        v += (uint32_t)below(r, 9) - 4;
        memcpy(data + at, &v, width);
        return n;
    }
    case 4: /* the end truncated */
        return below(r, 4) ? n : at;
    case 5: /* bytes removed */
        memmove(data + at, data + at + length, n - at - length);
        return n - length;
    case 6: /* bytes repeated */
        if (n + length > MAX_SIZE)
            return n;
        memmove(data + at + length, data + at, n - at);
        return n + length;
    case 7: /* bytes from elsewhere in the file */
        to = below(r, n - length + 1);
        memmove(data + to, data + at, length);
        return n;
    default: { /* a digit, as in the numbers of JSON */
        for (size_t i = 0; i < n; i++) {
            size_t k = (at + i) % n;
            if (data[k] >= '0' && data[k] <= '9') {
                data[k] = (uint8_t)('0' + below(r, 10));
                break;
            }
        }
        return n;
    }
    }
}

typedef struct limits {
    size_t mutations;
    double seconds; /* 0: `mutations` of each instead */
    uint64_t seed;
} limits;

static limits read_limits(void)
{
    const char *number = getenv("SIBYL_MUTATIONS"), *seconds = getenv("SIBYL_MUTATION_SECONDS");
    const char *seed = getenv("SIBYL_MUTATION_SEED");
    return (limits){number ? (size_t)atoll(number) : 3000, seconds ? atof(seconds) : 0,
                    seed ? (uint64_t)atoll(seed) : 20};
}

/* CPU time, so that other work on the machine does not reduce the number of tries. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Targets -------------------------------------------------------------------------------------- */

static const float elements[6] = {1, -2, 3.5f, 4, 5, 6};

/* A safetensors file with a header, whose length is right. */
static bytes around_header(bytes header)
{
    bytes b = {0};
    f_u64(&b, header.n);
    b_append(&b, header.data, header.n);
    b_append(&b, elements, 21);
    b_free(&header);
    return b;
}

/* A legacy PyTorch file with an object. */
static bytes around_object(bytes object)
{
    return torch_legacy(object);
}

typedef struct target {
    const char *name;
    size_t sample;                 /* index for file_sample */
    bytes (*inside)(void);         /* or a part of a file, which `around` completes */
    bytes (*around)(bytes inside); /* takes ownership of it */
} target;

static bytes header_of_sample(void)
{
    const char *name;
    bytes b = file_sample(1, &name), header = {0};
    b_append(&header, b.data + 8, b.n - 8 - 21);
    b_free(&b);
    return header;
}

static bytes pickle_of_archive(void)
{
    return torch_sample_pickle(false);
}

static bytes pickle_of_legacy(void)
{
    return torch_sample_pickle(true);
}

static const target targets[] = {
    {"json", 0, NULL, NULL},
    {"safetensors", 1, NULL, NULL},
    {"safetensors header", 0, header_of_sample, around_header},
    {"whisper.cpp", 2, NULL, NULL},
    {"rwkv.cpp", 3, NULL, NULL},
    {"gguf 2", 4, NULL, NULL},
    {"gguf 3", 5, NULL, NULL},
    {"pytorch", 6, NULL, NULL},
    {"pytorch pickle", 0, pickle_of_archive, torch_archive},
    {"pytorch pickle 4", 0, torch_sample_pickle_4, torch_archive},
    {"pytorch legacy", 7, NULL, NULL},
    {"pytorch legacy object", 0, pickle_of_legacy, around_object},
};

#define N_TARGETS (sizeof targets / sizeof *targets)

/* The seed, mutated one to four times, in `current`. */
static void make(const target *t, check_random *r, bytes seed)
{
    now_read->n = seed.n;
    memcpy(now_read->data, seed.data, seed.n);
    for (size_t i = 1 + below(r, 4); i-- > 0;)
        now_read->n = change(r, now_read->data, now_read->n);
    if (!t->around)
        return;
    bytes inside = {0};
    b_append(&inside, now_read->data, now_read->n);
    bytes whole = t->around(inside);
    assert_true(whole.n <= MAX_SIZE);
    now_read->n = whole.n;
    memcpy(now_read->data, whole.data, whole.n);
    b_free(&whole);
}

static void test_target(void **state)
{
    const target *t = *state;
    limits l = read_limits();
    check_random r = {(l.seed + 1) * 1000 + (uint64_t)(t - targets)};
    const char *name;
    bytes seed = t->inside ? t->inside() : file_sample(t->sample, &name);
    size_t n_read = 0, k = 0;
    double end = now() + l.seconds;
    signal(SIGALRM, too_long);
    for (; l.seconds > 0 ? now() < end : k < l.mutations; k++) {
        make(t, &r, seed);
        snprintf(doing, sizeof doing, "mutation %zu of %s, seed %llu", k, t->name,
                 (unsigned long long)l.seed);
        /* A block of the exact size, so that a read past the end is detected. */
        uint8_t *exact = malloc(now_read->n ? now_read->n : 1);
        assert_non_null(exact);
        memcpy(exact, now_read->data, now_read->n);
        alarm(MAX_SECONDS);
        n_read += read_it(exact, now_read->n);
        alarm(0);
        free(exact);
    }
    b_free(&seed);
    print_message("%s: %zu mutated files, %zu read, the others refused\n", t->name, k, n_read);
}

/* Reads files that failed in the past. */
static int read_files(int n, char **paths)
{
    for (int i = 0; i < n; i++) {
        FILE *f = fopen(paths[i], "rb");
        if (!f) {
            perror(paths[i]);
            return 1;
        }
        size_t got = fread(now_read, 1, sizeof *now_read, f);
        if (got < sizeof *now_read) { /* a plain file, not one saved by this program */
            rewind(f);
            now_read->n = fread(now_read->data, 1, MAX_SIZE, f);
        }
        fclose(f);
        printf("%s: %s\n", paths[i], read_it(now_read->data, now_read->n) ? "read" : "refused");
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[N_TARGETS];
    const char *only = getenv("SIBYL_MUTATION_TARGET");
    size_t n = 0;
    if (argc == 1)
        map_now();
    if (argc > 1)
        return read_files(argc - 1, argv + 1);
    for (size_t i = 0; i < N_TARGETS; i++)
        if (!only || strcmp(only, targets[i].name) == 0)
            tests[n++] =
                (struct CMUnitTest){targets[i].name, test_target, NULL, NULL, (void *)(uintptr_t)&targets[i]};
    return _cmocka_run_group_tests("mutations", tests, n, NULL, NULL);
}
