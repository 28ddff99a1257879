/* sibyl devices: the backends and what they run on. */
#include "command.h"
#include "messages.h"
#include "shared_options.h"

#include <stdio.h>
#include <string.h>

typedef struct settings {
    bool json, bench;
    const char *only;
} settings;

static const cli_option options[] = {
    OPT_TEXT("only", only, "NAME", "the devices of one backend", .names = backend_names),
    OPT_FLAG("bench", bench, "measure each device: copies to it, from it and within it, and a product"),
    OPT_JSON, OPT_END};

static const char more[] =
    "A backend marked 'by name' runs only where --backend names it, as in --backend "
    "vulkan,ref; vulkan:1 is its second device. What a backend does not take goes to those "
    "named after it.";

static json_t *as_json(const sib_backend_info *b, unsigned number, const sib_device_rates *r)
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
    if (r->flops > 0)
        json_object_set_new(j, "rates",
                            json_pack("{s:f, s:f, s:f, s:f}", "upload", r->upload, "download", r->download,
                                      "copy", r->copy, "flops", r->flops));
    if (!b->available)
        json_object_set_new(j, "problem", cli_json_text(b->problem));
    return j;
}

static void print(const sib_backend_info *b, unsigned number, const sib_device_rates *r)
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
    if (r->flops > 0)
        printf("%-10s copies %.2f GB/s to it, %.2f from it, %.2f within it; products %.1f GFLOP/s\n", "",
               r->upload * 1e-9, r->download * 1e-9, r->copy * 1e-9, r->flops * 1e-9);
}

/* Measures where that is asked for; returns false, with a message, where it fails. */
static bool measure(const settings *s, size_t i, unsigned number, const sib_backend_info *b,
                    sib_device_rates *out)
{
    sib_error err = SIB_ERROR_INIT;
    *out = (sib_device_rates){0};
    if (!s->bench || !b->available || !*b->device || sib_backend_measure(i, number, out, &err) == SIB_OK)
        return true;
    cli_fail("%s", err.message);
    return false;
}

static bool is_backend(const char *name)
{
    for (size_t i = 0; sib_backend_name(i); i++)
        if (!strcmp(name, sib_backend_name(i)))
            return true;
    return false;
}

static int devices(const cli_command *self, int argc, char **argv)
{
    settings s = {0};
    sib_backend_info b;
    sib_device_rates r;
    int n, code;
    bool good = true;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n)
        return cli_usage(self, "unexpected operand '%s'", argv[0]);
    if (s.only && !is_backend(s.only))
        return cli_fail("--only: there is no backend '%s'; without it all are listed", s.only);
    json_t *list = json_array();
    for (size_t i = 0; sib_backend_name(i); i++)
        for (unsigned k = 0;
             (!s.only || !strcmp(s.only, sib_backend_name(i))) && sib_backend_get_device(i, k, &b); k++) {
            good &= measure(&s, i, k, &b, &r);
            if (s.json)
                json_array_append_new(list, as_json(&b, k, &r));
            else
                print(&b, k, &r);
        }
    if (s.json)
        cli_json_print(json_incref(list));
    json_decref(list);
    return good ? CLI_DONE : CLI_FAILED;
}

const cli_command command_devices = {.name = "devices",
                                     .summary = "list the backends and the devices that they run on",
                                     .operands = "[options]",
                                     .options = options,
                                     .more = more,
                                     .run = devices};
