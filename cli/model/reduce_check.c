#include "model/reduce_check.h"

#include "child.h"
#include "command.h"
#include "files.h"
#include "interrupt.h"
#include "messages.h"
#include "model/dump.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MAX_WORDS 64

bool reduce_check_read(const char *text, reduce_check *c)
{
    char *at = c->text = cli_format("%s", text);
    c->shell = text;
    c->words = cli_alloc(MAX_WORDS, sizeof *c->words);
    while (*at) {
        while (*at == ' ' || *at == '\t' || *at == '\n')
            *at++ = '\0';
        const char quote = *at == '\'' || *at == '"' ? *at : '\0';
        if (!*at)
            break;
        if (c->n_words == MAX_WORDS)
            return cli_fail("--check: has more than %d words", MAX_WORDS), false;
        c->words[c->n_words++] = quote ? ++at : at;
        while (*at && (quote ? *at != quote : *at != ' ' && *at != '\t' && *at != '\n'))
            at++;
        if (quote && !*at)
            return cli_fail("--check: a quote is not closed"), false;
        if (quote)
            *at++ = '\0';
    }
    if (!c->n_words)
        return cli_fail("--check '%s': expected diff and its options, or a command", text), false;
    c->command = strcmp(c->words[0], "diff") != 0;
    if (c->command)
        c->n_words = 0;
    return true;
}

const char *reduce_check_option(const reduce_check *c, const char *name)
{
    const size_t n = strlen(name);
    for (size_t i = 1; i < c->n_words; i++) {
        const char *w = c->words[i];
        if (strncmp(w, "--", 2) != 0 || strncmp(w + 2, name, n) != 0)
            continue;
        if (w[2 + n] == '=')
            return w + 2 + n + 1;
        if (!w[2 + n])
            return i + 1 < c->n_words ? c->words[i + 1] : "";
    }
    return NULL;
}

/* What diff says of a model: its document, owned by the caller, or NULL. */
static json_t *run_check(reduce_check *c, const char *model, const char *inputs, bool quiet)
{
    const cli_list *lists[] = {&c->ext->plugins, &c->ext->functions};
    const char *const names[] = {"--plugin", "--functions"};
    const char **argv = cli_alloc(MAX_WORDS + 8 + 2 * (lists[0]->n + lists[1]->n), sizeof *argv);
    size_t n = 0;
    argv[n++] = "sibyl";
    for (size_t i = 0; i < c->n_words; i++)
        argv[n++] = c->words[i];
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n; i++) {
            argv[n++] = names[k];
            argv[n++] = lists[k]->items[i];
        }
    argv[n++] = "--json";
    argv[n++] = "-i";
    argv[n++] = inputs;
    argv[n++] = model;
    FILE *f;
    pid_t pid;
    json_t *found = NULL;
    c->done++;
    if (child_start("/proc/self/exe", (char *const *)(uintptr_t)argv, quiet, &f, &pid)) {
        found = json_loadf(f, 0, NULL);
        const int status = child_end(f, pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > CLI_FAILED) {
            json_decref(found);
            found = NULL;
        }
    }
    free(argv);
    return found;
}

/* Runs the command on a model. Returns the status of waitpid, -1 where it cannot be run. */
static int run_command(reduce_check *c, const char *model, const char *inputs)
{
    char *text = cli_format("%s \"$@\"", c->shell), said[4096];
    char *const argv[] = {(char *)"sh",  (char *)"-c",   text, (char *)"sh",
                          (char *)model, (char *)inputs, NULL};
    FILE *f;
    pid_t pid;
    int status = -1;
    c->done++;
    if (child_start("/bin/sh", argv, true, &f, &pid)) {
        while (fgets(said, sizeof said, f))
            ;
        status = child_end(f, pid);
    }
    free(text);
    return status;
}

/* The row of a value in the document, or NULL. */
static const json_t *row_of(const json_t *document, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(document, "values"), i, v)
    {
        const char *found = json_string_value(json_object_get(v, "name"));
        if (found && !strcmp(found, name))
            return v;
    }
    return NULL;
}

