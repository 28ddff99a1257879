#include "job/chat.h"

#include "base/error.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *job_chat_file(const json_t *chat)
{
    return json_string_value(json_object_get(chat, "file"));
}

sib_code job_chat_open(job_chat *out, const json_t *chat, const char *file, size_t size, sib_error *err)
{
    const json_t *text = json_object_get(chat, "template");
    *out = (job_chat){.why = SIB_ERROR_INIT};
    if (!file && !text)
        return SIB_OK;
    sib_code code = sib_chat_template_open(file ? file : json_string_value(text),
                                           file ? size : json_string_length(text), &out->template, &out->why);
    return code == SIB_ERR_MEMORY ? err_set(err, code, "%s", out->why.message) : SIB_OK;
}

void job_chat_close(job_chat *c)
{
    sib_chat_template_free(&c->template);
}

/* The variables with the document's texts below them, as JSON; free(*out). */
static sib_code add_texts(const json_t *chat, const char *variables, size_t size, char **out, sib_error *err)
{
    json_error_t at;
    json_t *given = json_loadb(variables, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!json_is_object(given)) {
        json_decref(given);
        return err_set(err, SIB_ERR_FORMAT, "the values for the chat template are no JSON object");
    }
    json_t *all = json_copy((json_t *)(uintptr_t)chat);
    bool done = all && !json_object_update(all, given);
    json_object_del(all, "template");
    json_object_del(all, "file");
    *out = done ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    json_decref(given);
    return *out ? SIB_OK : err_memory(err, size, "the values for a chat template");
}

sib_code job_chat_prompt(const job_chat *c, const job_doc *d, const char *variables, size_t size,
                         const sib_cancel *cancel, char **text, size_t *text_size, sib_error *err)
{
    char *all;
    if (!variables || !text || !text_size)
        return err_set(err, SIB_ERR_ARGUMENT, "an argument is NULL");
    *text = NULL;
    if (!c->template && c->why.code != SIB_OK)
        return err_set(err, SIB_ERR_UNSUPPORTED, "job '%s': %s", d->name, c->why.message);
    if (!c->template)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "job '%s' has no chat template: import the model again with its template, or name a file "
            "in the job's document (\"chat\": {\"file\": \"chat_template.jinja\"})",
            d->name);
    sib_code code = add_texts(d->chat, variables, size, &all, err);
    if (code != SIB_OK)
        return code;
    code = sib_chat_template_render(c->template, all, strlen(all), cancel, text, text_size, err);
    free(all);
    return code;
}
