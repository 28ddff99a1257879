#include "trial.h"

#include <math.h>
#include <sibyl/timing.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION ((size_t)1 << 22) /* bytes of a block */
#define GUARD  64                /* bytes on either side of an output */

void trial_fail(const trial *t, const char *what)
{
    char slot[80] = "";
    if (t->row->name_slot)
        t->row->name_slot(t->slot, slot, sizeof slot);
    fail_msg("%s%s at %s, round %zu: %s", t->row->name, slot, t->tables->name, t->round, what);
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* A block whose last item ends `behind` bytes before an inaccessible page. */
static trial_block *add_block(trial *t, size_t item, size_t bytes, size_t behind)
{
    assert_true(t->n_blocks < TRIAL_BLOCKS);
    trial_block *b = &t->blocks[t->n_blocks++];
    if (!b->region) {
        size_t page = page_size();
        b->region = mmap(NULL, REGION + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(b->region != MAP_FAILED);
        assert_int_equal(mprotect(b->region + REGION, page, PROT_NONE), 0);
        b->saved = malloc(REGION);
        assert_non_null(b->saved);
    }
    assert_true(bytes + behind + GUARD <= REGION);
    b->data = b->region + REGION - behind - bytes;
    b->item = item;
    b->bytes = bytes;
    b->rows = 0;
    return b;
}

void *trial_in(trial *t, size_t n, size_t item)
{
    return add_block(t, item, n * item, 0)->data;
}

void *trial_out(trial *t, size_t item, size_t rows, size_t columns, size_t stride, double near)
{
    size_t bytes = rows ? ((rows - 1) * stride + columns) * item : 0;
    trial_block *b = add_block(t, item, bytes, GUARD + trial_pick(t, 0, 15) * item);
    b->rows = rows;
    b->columns = columns;
    b->stride = stride;
    b->near = near;
    memset(b->data - GUARD, 0x5A, (size_t)(b->region + REGION - (b->data - GUARD)));
    return b->data;
}

const void *trial_before(const trial *t, const void *at)
{
    for (size_t i = 0; i < t->n_blocks; i++) {
        const trial_block *b = &t->blocks[i];
        if ((const char *)at >= b->region && (const char *)at < b->region + REGION)
            return b->saved + ((const char *)at - b->region);
    }
    fail_msg("no block of this trial");
    return NULL;
}

void trial_fail_at(const trial *t, const void *address)
{
    char text[120];
    snprintf(text, sizeof text, "a fault at %p", address);
    for (size_t i = 0; i < t->n_blocks; i++) {
        const trial_block *b = &t->blocks[i];
        ptrdiff_t at = (const char *)address - b->data;
        if ((const char *)address >= b->region && (const char *)address < b->region + REGION + page_size())
            snprintf(text, sizeof text, "a fault at byte %td of block %zu, which has %zu", at, i, b->bytes);
    }
    trial_fail(t, text);
}

/* ---- Inputs ------------------------------------------------------------------------------------------- */

size_t trial_pick(trial *t, size_t min, size_t max)
{
    return min + (size_t)(check_u64(&t->r) >> 11) % (max - min + 1);
}

size_t trial_length(trial *t)
{
    if (t->bench || t->round < TRIAL_SHORT)
        return t->bench ? TRIAL_BENCH : t->round;
    return trial_pick(t, TRIAL_SHORT, t->round % 16 ? 3000 : 20011);
}

trial_fill trial_fill_of(trial *t)
{
    return t->bench || trial_pick(t, 0, 2) ? FILL_UNIFORM : (trial_fill)trial_pick(t, 0, FILLS - 1);
}

void trial_fill_floats(trial *t, float *x, size_t n, trial_fill how)
{
    static const float factors[FILLS] = {1, 1, 1e25f, 1e-25f, 1e-39f, 0, 1, 1, 1, 1};
    static const float one[] = {[FILL_NAN] = NAN, [FILL_INF] = INFINITY, [FILL_MINUS_INF] = -INFINITY};
    static const float hostile[] = {NAN,     INFINITY, -INFINITY, -0.0f,  0.0f,          1e-42f,
                                    -1e-42f, 1e-30f,   1e15f,     -1e15f, 3.4028235e38f, -3.4028235e38f};
    for (size_t i = 0; i < n; i++)
        x[i] = (float)check_uniform(&t->r) * factors[how] + (how == FILL_SHIFTED ? 1000.0f : 0.0f);
    if (n && how >= FILL_NAN && how <= FILL_MINUS_INF)
        x[trial_pick(t, 0, n - 1)] = one[how];
    for (size_t i = 0; how == FILL_HOSTILE && i < n; i += 1 + trial_pick(t, 0, 9))
        x[i] = hostile[trial_pick(t, 0, COUNT(hostile) - 1)];
}

void *trial_bytes(trial *t, size_t n, size_t item)
{
    unsigned char *x = trial_in(t, n, item);
    check_fill(&t->r, x, n * item);
    return x;
}

float *trial_floats(trial *t, size_t n, trial_fill how)
{
    float *x = trial_in(t, n, sizeof *x);
    trial_fill_floats(t, x, n, how);
    return x;
}

/* ---- Calls -------------------------------------------------------------------------------------------- */

/* First byte of a block that is watched for changes: its guard, from which on all its memory is watched. */
static char *first_byte(const trial_block *b)
{
    return b->data - GUARD;
}

static size_t watched_bytes(const trial_block *b)
{
    return (size_t)(b->region + REGION - first_byte(b));
}

void trial_begin(trial *t, size_t elements)
{
    for (size_t i = 0; i < t->n_blocks; i++) {
        const trial_block *b = &t->blocks[i];
        memcpy(b->saved + (first_byte(b) - b->region), first_byte(b), watched_bytes(b));
    }
    t->elements = elements;
    t->calls = t->batches = 0;
    t->left = t->batch = 1;
    t->best = INFINITY;
    t->start = sib_time_ns();
}

/* In a bench: batches of 100 us or more, the best of 8. */
bool trial_again(trial *t)
{
    if (!t->bench)
        return false;
    if (--t->left)
        return true;
    double took = (double)(sib_time_ns() - t->start);
    if (took < 1e5)
        t->batch *= 2;
    else {
        t->best = fmin(t->best, took / (double)t->batch);
        t->batches++;
    }
    t->left = t->batch;
    t->start = sib_time_ns();
    return t->batches < 8;
}

static void check_unchanged(const trial *t, const trial_block *b, const char *from, const char *to)
{
    const char *saved = b->saved + (from - b->region);
    char text[120];
    if (memcmp(from, saved, (size_t)(to - from)) == 0)
        return;
    while (*from == *saved)
        from++, saved++;
    snprintf(text, sizeof text, "block %zu of %zu bytes changed at byte %td", (size_t)(b - t->blocks),
             b->bytes, from - b->data);
    trial_fail(t, text);
}

static bool near_enough(const trial_block *b, const char *got, const char *want)
{
    if (memcmp(got, want, b->item) == 0)
        return true;
    if (b->near == 0 || b->item != sizeof(float))
        return false;
    float x, y;
    memcpy(&x, got, sizeof x);
    memcpy(&y, want, sizeof y);
    return (isnan(x) && isnan(y)) ||
           fabs((double)x - (double)y) <= b->near * fabs((double)y) + 1e-37 * (b->near > 0);
}

/* Saves the results of the portable level; compares those of other levels with them. */
static void compare_levels(const trial *t, trial_block *b)
{
    size_t bytes = b->rows * b->columns * b->item;
    if (t->k->level == CPU_C) {
        free(b->portable);
        b->portable = malloc(bytes + 1);
        assert_non_null(b->portable);
    }
    for (size_t i = 0; b->near != TRIAL_ALONE && i < b->rows * b->columns; i++) {
        const char *got = b->data + (i / b->columns * b->stride + i % b->columns) * b->item;
        char *want = b->portable + i * b->item, text[160];
        if (t->k->level == CPU_C)
            memcpy(want, got, b->item);
        else if (!near_enough(b, got, want)) {
            uint64_t x = 0, y = 0;
            memcpy(&x, got, b->item < 8 ? b->item : 8);
            memcpy(&y, want, b->item < 8 ? b->item : 8);
            snprintf(text, sizeof text, "element %zu of %zu has the bits %llx, portable %llx", i,
                     b->rows * b->columns, (unsigned long long)x, (unsigned long long)y);
            trial_fail(t, text);
        }
    }
}

void trial_end(trial *t)
{
    for (size_t i = 0; i < t->n_blocks; i++) {
        trial_block *b = &t->blocks[i];
        const char *from = first_byte(b);
        for (size_t row = 0; row < b->rows && b->columns; row++) {
            const char *at = b->data + row * b->stride * b->item;
            check_unchanged(t, b, from, at);
            from = at + b->columns * b->item;
        }
        check_unchanged(t, b, from, b->region + REGION);
        if (b->rows)
            compare_levels(t, b);
    }
}

void trial_expect(const trial *t, size_t at, double got, double want, double tolerance)
{
    bool fits = got == want || (isnan(want) ? isnan(got) : !isinf(want) && fabs(got - want) <= tolerance);
    char text[160];
    if (fits)
        return;
    snprintf(text, sizeof text, "element %zu is %.9g, expected %.9g within %g", at, got, want, tolerance);
    trial_fail(t, text);
}

void trial_expect_bits(const trial *t, const char *what, const void *got, const void *want, size_t n,
                       size_t item)
{
    char text[160];
    const char *g = got, *w = want;
    for (size_t i = 0; i < n; i++, g += item, w += item)
        if (memcmp(g, w, item) != 0) {
            snprintf(text, sizeof text, "%s: element %zu of %zu has other bits", what, i, n);
            trial_fail(t, text);
        }
}
