#include "shared_options.h"

#include "files.h"
#include "messages.h"

#include <stdlib.h>

const char *backend_names(size_t i, const char **meaning)
{
    if (meaning)
        *meaning = NULL;
    return sib_backend_name(i);
}

const char *pass_option_names(size_t i, const char **meaning)
{
    static const char *const all[] = {"all", "-all"};
    if (meaning)
        *meaning = NULL;
    return i < 2 ? all[i] : sib_pass_name(i - 2, NULL);
}

void passes_apply(const pass_settings *s, sib_session_options *out)
{
    out->passes = s->names;
    out->limit_passes = s->limit >= 0;
    out->pass_limit = s->limit >= 0 ? (uint64_t)s->limit : 0;
}

bool passes_named(const pass_settings *s)
{
    return s->names || s->limit >= 0;
}

bool taps_all_matched(const cli_list *taps, const bool *matched)
{
    bool all = true;
    for (size_t i = 0; i < taps->n; i++)
        if (!matched[i]) {
            cli_fail("no value is named '%s', as --tap asks; --tap '*' shows all names", taps->items[i]);
            all = false;
        }
    return all;
}

sib_open_options open_limits(double open_memory)
{
    uint64_t bytes = (uint64_t)(open_memory * 1e6);
    if (!bytes)
        return (sib_open_options){0};
    return (sib_open_options){.max_nodes = UINT64_MAX, .max_bytes = bytes, .max_graph_bytes = bytes};
}

/* ---- Timelines -------------------------------------------------------------------------------------- */

bool trace_begin(const char *path, sib_profile **out)
{
    sib_error err = SIB_ERROR_INIT;
    if (path && sib_profile_create(out, &err) != SIB_OK)
        cli_fail("%s", err.message);
    return err.code == SIB_OK;
}

bool trace_end(const char *path, sib_profile **profile)
{
    sib_error err = SIB_ERROR_INIT;
    if (path && *profile && sib_profile_save_trace(*profile, path, &err) != SIB_OK)
        cli_fail("%s", err.message);
    sib_profile_free(profile);
    return err.code == SIB_OK;
}

bool extensions_load(extension_settings *e)
{
    sib_error err = SIB_ERROR_INIT;
    if (!e->plugins.n && !e->functions.n)
        return true;
    sib_code code = sib_registry_create(&e->registry, &err);
    for (size_t i = 0; i < e->plugins.n && code == SIB_OK; i++)
        code = sib_plugin_load(e->registry, e->plugins.items[i], &err);
    for (size_t i = 0; i < e->functions.n && code == SIB_OK; i++) {
        size_t size;
        char *text = file_read(e->functions.items[i], 16 << 20, &size);
        if (!text)
            return false;
        code = sib_function_register_text(e->registry, text, size, e->functions.items[i], &err);
        free(text);
    }
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    return code == SIB_OK;
}

void extensions_free(extension_settings *e)
{
    sib_registry_free(&e->registry);
    free(e->plugins.items);
    free(e->functions.items);
}

/* ---- Logs ------------------------------------------------------------------------------------------- */

const char *const verbose_levels[] = {"info", "debug", NULL};

static void write_line(void *context, sib_log_level level, const char *message)
{
    (void)context;
    if (level <= SIB_LOG_WARNING)
        fprintf(stderr, "sibyl: %s: %s\n", sib_log_level_name(level), message);
    else
        fprintf(stderr, "sibyl: %s\n", message);
}

sib_logger verbose_log(int verbose)
{
    return (sib_logger){.write = verbose >= 0 ? write_line : NULL,
                        .level = verbose ? SIB_LOG_DEBUG : SIB_LOG_INFO};
}
