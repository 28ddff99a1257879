#include "import/chat.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/mapping.h"
#include "import/read/beside.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_TEMPLATE ((size_t)1 << 20)

/* Adds a text of a file to the metadata. */
static sib_code add_text(build *b, const char *file, const char *key, const char *data, size_t size,
                         sib_error *err)
{
    json_t *valid = size > MAX_TEMPLATE ? NULL : json_stringn(data, size);
    json_decref(valid);
    if (size > MAX_TEMPLATE)
        return err_set(err, SIB_ERR_SIZE, "%s: its %s has more than 1 MiB", file, key);
    if (!valid || memchr(data, 0, size))
        return err_set(err, SIB_ERR_FORMAT, "%s: its %s is no UTF-8 text", file, key);
    build_add_metadata_text(b, key, (sib_str){data, size});
    return b->code;
}

/* ---- GGUF ---------------------------------------------------------------------------------------------- */

static sib_code add_facts(build *b, bool *found, sib_error *err)
{
    static const char *const names[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token"},
                                           {"tokenizer.ggml.eos_token_id", "eos_token"}};
    const char *file = checkpoint_file(b->c, 0);
    const fact *text = checkpoint_fact(b->c, "tokenizer.chat_template"),
               *tokens = checkpoint_fact(b->c, "tokenizer.ggml.tokens");
    *found = text && text->kind == FACT_STRING && !text->list;
    sib_code code =
        *found ? add_text(b, file, "chat_template", text->strings[0].data, text->strings[0].length, err)
               : SIB_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && *found && code == SIB_OK; i++) {
        int64_t id = checkpoint_int(b->c, names[i][0], -1);
        if (tokens && tokens->list && tokens->kind == FACT_STRING && id >= 0 && (uint64_t)id < tokens->n)
            code = add_text(b, file, names[i][1], tokens->strings[id].data, tokens->strings[id].length, err);
    }
    return code;
}

/* ---- Hugging Face's files ------------------------------------------------------------------------------ */

static sib_code add_file(build *b, const char *path, sib_error *err)
{
    mapping *m;
    sib_code code = mapping_open(path, &m, err);
    if (code != SIB_OK)
        return code;
    code = add_text(b, path, "chat_template", (const char *)m->bytes.data, m->bytes.size, err);
    mapping_release(m);
    return code;
}

/* A text, or the one that is named default. */
static const json_t *template_of(const json_t *given)
{
    for (size_t i = 0; i < json_array_size(given); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(given, i), "name"));
        if (name && !strcmp(name, "default"))
            return json_object_get(json_array_get(given, i), "template");
    }
    return given;
}

/* The texts of a tokenizer_config.json; a token may be an object with its content. */
static sib_code add_config(build *b, const char *path, const json_t *config, bool with_template,
                           sib_error *err)
{
    static const char *const tokens[] = {"bos_token", "eos_token"};
    const json_t *text = with_template ? template_of(json_object_get(config, "chat_template")) : NULL;
    sib_code code = SIB_OK;
    if (json_is_string(text))
        code = add_text(b, path, "chat_template", json_string_value(text), json_string_length(text), err);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens && code == SIB_OK; i++) {
        const json_t *token = json_object_get(config, tokens[i]);
        token = json_is_object(token) ? json_object_get(token, "content") : token;
        if (json_is_string(token) && (!with_template || json_is_string(text)))
            code = add_text(b, path, tokens[i], json_string_value(token), json_string_length(token), err);
    }
    return code;
}

static sib_code read_config(build *b, const char *path, bool with_template, sib_error *err)
{
    json_t *config;
    sib_code code = beside_json(path, &config, err);
    if (code == SIB_OK)
        code = add_config(b, path, config, with_template, err);
    json_decref(config);
    return code;
}

sib_code chat_add(build *b, const char *given, sib_error *err)
{
    bool found = false;
    sib_code code = given ? SIB_OK : add_facts(b, &found, err);
    if (code != SIB_OK || found)
        return code;
    char *own = NULL, *config = NULL;
    if (!given)
        code = beside_path(b->c, "chat_template.jinja", &own, err);
    if (code == SIB_OK)
        code = beside_path(b->c, "tokenizer_config.json", &config, err);
    const char *file = given ? given : own;
    if (file && code == SIB_OK)
        code = add_file(b, file, err);
    if (config && code == SIB_OK)
        code = read_config(b, config, !file, err);
    mem_free(own);
    mem_free(config);
    return code;
}
