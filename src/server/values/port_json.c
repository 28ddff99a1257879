/* Values at ports of jobs as JSON. */
#include "server/values/json.h"

#define MAX_TEXT ((size_t)16 << 20) /* bytes of one of several texts */

static json_t *tokens_json(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->tokens.n; i++)
        json_array_append_new(list, json_integer(v->tokens.ids[i]));
    return list;
}

static json_t *numbers_list(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->numbers.n; i++)
        json_array_append_new(list, real_json(v->numbers.data[i]));
    return list;
}

static json_t *texts_json(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->texts.n; i++)
        json_array_append_new(list, text_json(v->texts.data[i], MAX_TEXT));
    return list;
}

static json_t *spans_json(const sib_port_value *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->spans.n; i++)
        json_array_append_new(
            list, json_pack("{s:f, s:f}", "start", v->spans.data[i].start, "end", v->spans.data[i].end));
    return list;
}

json_t *port_value_json(const sib_port_value *v)
{
    switch (v->type) {
    case SIB_PORT_TOKENS:
        return tokens_json(v);
    case SIB_PORT_TEXT:
        return text_of_bytes(v->text.data, v->text.size);
    case SIB_PORT_NUMBER:
        return real_json(v->number);
    case SIB_PORT_NUMBERS:
        return numbers_list(v);
    case SIB_PORT_FLAG:
        return json_boolean(v->flag);
    case SIB_PORT_TEXTS:
        return texts_json(v);
    case SIB_PORT_SPANS:
        return spans_json(v);
    default:
        return json_null(); /* tensors are no JSON; segments are those of speech */
    }
}
