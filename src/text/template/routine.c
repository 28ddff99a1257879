/* Routines of the tables: found, given their arguments, run. */
#include "base/size.h"
#include "text/template/run.h"

const routine *routine_find(const routine *table, sib_str name)
{
    for (; table->name; table++)
        if (str_is(name, table->name))
            return table;
    return NULL;
}

value tpl_method(run *r, const routine *of, value self)
{
    callable *made = tpl_take(r, 1, sizeof *made);
    if (!made)
        return value_none();
    *made = (callable){.routine = of, .self = self};
    return (value){.kind = VALUE_CALL, .call = made};
}

/* The place of a name among the words of `parameters`; MAX_PARAMETERS where it is none. */
static size_t place_of(const char *parameters, sib_str name)
{
    size_t i = 0;
    for (const char *at = parameters; *at; i++) {
        at += strspn(at, " |");
        size_t n = strcspn(at, " ");
        if (n && n == name.length && !memcmp(at, name.data, n))
            return i;
        at += n;
    }
    return MAX_PARAMETERS;
}

/* Numbers of parameters: all, and those without a default. */
static size_t count_words(const char *parameters, size_t *required)
{
    size_t n = 0;
    *required = SIZE_MAX;
    for (const char *at = parameters; *(at += strspn(at, " "));) {
        if (*at == '|') {
            *required = n;
            at++;
            continue;
        }
        n++;
        at += strcspn(at, " ");
    }
    if (*required > n)
        *required = n;
    return n;
}

static bool bind(run *r, const routine *of, call *c)
{
    size_t required, n = count_words(of->parameters, &required);
    if (c->n > n)
        tpl_fail(r, SIB_ERR_VALUE, "'%s' takes at most %zu arguments here", of->name, n);
    for (size_t i = 0; i < c->n && r->code == SIB_OK; i++) {
        c->args[i] = c->given[i];
        c->has[i] = true;
    }
    for (size_t i = 0; i < c->n_named && r->code == SIB_OK; i++) {
        size_t at = place_of(of->parameters, c->names[i]);
        if (at >= MAX_PARAMETERS || c->has[at])
            tpl_fail(r, SIB_ERR_UNSUPPORTED, "'%s' takes no argument '%.*s' here", of->name,
                     (int)size_min(c->names[i].length, 40), c->names[i].data);
        else {
            c->args[at] = c->given[c->n + i];
            c->has[at] = true;
        }
    }
    for (size_t i = 0; i < required && r->code == SIB_OK; i++)
        if (!c->has[i])
            tpl_fail(r, SIB_ERR_VALUE, "'%s' lacks an argument", of->name);
    return r->code == SIB_OK;
}

value tpl_routine(run *r, const routine *of, call *c)
{
    c->name = of->name;
    if (r->code != SIB_OK || (of->parameters && !bind(r, of, c)))
        return value_none();
    return of->run(r, c);
}

sib_str call_text(run *r, call *c, size_t i, const char *otherwise)
{
    if (!c->has[i])
        return str_of(otherwise);
    if (c->args[i].kind != VALUE_TEXT)
        tpl_fail(r, SIB_ERR_VALUE, "'%s' takes a text, and this is %s", c->name, tpl_kind_name(c->args[i]));
    return c->args[i].kind == VALUE_TEXT ? c->args[i].text : (sib_str){"", 0};
}

int64_t call_int(run *r, call *c, size_t i, int64_t otherwise)
{
    int64_t n = otherwise;
    if (c->has[i] && !value_integer(c->args[i], &n))
        tpl_fail(r, SIB_ERR_VALUE, "'%s' takes an integer, and this is %s", c->name,
                 tpl_kind_name(c->args[i]));
    return n;
}

bool call_true(const call *c, size_t i, bool otherwise)
{
    return c->has[i] ? value_true(c->args[i]) : otherwise;
}
