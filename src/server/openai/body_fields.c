#include "server/openai/body_fields.h"

#include <string.h>

bool body_fields_read(exchange *x, const json_t *body, size_t n, const body_field *rules, void *self)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        size_t i = 0;
        while (i < n && strcmp(rules[i].name, name) != 0)
            i++;
        if (i < n && (json_is_null(value) || rules[i].read(self, value)))
            continue;
        if (i < n)
            answer_error(x, 400, name, "%s must be %s", name, rules[i].expected);
        else
            answer_error(x, 400, name, "there is no field '%.60s'; docs/serve.md lists those that there are",
                         name);
        return false;
    }
    return true;
}
