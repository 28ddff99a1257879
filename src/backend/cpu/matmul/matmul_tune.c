/* Products of two float matrices whose way is chosen by measuring. */
#include "backend/cpu/call/tuning.h"
#include "backend/cpu/matmul/matmul.h"
#include "kernel/ways.h"

#include <stdio.h>
#include <string.h>

/* Larger products are not measured: multiply-adds, and floats of the operands. */
#define MAX_WORK   2e8
#define MAX_FLOATS ((size_t)32 << 20)

static const char *const names[GEMM_CHOICES] = {NULL, "direct", "dots", "packed"};

const char *cpu_matmul_method(const void *state)
{
    static const char *const methods[GEMM_CHOICES] = {NULL, "product direct", "product dots",
                                                      "product packed"};
    return methods[((const matmul_state *)state)->g.choice];
}

static gemm_choice named(const char *name)
{
    int i = GEMM_CHOICES - 1;
    while (i > GEMM_BY_SIZE && strcmp(names[i], name) != 0)
        i--;
    return (gemm_choice)i;
}

typedef struct trial {
    const matmul_state *s;
    sib_pool *pool;
    size_t n;
    gemm_choice ways[GEMM_CHOICES];
    const float *a, *b;
    float *c, *scratch;
} trial;

static gemm product_by(const trial *t, size_t way)
{
    gemm g = t->s->g;
    g.choice = t->ways[way];
    g.a = t->a;
    g.b = t->b;
    g.c = t->c;
    return g;
}

static void run(void *context, size_t way)
{
    const trial *t = context;
    gemm g = product_by(t, way);
    gemm_run_all(&g, t->s->count, t->s->places, t->pool, t->scratch);
}

/* Sets the choice to the fastest of several ways. */
static sib_code measure(trial *t, size_t a, size_t b, gemm_choice *out, sib_error *err)
{
    size_t c = t->s->count * t->s->g.m * t->s->g.n, scratch = 0;
    double seconds[GEMM_CHOICES];
    for (size_t i = 0; i < t->n; i++) {
        gemm g = product_by(t, i);
        scratch = size_max(scratch, gemm_scratch_all(&g, t->s->count, t->pool));
    }
    if (a > MAX_FLOATS || b > MAX_FLOATS || c > MAX_FLOATS || scratch > MAX_FLOATS)
        return SIB_OK;
    float *numbers = mem_alloc(a + b, sizeof *numbers);
    t->c = mem_alloc(c, sizeof *t->c);
    t->scratch = mem_alloc(scratch + 1, sizeof *t->scratch);
    t->a = numbers;
    t->b = numbers ? numbers + a : NULL;
    sib_code code = SIB_OK;
    if (numbers && t->c && t->scratch) {
        ways_numbers(numbers, a + b);
        ways_time(t->n, run, t, seconds);
        size_t best = 0;
        for (size_t i = 1; i < t->n; i++)
            best = seconds[i] < seconds[best] ? i : best;
        *out = t->ways[best];
    } else
        code = err_memory(err, (a + b + c + scratch) * sizeof *numbers, "a measurement");
    mem_free(numbers);
    mem_free(t->c);
    mem_free(t->scratch);
    return code;
}

sib_code cpu_matmul_tune(const cpu_self *self, matmul_state *s, size_t a, size_t b, sib_error *err)
{
    char key[CHOICES_KEY], name[CHOICES_NAME];
    const gemm *g = &s->g;
    trial t = {.s = s, .pool = self->pool};
    double work = (double)g->m * (double)g->n * (double)g->k * (double)s->count;
    if (!self->tuning || g->packed || !(work > 0) || work > MAX_WORK)
        return SIB_OK;
    for (int i = GEMM_BY_SIZE + 1; i < GEMM_CHOICES; i++)
        if (gemm_can(g, (gemm_choice)i))
            t.ways[t.n++] = (gemm_choice)i;
    size_t begun = cpu_tuning_key(self, key);
    int more = snprintf(key + begun, CHOICES_KEY - begun, "product x%zu m%zu n%zu k%zu a%zu:%zu b%zu:%zu",
                        s->count, g->m, g->n, g->k, g->a_row, g->a_column, g->b_row, g->b_column);
    if (t.n < 2 || more < 0 || (size_t)more >= CHOICES_KEY - begun)
        return SIB_OK;
    choices_begin();
    sib_code code = SIB_OK;
    bool found = choices_find(self->tuning, key, name);
    gemm_choice known = found ? named(name) : GEMM_BY_SIZE, chosen = GEMM_BY_SIZE;
    if (found && known == GEMM_BY_SIZE)
        code = cpu_tuning_unknown(key, name, err);
    else if (found && gemm_can(g, known))
        chosen = known;
    else /* nothing is known, or a way that does not fit */
        code = measure(&t, a, b, &chosen, err);
    if (code == SIB_OK && chosen != GEMM_BY_SIZE)
        code = choices_add(self->tuning, key, names[chosen], err);
    choices_end();
    s->g.choice = chosen;
    return code;
}
