#include "model/conform_case.h"

#include <stdio.h>
#include <string.h>

static void find_exception(conform_case *c, const conform_settings *s)
{
    for (size_t i = 0; i < s->n_exceptions; i++)
        if (!strcmp(s->exceptions[i].name, c->name))
            c->exception = &s->exceptions[i];
}

void conform_case_run(conform_case *c, const conform_settings *settings)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session_options session = {.backends = settings->backend, .threads = 1};
    passes_apply(&settings->passes, &session);
    find_exception(c, settings);
    const sib_open_options open = {.registry = settings->registry,
                                   .any_input_dims = c->exception && c->exception->any_input_dims};
    const sib_conform_options options = {.open = &open,
                                         .session = &session,
                                         .tolerance =
                                             c->exception ? c->exception->tolerance : settings->tolerance,
                                         .profile = settings->profile};
    if (sib_conform_case(c->path, &options, &c->result, &err) != SIB_OK)
        snprintf(c->result.reason, sizeof c->result.reason, "%s", err.message);
}
