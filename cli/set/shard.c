#include "set/shard.h"

#include "messages.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_SHARDS 1000000

/* Environment variables of a program that starts processes. */
typedef struct engine {
    const char *name, *index, *count;
    const char *first, *step; /* of the numbers that index has, or NULL: 0 and 1 */
} engine;

static const engine engines[] = {
    {"Slurm array", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
     "SLURM_ARRAY_TASK_STEP"},
    {"Kubernetes", "JOB_COMPLETION_INDEX", "SIBYL_SHARDS", NULL, NULL},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", NULL, NULL},
};

/* Reads an integer that ends at `end`. */
static bool read_number(const char *text, char end, long *out, const char **rest)
{
    char *stop;
    errno = 0;
    *out = strtol(text, &stop, 10);
    *rest = stop + 1;
    return !errno && *text >= '0' && *text <= '9' && *stop == end;
}

/* A number of the environment. usual: where it is not set, below 0 for an error. */
static bool variable(const engine *e, const char *name, long usual, long *out)
{
    const char *text = name ? getenv(name) : NULL, *rest;
    if (!text && usual >= 0) {
        *out = usual;
        return true;
    }
    if (!text)
        return !cli_fail(
            "%s is set, of %s, and %s, the number of shards, is not: set it, or give --shard I/N", e->index,
            e->name, name);
    return read_number(text, '\0', out, &rest) || !cli_fail("%s is '%s', expected a number", name, text);
}

static bool check(const set_shard *s, const char *what)
{
    if (s->count >= 1 && s->count <= MAX_SHARDS && s->index < s->count)
        return true;
    return !cli_fail("%s names shard %ld of %ld: expected one from 0/N to (N-1)/N, of at most %d", what,
                     s->index, s->count, MAX_SHARDS);
}

static bool of_engine(const engine *e, set_shard *out)
{
    long at = 0, first = 0, step = 1;
    if (!variable(e, e->index, -1, &at) || !variable(e, e->count, -1, &out->count) ||
        !variable(e, e->first, 0, &first) || !variable(e, e->step, 1, &step))
        return false;
    if (at < first || step < 1 || (at - first) % step)
        return !cli_fail("%s is %ld, which is no step of %ld from %ld: give --shard I/N", e->index, at, step,
                         first);
    out->index = (at - first) / step;
    out->from = e->name;
    return check(out, e->index);
}

bool set_shard_find(const char *text, set_shard *out)
{
    const engine *found = NULL;
    const char *rest;
    *out = (set_shard){0, 1, NULL};
    if (text) {
        if (!read_number(text, '/', &out->index, &rest) || !read_number(rest, '\0', &out->count, &rest))
            return !cli_fail("--shard is '%s', expected I/N, such as 0/8", text);
        out->from = "--shard";
        return check(out, "--shard");
    }
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        if (!getenv(engines[i].index))
            continue;
        if (found)
            return !cli_fail("%s of %s and %s of %s both name a shard: give --shard I/N", found->index,
                             found->name, engines[i].index, engines[i].name);
        found = &engines[i];
    }
    return !found || of_engine(found, out);
}
