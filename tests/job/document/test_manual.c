/* docs/jobs.md and docs/job.schema.json agree with the tables of node kinds and of types. `--print` prints
   the part of the manual that is generated from them. */
#include "check.h"
#include "job/nodes/nodes.h"

#include <jansson.h>

static char *read_doc(const char *name)
{
    const char *source = getenv("SIBYL_SOURCE");
    char path[4096];
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/docs/%s", source, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1 << 20, 1);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void add_ports(char *out, size_t room, const char *title, const job_port *ports, size_t n)
{
    size_t used = strlen(out);
    if (n)
        used += (size_t)snprintf(out + used, room - used, "\n| %s | type | |\n| --- | --- | --- |\n", title);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(out + used, room - used, "| `%s`%s | %s | %s |\n", ports[i].name,
                                 ports[i].required ? ", needed" : "", job_type_name(ports[i].type),
                                 ports[i].meaning);
    assert_true(used < room);
}

/* The manual's section on a kind of node. */
static void section(const job_op *op, char *out, size_t room)
{
    size_t used = (size_t)snprintf(out, room, "### %s\n\n%s.", op->name, op->meaning);
    for (size_t i = 0; i < op->n_calls; i++)
        used += (size_t)snprintf(out + used, room - used, "%s`%s`%s", i ? ", " : " Calls: ", op->calls[i],
                                 i < op->n_needed ? "" : " (may be left out)");
    snprintf(out + used, room - used, "%s%s\n", op->n_calls ? "." : "",
             op->tokenizer ? " Names a tokenizer." : "");
    add_ports(out, room, "input", op->inputs, op->n_inputs);
    add_ports(out, room, "output", op->outputs, op->n_outputs);
}

static void the_manual_has_every_kind_of_node(void **state)
{
    (void)state;
    static char part[1 << 14];
    char *text = read_doc("jobs.md");
    size_t n = 0, headings = 0;
    for (; job_ops[n]; n++) {
        section(job_ops[n], part, sizeof part);
        if (!strstr(text, part))
            fail_msg("docs/jobs.md lacks this (test_job_document_manual --print prints all):\n%s", part);
    }
    for (const char *at = text; (at = strstr(at, "\n### ")); at++)
        headings++;
    assert_int_equal(headings, n); /* and no others */
    free(text);
}

static void the_example_of_the_manual_is_read(void **state)
{
    (void)state;
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = NULL;
    char *text = read_doc("jobs.md"), *begin = strstr(text, "```json\n");
    char *end = begin ? strstr(begin + 8, "```") : NULL;
    assert_non_null(end);
    CHECK_OK(job_doc_read("the manual", begin + 8, (size_t)(end - begin - 8), job_ops, NULL, &d, &err), err);
    assert_int_equal(d->n_outputs, 3);
    job_doc_free(&d);
    free(text);
}

static void expect_enum(const json_t *schema, const char *name, size_t n, const char *(*at)(size_t i))
{
    const json_t *list = json_object_get(json_object_get(json_object_get(schema, "$defs"), name), "enum");
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(json_string_value(json_array_get(list, i)), at(i));
}

static const char *op_name(size_t i)
{
    return job_ops[i]->name;
}

static const char *type_name(size_t i)
{
    return job_type_name((sib_port_type)(i + 1));
}

static void the_schema_has_the_same_names(void **state)
{
    (void)state;
    char *text = read_doc("job.schema.json");
    json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    size_t n = 0, n_types = 0;
    assert_non_null(schema);
    while (job_ops[n])
        n++;
    while (strcmp(type_name(n_types), "nothing"))
        n_types++;
    expect_enum(schema, "op", n, op_name);
    expect_enum(schema, "type", n_types, type_name);
    const json_t *version = json_object_get(json_object_get(schema, "properties"), "sibyl_job");
    assert_int_equal(json_integer_value(json_object_get(version, "const")), JOB_VERSION);
    json_decref(schema);
    free(text);
}

int main(int argc, char **argv)
{
    static char part[1 << 14];
    for (size_t i = 0; argc > 1 && !strcmp(argv[1], "--print") && job_ops[i]; i++) {
        section(job_ops[i], part, sizeof part);
        printf("%s\n", part);
    }
    if (argc > 1)
        return 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_manual_has_every_kind_of_node),
                                       cmocka_unit_test(the_example_of_the_manual_is_read),
                                       cmocka_unit_test(the_schema_has_the_same_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
