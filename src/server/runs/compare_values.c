#include "server/runs/compare_values.h"

#include "server/values/json.h"

json_t *numbers_by_name(value_list list)
{
    json_t *all = json_object();
    for (size_t i = 0; i < list.n; i++)
        if (!json_object_get(all, list.items[i].name))
            json_object_set_new_nocheck(all, list.items[i].name, json_integer((json_int_t)i));
    return all;
}

const run_value *value_named(value_list list, const json_t *numbers, const char *name)
{
    const json_t *number = json_object_get(numbers, name);
    return number ? &list.items[json_integer_value(number)] : NULL;
}

sib_value *rounded_value(const sib_value *value, sib_dtype dtype)
{
    const sib_tensor *t = sib_value_tensor(value);
    sib_tensor *narrow = NULL;
    sib_value *out = NULL;
    if (t && sib_tensor_dtype(t) == SIB_F64 && dtype != SIB_F64 &&
        sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT &&
        sib_tensor_convert(t, dtype, SIB_OVERFLOW_IEEE, &narrow, NULL) == SIB_OK)
        sib_value_from_tensor(narrow, &out, NULL);
    sib_tensor_free(&narrow);
    return out;
}

/* The index that has this row-major number, as a list; empty where there is none. */
static json_t *index_json(const sib_tensor *t, uint64_t number)
{
    json_t *list = json_array();
    uint64_t rest = t ? sib_tensor_count(t) : 0;
    for (size_t k = 0; number < rest && k < sib_tensor_rank(t); k++) {
        rest /= (uint64_t)sib_tensor_dims(t)[k];
        json_array_append_new(list, json_integer((json_int_t)(number / rest)));
        number %= rest;
    }
    return list;
}

json_t *figures_json(const sib_comparison *c, const sib_tensor *like)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "elements",
                     (json_int_t)c->count, "n_over", (json_int_t)c->n_different, "n_nan",
                     (json_int_t)c->n_nan_mismatch, "max_abs", real_json(c->max_abs), "max_rel",
                     real_json(c->max_rel), "ulp_max", (json_int_t)c->max_ulp, "worst",
                     index_json(like, c->worst), "worst_a", real_json(c->worst_a), "worst_b",
                     real_json(c->worst_b), "first", index_json(like, c->first), "first_a",
                     real_json(c->first_a), "first_b", real_json(c->first_b));
}
