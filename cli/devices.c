/* sibyl devices: the backends and what they run on. */
#include "command.h"
#include "messages.h"
#include "shared_options.h"

#include <stdio.h>

typedef struct settings {
    bool json;
} settings;

static const cli_option options[] = {OPT_JSON, OPT_END};

static const char more[] =
    "A backend marked 'by name' runs only where --backend names it, as in --backend "
    "vulkan,ref; vulkan:1 is its second device. What a backend does not take goes to those "
    "named after it.";

static json_t *as_json(const sib_backend_info *b, unsigned number)
{
    json_t *j = json_pack("{s:s, s:s, s:b, s:b}", "backend", b->name, "description", b->description,
                          "by_name", b->asked, "available", b->available);
    if (*b->device)
        json_object_set_new(j, "device", cli_json_text(b->device));
    if (*b->device)
        json_object_set_new(j, "number", json_integer(number));
    if (*b->features)
        json_object_set_new(j, "features", cli_json_text(b->features));
    if (b->memory)
        json_object_set_new(j, "memory", json_integer((json_int_t)b->memory));
    if (b->max_value)
        json_object_set_new(j, "max_value", json_integer((json_int_t)b->max_value));
    if (!b->available)
        json_object_set_new(j, "problem", cli_json_text(b->problem));
    return j;
}

static void print(const sib_backend_info *b, unsigned number)
{
    if (!number)
        printf("%-10s %s%s\n", b->name, b->description, b->asked ? " (by name)" : "");
    if (!b->available)
        printf("%-10s not available: %s\n", "", b->problem);
    else if (*b->device)
        printf("%-10s %u: %s\n", "", number, b->device);
    if (b->memory)
        printf("%-10s memory %.1f GiB\n", "", (double)b->memory / (1 << 30));
    if (b->max_value)
        printf("%-10s values of at most %.0f MiB\n", "", (double)b->max_value / (1 << 20));
    if (*b->features)
        printf("%-10s %s\n", "", b->features);
}

static int devices(const cli_command *self, int argc, char **argv)
{
    settings s = {0};
    sib_backend_info b;
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n)
        return cli_usage(self, "unexpected operand '%s'", argv[0]);
    json_t *list = json_array();
    for (size_t i = 0; sib_backend_name(i); i++)
        for (unsigned k = 0; sib_backend_get_device(i, k, &b); k++) {
            if (s.json)
                json_array_append_new(list, as_json(&b, k));
            else
                print(&b, k);
        }
    if (s.json)
        cli_json_print(json_incref(list));
    json_decref(list);
    return CLI_DONE;
}

const cli_command command_devices = {.name = "devices",
                                     .summary = "list the backends and the devices that they run on",
                                     .operands = "[options]",
                                     .options = options,
                                     .more = more,
                                     .run = devices};
