/* The public calls of chat templates. */
#include "base/alloc.h"
#include "base/c_locale.h"
#include "base/size.h"
#include "text/template/parser.h"
#include "text/template/run.h"

#include <jansson.h>
#include <sibyl/chat.h>

#define MAX_TEMPLATE  ((size_t)1 << 20)
#define MAX_VARIABLES ((size_t)64 << 20)
#define TREE_MEMORY   ((size_t)128 << 20)
#define RUN_MEMORY    ((size_t)256 << 20)

struct sib_chat_template {
    arena a;
    const node *tree;
};

/* ---- Opening -------------------------------------------------------------------------------------------- */

static sib_code read_template(sib_chat_template *t, sib_str text, sib_error *err)
{
    token_list tokens = {0};
    c_locale locale;
    sib_code code = c_locale_enter(&locale, err);
    if (code != SIB_OK)
        return code;
    code = template_lex(text, &t->a, &tokens, err);
    if (code == SIB_OK)
        code = template_parse(tokens.items, &t->a, &t->tree, err);
    c_locale_leave(&locale);
    mem_free(tokens.items);
    return code;
}

sib_code sib_chat_template_open(const char *text, size_t size, sib_chat_template **out, sib_error *err)
{
    sib_error own = SIB_ERROR_INIT;
    if (!text || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "text or out is NULL");
    *out = NULL;
    if (size > MAX_TEMPLATE)
        return err_set(err, SIB_ERR_SIZE, "the chat template has more than %zu KiB", MAX_TEMPLATE >> 10);
    sib_chat_template *t = mem_calloc(1, sizeof *t);
    if (!t)
        return err_memory(err, sizeof *t, "a chat template");
    t->a.max = TREE_MEMORY;
    err = err ? err : &own;
    sib_code code = read_template(t, (sib_str){text, size}, err);
    if (code == SIB_OK)
        *out = t;
    else
        sib_chat_template_free(&t);
    return code;
}

void sib_chat_template_free(sib_chat_template **t)
{
    if (!t || !*t)
        return;
    tpl_arena_free(&(*t)->a);
    mem_free(*t);
    *t = NULL;
}

/* ---- JSON as values ------------------------------------------------------------------------------------- */

static value value_of_json(run *r, const json_t *j);

static value list_of_json(run *r, const json_t *j)
{
    value_list *l = tpl_list(r, json_array_size(j));
    for (size_t i = 0; l && i < l->n; i++)
        l->items[i] = value_of_json(r, json_array_get(j, i));
    return value_of_list(l);
}

/* Keys of an object differ: they need no search for one that is there. */
static value dict_of_json(run *r, const json_t *j)
{
    size_t n = json_object_size(j), i = 0;
    value d = tpl_dict(r), *keys = tpl_take(r, n, sizeof *keys), *values = tpl_take(r, n, sizeof *values);
    const char *key;
    json_t *item;
    if (r->code != SIB_OK)
        return d;
    json_object_foreach((json_t *)(uintptr_t)j, key, item)
    {
        keys[i] = tpl_text(r, key, strlen(key));
        values[i++] = value_of_json(r, item);
    }
    *d.dict = (value_dict){n, n, keys, values};
    return d;
}

static value value_of_json(run *r, const json_t *j)
{
    value v = value_none();
    if (!tpl_charge(r, 1) || !tpl_enter(r))
        return v;
    if (json_is_object(j))
        v = dict_of_json(r, j);
    else if (json_is_array(j))
        v = list_of_json(r, j);
    else if (json_is_string(j))
        v = tpl_text(r, json_string_value(j), json_string_length(j));
    else if (json_is_integer(j))
        v = value_int(json_integer_value(j));
    else if (json_is_real(j))
        v = value_float(json_real_value(j));
    else if (json_is_boolean(j))
        v = value_bool(json_is_true(j));
    tpl_leave(r);
    return r->code == SIB_OK ? v : value_none();
}

/* ---- Rendering ------------------------------------------------------------------------------------------ */

static sib_code render(const sib_chat_template *t, const json_t *variables, const sib_cancel *cancel,
                       byte_buffer *out, sib_error *err)
{
    arena a = {.max = RUN_MEMORY};
    run r = {.a = &a, .out = out, .cancel = cancel, .line = 1, .err = err};
    scope names = {0};
    value given = value_of_json(&r, variables);
    if (r.code == SIB_OK) {
        names.names = *given.dict;
        r.scope = &names;
        tpl_block(&r, t->tree);
    }
    tpl_arena_free(&a);
    return r.code;
}

sib_code sib_chat_template_render(const sib_chat_template *t, const char *variables, size_t size,
                                  const sib_cancel *cancel, char **text, size_t *text_size, sib_error *err)
{
    sib_error own = SIB_ERROR_INIT;
    json_error_t at;
    byte_buffer out = {.max = MAX_OUTPUT};
    c_locale locale;
    err = err ? err : &own;
    if (!t || !variables || !text || !text_size)
        return err_set(err, SIB_ERR_ARGUMENT, "an argument is NULL");
    *text = NULL;
    if (size > MAX_VARIABLES)
        return err_set(err, SIB_ERR_SIZE, "the values for the chat template have more than %zu MiB",
                       MAX_VARIABLES >> 20);
    json_t *json = json_loadb(variables, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set_at(err, SIB_ERR_FORMAT, json ? 0 : (uint64_t)at.position,
                          "the values for the chat template are no JSON object%s%s", json ? "" : ": ",
                          json ? "" : at.text);
    }
    sib_code code = c_locale_enter(&locale, err);
    if (code == SIB_OK) {
        code = render(t, json, cancel, &out, err);
        c_locale_leave(&locale);
    }
    json_decref(json);
    if (code == SIB_OK)
        code = buf_add(&out, "", 0, err); /* so that there is a text where nothing was printed */
    if (code == SIB_OK)
        *text = buf_take(&out, text_size);
    buf_free(&out);
    return code;
}
