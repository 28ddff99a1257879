#include "job/standard_inner.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *maker_metadata(const maker *k, const char *key)
{
    const char *name, *value;
    for (size_t i = 0; sib_model_metadata(k->m, i, &name, &value); i++)
        if (!strcmp(name, key))
            return value;
    return NULL;
}

bool maker_has_input(const maker *k, const char *name)
{
    sib_value_info info;
    for (size_t i = 0; sib_model_input(k->m, i, &info); i++)
        if (!strcmp(info.name, name))
            return true;
    return false;
}

const char *maker_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int maker_stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? (int)(dot - name) : (int)strlen(name);
}

bool maker_put(json_t *at, const char *place, json_t *value)
{
    char key[64];
    const char *slash;
    for (; at && (slash = strchr(place, '/')); place = slash + 1) {
        snprintf(key, sizeof key, "%.*s", (int)(slash - place), place);
        at =
            json_is_array(at) ? json_array_get(at, (size_t)strtoul(key, NULL, 10)) : json_object_get(at, key);
    }
    if (at && value)
        return !json_object_set_new(at, place, value);
    json_decref(value);
    return false;
}

sib_code maker_need(const maker *k, bool done)
{
    return done ? SIB_OK : err_set(k->err, SIB_ERR_MEMORY, "%s: out of memory for its job", k->path);
}

sib_code maker_put_list(const maker *k, const char *place, const char *key, const char *text)
{
    json_t *list = json_loads(text, 0, NULL);
    if (!json_is_array(list)) {
        json_decref(list);
        return err_set(k->err, SIB_ERR_FORMAT, "%s: '%s' in its metadata is not a JSON list", k->path, key);
    }
    return maker_need(k, maker_put(k->doc, place, list));
}

/* ---- Tokenizers ---------------------------------------------------------------------------------------- */

const char *maker_find_tokenizer(const maker *k, char *found, size_t size)
{
    static const char *const endings[] = {".tokenizer.json", ".tiktoken", ".vocab.txt", ".pieces.json"};
    const size_t n_endings = sizeof endings / sizeof *endings;
    const char *name = maker_base_name(k->path);
    const int folder = (int)(name - k->path), stem = maker_stem_length(name);
    const bool below = folder >= 5 && !strncmp(name - 5, "onnx/", 5) && (folder == 5 || name[-6] == '/');
    for (size_t i = 0; i < n_endings + 1 + below; i++) {
        if (i < n_endings)
            snprintf(found, size, "%.*s%.*s%s", folder, k->path, stem, name, endings[i]);
        else
            snprintf(found, size, "%.*s%stokenizer.json", folder, k->path, i > n_endings ? "../" : "");
        if (!access(found, R_OK))
            return found + folder;
    }
    return NULL;
}

sib_code maker_put_tokenizer(const maker *k, const char *kind)
{
    const char *name = maker_base_name(k->path), *n_vocab = maker_metadata(k, "n_vocab");
    char path[4096];
    const char *found = k->tokenizer ? NULL : maker_find_tokenizer(k, path, sizeof path);
    if (k->tokenizer) {
        char *whole = realpath(k->tokenizer, NULL);
        if (!whole)
            return err_set(k->err, SIB_ERR_IO, "%s: the tokenizer does not exist", k->tokenizer);
        sib_code code = maker_need(k, maker_put(k->doc, "tokenizers/text/file", json_string(whole)));
        free(whole);
        if (code != SIB_OK)
            return code;
    } else if (found) {
        sib_code code = maker_need(k, maker_put(k->doc, "tokenizers/text/file", json_string(found)));
        if (code != SIB_OK)
            return code;
    } else
        return err_set(k->err, SIB_ERR_IO,
                       "%s: there is no tokenizer in its folder (%.*s.tokenizer.json, tokenizer.json, ...)",
                       k->path, maker_stem_length(name), name);
    json_t *text = json_object_get(json_object_get(k->doc, "tokenizers"), "text");
    if (!kind)
        json_object_del(text, "kind");
    bool done = !kind || maker_put(text, "kind", json_string(kind));
    if (done && n_vocab && kind)
        done = maker_put(text, "n_vocab", json_integer(strtoll(n_vocab, NULL, 10)));
    return maker_need(k, done);
}

json_t *maker_literal(const char *text)
{
    return text[0] == '$' ? json_sprintf("$%s", text) : json_string(text);
}
