#include "model/run_set.h"

#include "command.h"
#include "model/dump.h"
#include "model/model_inputs.h"

#include <stdlib.h>
#include <string.h>

static bool is_given(const model_set *set, const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 0; i < set->in.inputs.n; i++)
        if (!strncmp(set->in.inputs.items[i], name, n) && set->in.inputs.items[i][n] == '=')
            return true;
    return false;
}

/* The one input that -i does not give; NULL where there are none or several. */
static const char *open_input(const model_set *set)
{
    const char *found = NULL;
    sib_value_info info;
    for (size_t i = 0; sib_model_input(set->model, i, &info); i++) {
        if (is_given(set, info.name) || info.optional_input)
            continue;
        if (found)
            return NULL;
        found = info.name;
    }
    return found;
}

/* What -i would say of the item. Released with free; NULL, with a line on stderr, where its input is not known. */
static char *item_as_input(const model_set *set, const char *item)
{
    const char *ending = strrchr(item, '.'), *name = open_input(set);
    if (ending && !strcmp(ending, ".npz"))
        return cli_format("%s", item);
    if (!ending || (strcmp(ending, ".npy") && strcmp(ending, ".pb") && strcmp(ending, ".txt")))
        cli_fail("%s: expected a .npz, .npy, .pb or .txt file with inputs of the model", item);
    else if (!name)
        cli_fail("%s: the model has not one input that -i leaves open: give a .npz with inputs by name",
                 item);
    else
        return cli_format("%s=%s", name, item);
    return NULL;
}

static bool run_item(const model_set *set, const char *item, const input_settings *settings, dump_writer *to)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_value_info output;
    model_inputs in = {0};
    sib_model_get_info(set->model, &info);
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof *outputs);
    bool done = model_inputs_read(set->model, settings, &in);
    if (done && sib_session_run(set->session, in.n, in.items, 0, NULL, outputs, NULL, &err) != SIB_OK)
        done = !cli_fail("%s: %s", item, err.message);
    for (size_t i = 0; done && sib_model_output(set->model, i, &output); i++)
        done = dump_put(to, output.name, outputs[i]);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    model_inputs_free(&in);
    return done;
}

static bool make_item(void *context, const char *item, const char *path, json_t *record)
{
    const model_set *set = context;
    input_settings settings = set->in;
    char *last = item_as_input(set, item), *npz = cli_format("%s.npz", path);
    dump_writer to = {0};
    bool done = last != NULL;
    (void)record;
    if (done) {
        settings.inputs.items = cli_alloc(set->in.inputs.n + 1, sizeof *settings.inputs.items);
        for (size_t i = 0; i < set->in.inputs.n; i++)
            settings.inputs.items[i] = set->in.inputs.items[i];
        settings.inputs.items[settings.inputs.n++] = last;
        done = dump_begin(npz, &to) && run_item(set, item, &settings, &to) && dump_end(&to);
        dump_discard(&to);
        free(settings.inputs.items);
    }
    free(npz);
    free(last);
    return done;
}

int run_model_set(model_set *set, const set_work *work)
{
    static const char *const endings[] = {"npz", NULL};
    set_work all = *work;
    all.endings = endings;
    all.make = make_item;
    all.context = set;
    return set_run(&all);
}
