#include "job/call/rows.h"

#include "base/alloc.h"
#include "base/error.h"

#include <sibyl/build.h>

#include <stdio.h>
#include <string.h>

/* Whether one of the names, as in "cuda:1,ref", is of a backend that sessions open only by name: a device. */
static bool name_a_device(const char *names)
{
    for (size_t length; names && *names; names += length + (names[length] == ',')) {
        const char *name;
        length = strcspn(names, ",");
        for (size_t i = 0; (name = sib_backend_name(i)); i++)
            if (sib_backend_asked(i) && strlen(name) == strcspn(names, ",:") &&
                !strncmp(name, names, strlen(name)))
                return true;
    }
    return false;
}

typedef struct state_names {
    char before[32], after[32];
} state_names;

static state_names names_of(size_t i)
{
    state_names n;
    snprintf(n.before, sizeof n.before, "state.%zu", i);
    snprintf(n.after, sizeof n.after, "next.%zu", i);
    return n;
}

/* next.<i> = Gather(state.<i>, from). */
static sib_code add_state(sib_build *b, size_t i, const sib_value_info *info, sib_error *err)
{
    const state_names names = names_of(i);
    const char *const inputs[] = {names.before, "from"}, *const outputs[] = {names.after};
    int64_t any[SIB_MAX_RANK];
    for (size_t k = 0; k < info->rank; k++)
        any[k] = -1;
    sib_code code = sib_build_input(b, names.before, info->dtype, info->rank, any, NULL, err);
    if (code == SIB_OK)
        code = sib_build_add(
            b,
            &(sib_build_node){
                .type = "Gather", .n_inputs = 2, .inputs = inputs, .n_outputs = 1, .outputs = outputs},
            err);
    return code == SIB_OK ? sib_build_output(b, names.after, err) : code;
}

sib_code call_rows_open(const port_list *states, const sib_session_options *options, sib_session **out,
                        sib_error *err)
{
    sib_build *b = NULL;
    sib_model *m = NULL;
    *out = NULL;
    for (size_t i = 0; i < states->n; i++) {
        const sib_value_info *info = &states->items[i].info;
        if (!info->ranked || !info->rank || !info->dtype)
            return SIB_OK; /* rows are taken on the host */
    }
    if (!states->n || !options || !name_a_device(options->backends))
        return SIB_OK;
    sib_code code = sib_build_create(21, &b, err);
    if (code == SIB_OK)
        code = sib_build_input(b, "from", SIB_I64, 1, (const int64_t[]){-1}, NULL, err);
    for (size_t i = 0; i < states->n && code == SIB_OK; i++)
        code = add_state(b, i, &states->items[i].info, err);
    if (code == SIB_OK)
        code = sib_build_model(&b, &m, err);
    if (code == SIB_OK)
        code = sib_session_create(m, options, out, err);
    sib_build_free(&b);
    sib_model_free(&m);
    return code;
}

static sib_code indices(size_t n, const size_t *from, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(SIB_I64, 1, &(int64_t){(int64_t)n}, &t, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        ((int64_t *)sib_tensor_data(t))[i] = (int64_t)from[i];
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

sib_code call_rows_take(sib_session *s, size_t n_states, sib_value **states, size_t n, const size_t *from,
                        sib_error *err)
{
    sib_named_value *in = mem_calloc(n_states + 1, sizeof *in);
    state_names *names = mem_calloc(n_states, sizeof *names);
    sib_value **made = mem_calloc(n_states, sizeof *made), *places = NULL;
    bool *stay = mem_calloc(n_states, sizeof *stay);
    sib_code code = in && names && made && stay ? indices(n, from, &places, err)
                                                : err_memory(err, n_states * sizeof *in, "a state");
    for (size_t i = 0; i < n_states && code == SIB_OK; i++) {
        names[i] = names_of(i);
        in[i] = (sib_named_value){names[i].before, states[i]};
        stay[i] = true;
    }
    if (code == SIB_OK) {
        in[n_states] = (sib_named_value){"from", places};
        code = sib_session_run(s, n_states + 1, in, 0, NULL, made, &(sib_run_options){.stay = stay}, err);
    }
    for (size_t i = 0; i < n_states && code == SIB_OK; i++) {
        sib_value_free(&states[i]);
        states[i] = made[i];
    }
    sib_value_free(&places);
    mem_free(in);
    mem_free(names);
    mem_free(made);
    mem_free(stay);
    return code;
}
