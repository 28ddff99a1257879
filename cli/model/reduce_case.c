#include "model/reduce_case.h"

#include "files.h"
#include "messages.h"
#include "model/peer.h"
#include "model/reduce_check.h"
#include "temporary.h"

#include <stdlib.h>
#include <string.h>

bool reduce_run(sib_model *m, const model_inputs *in, sib_tap tap, void *context, bool quiet,
                sib_value **outputs)
{
    sib_session *session = NULL;
    sib_error err = SIB_ERROR_INIT;
    bool ok = sib_session_create(m, &(sib_session_options){.backends = "ref"}, &session, &err) == SIB_OK &&
              sib_session_run(session, in->n, in->items, 0, NULL, outputs,
                              &(sib_run_options){.tap = tap, .tap_context = context}, &err) == SIB_OK;
    if (!ok && !quiet)
        cli_fail("%s", err.message);
    sib_session_free(&session);
    return ok;
}

bool reduce_runs(sib_model *m, const model_inputs *in)
{
    sib_model_info info;
    sib_model_get_info(m, &info);
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof(sib_value *));
    const bool ok = reduce_run(m, in, NULL, NULL, true, outputs);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    return ok;
}

static bool save_value(const char *folder, const char *side, size_t i, const sib_value *v, const char *name)
{
    sib_error err = SIB_ERROR_INIT;
    char *path = cli_format("%s/%s_%zu.pb", folder, side, i);
    const bool ok = sib_value_save_pb(path, v, name, &err) == SIB_OK;
    if (!ok)
        cli_fail("%s", err.message);
    free(path);
    return ok;
}

/* The value that the input was given, or its default. */
static bool save_input(const char *folder, size_t i, const sib_value_info *input, const model_inputs *in)
{
    sib_value *plain = NULL;
    const sib_value *v = NULL;
    for (size_t k = 0; k < in->n; k++)
        if (!strcmp(in->items[k].name, input->name))
            v = in->items[k].value;
    if (!v && input->constant && sib_value_from_tensor(input->constant, &plain, NULL) == SIB_OK)
        v = plain;
    const bool ok = !v || save_value(folder, "input", i, v, input->name);
    sib_value_free(&plain);
    return ok;
}

/* The values of the check's other side for the outputs, by position; what it does not have stays. */
static bool take_theirs(const char *path, const sib_model *m, const model_inputs *in, bool peer,
                        const dump *theirs, sib_value **outputs)
{
    char *made = peer ? temporary_folder() : NULL;
    dump d = {0};
    sib_value_info v;
    bool ok = !peer || (made && peer_dump(0, path, in, made) && dump_open(made, &d));
    for (size_t i = 0; ok && (peer || theirs) && sib_model_output(m, i, &v); i++) {
        sib_value *found;
        ok = dump_value(peer ? &d : theirs, v.name, &found);
        if (found) {
            sib_value_free(&outputs[i]);
            outputs[i] = found;
        }
    }
    dump_close(&d);
    free(made);
    return ok;
}

bool reduce_case_write(const char *folder, sib_model *m, const model_inputs *in, bool peer,
                       const dump *theirs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_value_info v;
    sib_model_get_info(m, &info);
    sib_value **outputs = cli_alloc(info.n_outputs + 1, sizeof(sib_value *));
    char *path = file_join(folder, "model.onnx"), *set = file_join(folder, "test_data_set_0");
    bool ok = file_folder_ready(folder) && file_folder_ready(set);
    if (ok && !reduce_save(m, path, &err))
        ok = (cli_fail("%s", err.message), false);
    ok = ok && reduce_run(m, in, NULL, NULL, false, outputs) &&
         take_theirs(path, m, in, peer, theirs, outputs);
    for (size_t i = 0; ok && sib_model_input(m, i, &v); i++)
        ok = save_input(set, i, &v, in);
    for (size_t i = 0; ok && sib_model_output(m, i, &v); i++)
        ok = save_value(set, "output", i, outputs[i], v.name);
    for (size_t i = 0; i < info.n_outputs; i++)
        sib_value_free(&outputs[i]);
    free(outputs);
    free(path);
    free(set);
    return ok;
}
