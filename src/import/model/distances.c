/* Attention by distances: what is learned for each, or for buckets of them. */
#include "import/model/build.h"

#include <math.h>

value_id build_by_distance(build *b, value_id distances, const int64_t *table, int64_t n)
{
    value_id low = build_scalar_int(b, -n), high = build_scalar_int(b, n),
             place = build_3(b, "Clip", distances, low, high);
    return build_gather(b, build_ints(b, (size_t)(2 * n + 1), table), build_add(b, place, high), 0);
}

/* In float32, as the models were trained: the first half of n buckets are distances of their own, the others grow. */
static int64_t bucket_of(int64_t distance, int64_t n, int64_t max_distance)
{
    const int64_t exact = n / 2;
    if (distance < exact)
        return distance;
    const float part = logf((float)distance / (float)exact) /
                       (float)log((double)max_distance / (double)exact) * (float)(n - exact);
    const int64_t bucket = exact + (int64_t)part;
    return bucket < n ? bucket : n - 1;
}

value_id build_buckets(build *b, value_id distances, int64_t n_buckets, int64_t max_distance, bool both)
{
    const int64_t n = both ? n_buckets / 2 : n_buckets;
    int64_t *table = NULL;
    if (n < 2 || n_buckets > 1 << 16 || max_distance <= n / 2 || max_distance > 1 << 20)
        build_fail(b, SIB_ERR_FORMAT,
                   "%s: %lld buckets for distances up to %lld are none that a model can have",
                   checkpoint_file(b->c, 0), (long long)n_buckets, (long long)max_distance);
    else if (b->code == SIB_OK)
        table = arena_alloc(b->m->arena, (size_t)(2 * max_distance + 1), sizeof *table);
    if (!table) {
        build_fail(b, SIB_ERR_MEMORY, "no memory for buckets of distances");
        return NO_VALUE;
    }
    for (int64_t i = 0; i <= max_distance; i++) {
        table[max_distance - i] = bucket_of(i, n, max_distance);
        table[max_distance + i] = both && i ? n + bucket_of(i, n, max_distance) : 0;
    }
    return build_by_distance(b, distances, table, max_distance);
}

value_id build_at_places(build *b, value_id x, int64_t heads, value_id at)
{
    value_id out, dims[] = {build_ints(b, 2, (const int64_t[]){1, heads}), build_shape(b, at, 0, 2)};
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", 3);
    build_node(b, "GatherElements", &a, 2,
               (value_id[]){x, build_2(b, "Expand", at, build_concat(b, 0, 2, dims))}, 1, &out);
    return out;
}