static char *write_inputs(const reduce_check *c, const model_inputs *in)
{
    char *path = file_join(c->folder, "inputs.npz");
    dump_writer w;
    bool ok = dump_begin(path, &w);
    for (size_t i = 0; i < in->n && ok; i++)
        ok = dump_put(&w, in->items[i].name, in->items[i].value);
    ok = ok && dump_end(&w);
    dump_discard(&w);
    if (!ok) {
        free(path);
        path = NULL;
    }
    return path;
}

bool reduce_save(const sib_model *m, const char *path, sib_error *err)
{
    return sib_model_save(m, path, NULL, err) == SIB_OK ||
           (err->code == SIB_ERR_SIZE &&
            (*err = (sib_error)SIB_ERROR_INIT, sib_model_save(m, path, "model.onnx.data", err) == SIB_OK));
}

bool reduce_check_save(reduce_check *c, const sib_model *m, const char *path)
{
    sib_error err = SIB_ERROR_INIT;
    const bool saved = reduce_save(m, path, &err);
    if (!saved && err.code == SIB_ERR_IO)
        c->failed = (cli_fail("%s", err.message), true);
    return saved;
}

bool reduce_check_shows(reduce_check *c, const sib_model *m, const model_inputs *in)
{
    if (c->done >= c->limit || c->failed || interrupt_came())
        return false;
    for (size_t i = 0; i < in->n; i++)
        if (!sib_value_tensor(in->items[i].value))
            return false;
    char *model = file_join(c->folder, "model.onnx"), *inputs = write_inputs(c, in);
    const bool saved = inputs && reduce_check_save(c, m, model);
    bool shown = false;
    c->failed = c->failed || !inputs;
    if (saved && c->command)
        shown = run_command(c, model, inputs) == c->status;
    else if (saved) {
        json_t *document = run_check(c, model, inputs, true);
        const json_t *row = row_of(document, c->fault);
        shown =
            row && !json_is_true(json_object_get(row, "equal")) && !!json_object_get(row, "why") == c->unrun;
        json_decref(document);
    }
    free(model);
    free(inputs);
    return shown;
}

/* The node of the main graph that makes a value of this name; SIB_NONE for others, such as those inside
   bodies. */
static uint32_t maker_of(const sib_graph *g, const char *name)
{
    sib_value_info v;
    for (size_t i = 0; name && sib_graph_value(g, i, &v); i++)
        if (!strcmp(v.name, name))
            return v.producer;
    return SIB_NONE;
}

uint32_t reduce_check_find(reduce_check *c, const char *path, const sib_graph *g, const model_inputs *in)
{
    char *inputs = write_inputs(c, in);
    json_t *document = inputs ? run_check(c, path, inputs, false) : NULL, *row;
    size_t i;
    uint32_t node = SIB_NONE;
    json_array_foreach(json_object_get(document, "values"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        node = json_is_true(json_object_get(row, "equal")) ? SIB_NONE : maker_of(g, name);
        if (node == SIB_NONE)
            continue;
        c->fault = cli_format("%s", name);
        c->unrun = json_object_get(row, "why");
        break;
    }
    if (!document)
        cli_fail("%s: the check could not be made%s", path, inputs ? "" : ": inputs that are no tensors");
    else if (!c->fault)
        cli_fail("%s: the check names no fault: every value that nodes of the main graph make agrees", path);
    json_decref(document);
    free(inputs);
    return c->fault ? node : SIB_NONE;
}

bool reduce_check_command(reduce_check *c, const char *path, const model_inputs *in)
{
    char *inputs = write_inputs(c, in);
    c->status = inputs ? run_command(c, path, inputs) : 0;
    const int code = WIFEXITED(c->status) ? WEXITSTATUS(c->status) : 0;
    free(inputs);
    if (!inputs)
        return cli_fail("%s: the check could not be made: inputs that are no tensors", path), false;
    if (c->status == -1 || code == 126 || code == 127)
        return cli_fail("--check '%s': cannot be run: expected diff and its options, or a command", c->shell),
               false;
    if (!c->status)
        return cli_fail("%s: '%s' shows no fault: it ends with 0", path, c->shell), false;
    return true;
}

void reduce_check_free(reduce_check *c)
{
    free(c->text);
    free(c->words);
    free(c->fault);
    *c = (reduce_check){0};
}
