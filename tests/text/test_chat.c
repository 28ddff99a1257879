/* Chat templates: what is refused and where, limits, memory. What they print is compared with Jinja's in
   test_chat_peer.py. */
#include "check_memory.h"
#include "too_long.h"

#include <jansson.h>
#include <sibyl/chat.h>

static sib_code rendered(const char *template, const char *variables, char **text, sib_error *err)
{
    sib_chat_template *t = NULL;
    size_t size = 0;
    *text = NULL;
    sib_code code = sib_chat_template_open(template, strlen(template), &t, err);
    if (code == SIB_OK)
        code = sib_chat_template_render(t, variables, strlen(variables), NULL, text, &size, err);
    sib_chat_template_free(&t);
    return code;
}

static void check_prompt(const char *template, const char *variables, const char *expected)
{
    char *text;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(rendered(template, variables, &text, &err), err);
    assert_string_equal(text, expected);
    sib_free(text);
}

static void check_fails(const char *template, sib_code code, const char *words)
{
    char *text;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(rendered(template, "{}", &text, &err), code, err, words);
    assert_null(text);
}

TEST(test_prompts)
{
    check_prompt("", "{}", "");
    check_prompt("a\r\n", "{}", "a");
    check_prompt(
        "{% for m in messages %}\n[{{ m.role }}] {{ m['content'] | trim }}\n{% endfor %}\n{{ bos_token }}",
        "{\"messages\": [{\"role\": \"user\", \"content\": \" h\\u00e9 \"}, {\"role\": \"tool\", "
        "\"content\": \"\"}],"
        " \"bos_token\": \"<s>\"}",
        "[user] h\xC3\xA9\n[tool] \n<s>");
    check_prompt("{{ x | tojson }}", "{\"x\": {\"b\": [1, 2.0, null, true], \"a\": \"<\\u0000\\n\"}}",
                 "{\"b\": [1, 2.0, null, true], \"a\": \"<\\u0000\\n\"}");
}

/* The cases of templates.json, with the variables of its first item: what Jinja makes of them, as test_chat_peer.py sees to. */
TEST(test_as_jinja)
{
    char path[4096];
    const char *source = getenv("SIBYL_SOURCE");
    snprintf(path, sizeof path, "%s/tests/text/templates.json", source ? source : ".");
    json_error_t at;
    json_t *cases = json_load_file(path, 0, &at), *item;
    size_t i;
    assert_true(json_array_size(cases) > 100);
    char *given = json_dumps(json_array_get(cases, 0), JSON_PRESERVE_ORDER);
    json_array_foreach(cases, i, item)
    {
        char *text;
        sib_error err = SIB_ERROR_INIT;
        const char *template = json_string_value(json_array_get(item, 0)),
                   *expected = json_string_value(json_array_get(item, 1));
        if (i == 0)
            continue;
        if (rendered(template, given, &text, &err) != SIB_OK || strcmp(text, expected) != 0)
            fail_msg("%s: '%s', expected '%s'", template, err.code ? err.message : text, expected);
        sib_free(text);
    }
    free(given);
    json_decref(cases);
}

TEST(test_what_is_refused_names_the_line)
{
    check_fails("\n{% include 'a' %}", SIB_ERR_UNSUPPORTED, "line 2: the statement 'include' is not built");
    check_fails("{{ 1 | shout }}", SIB_ERR_UNSUPPORTED, "line 1: the filter 'shout' is not built");
    check_fails("\n\n{{ 1 is strange }}", SIB_ERR_UNSUPPORTED, "line 3: the test 'strange' is not built");
    check_fails("{{ ''.swapcase() }}", SIB_ERR_UNSUPPORTED, "no function or method 'swapcase'");
    check_fails("{{ [].append(1) }}", SIB_ERR_UNSUPPORTED, "no function or method 'append'");
    check_fails("a\n{{ raise_exception('no ' ~ 1) }}", SIB_ERR_VALUE, "line 2: no 1");
    check_fails("{{ a.b.c }}", SIB_ERR_VALUE, "'a' is undefined");
    check_fails("{% for x in [] recursive %}{% endfor %}", SIB_ERR_UNSUPPORTED, "recursive");
    check_fails("{{ dict(**d) }}", SIB_ERR_UNSUPPORTED, "*");
    check_fails("{{ ", SIB_ERR_FORMAT, "{{ without }}");
    check_fails("{% if x %}", SIB_ERR_FORMAT, "'elif' is missing");
    check_fails("{{ 'a }}", SIB_ERR_FORMAT, "quotes");
    check_fails("{{ a ! b }}", SIB_ERR_FORMAT, "no meaning");
    check_fails("{{ ) }}", SIB_ERR_FORMAT, "bracket");
    check_fails("{# ", SIB_ERR_FORMAT, "comment");
    check_fails("\xff", SIB_ERR_FORMAT, "UTF-8");
    check_fails("{% break %}", SIB_ERR_FORMAT, "outside of a loop");
    check_fails("{% set x.y = 1 %}", SIB_ERR_VALUE, "namespace");
    check_fails("{{ 1 // 0 }}", SIB_ERR_VALUE, "zero");
    check_fails("{{ 9223372036854775807 + 1 }}", SIB_ERR_FORMAT, "too large");
    check_fails("{{ 922337203685477580 * 11 }}", SIB_ERR_SIZE, "64 bits");
}

TEST(test_limits)
{
    check_fails("{% set r = range(99999) %}{% for i in r %}{% for j in r %}{% endfor %}{% endfor %}",
                SIB_ERR_SIZE, "steps");
    check_fails("{{ range(100001) }}", SIB_ERR_SIZE, "100000");
    check_fails("{{ 'a' * 99999999 }}", SIB_ERR_SIZE, "too large");
    check_fails(
        "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        SIB_ERR_SIZE, "256 MiB");
    check_fails(
        "{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}",
        SIB_ERR_SIZE, "too deep");
    check_fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", SIB_ERR_SIZE, "too deep");
    check_fails("{% set s = 'a' * 1000000 %}{% for i in range(99) %}{{ s }}{% endfor %}", SIB_ERR_SIZE, "");
    static const char *const nested[][2] = {{"(", ")"},  {"[", "]"}, {"{'a':", "}"}, {"a.b(", ")"},
                                            {"a[", "]"}, {"-", ""},  {"not ", ""},   {"1 if 1 else ", ""}};
    for (size_t k = 0; k < sizeof nested / sizeof *nested; k++) {
        char deep[40000] = "{{ ";
        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < 1000; i++)
                strcat(deep, nested[k][side]);
            strcat(deep, side ? " }}" : "1");
        }
        check_fails(deep, SIB_ERR_SIZE, "nested more than");
    }
    char chain[20000] = "{{ a";
    while (strlen(chain) < sizeof chain - 40)
        strcat(chain, " ~ a");
    strcat(chain, " }}");
    check_fails(chain, SIB_ERR_SIZE, "nested more than");
    char ifs[20000] = "";
    while (strlen(ifs) < sizeof ifs - 40)
        strcat(ifs, "{% if a %}");
    check_fails(ifs, SIB_ERR_SIZE, "nested more than");
}

TEST(test_arguments)
{
    sib_chat_template *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    char *text, *large = calloc((1 << 20) + 1, 1);
    size_t size;
    assert_non_null(large);
    CHECK_FAILS(sib_chat_template_open(NULL, 0, &t, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_chat_template_open(large, (1 << 20) + 1, &t, &err), SIB_ERR_SIZE, err, "1024 KiB");
    free(large);
    CHECK_OK(sib_chat_template_open("a", 1, &t, &err), err);
    CHECK_FAILS(sib_chat_template_render(t, "[]", 2, NULL, &text, &size, &err), SIB_ERR_FORMAT, err,
                "no JSON object");
    CHECK_FAILS(sib_chat_template_render(t, "{", 1, NULL, &text, &size, &err), SIB_ERR_FORMAT, err,
                "no JSON object");
    assert_int_equal(sib_chat_template_render(t, "{}", 2, NULL, NULL, &size, NULL), SIB_ERR_ARGUMENT);
    sib_chat_template_free(&t);
    assert_null(t);
    sib_chat_template_free(NULL);
}

/* ---- Mutated templates: an end soon, with a prompt or an error, and nothing leaked -------------------------------- */

static const char *const seeds[] = {"{{ bos_token }}{% for m in messages %}\n<|{{ m['role'] }}|>{{- "
                                    "m.content | trim ~ eos_token }}{% else %}none{% endfor %}",
                                    "{%- set ns = namespace(n=0, last=messages|length - 1) %}{% for m in "
                                    "messages[::-1] %}{% if not m.x is defined and "
                                    "m.role in ['user', \"a\"] %}{% set ns.n = ns.n + loop.index0 * 2 %}{% "
                                    "elif m.content.startswith('<') %}{% break %}"
                                    "{%- endif -%}{% endfor %}{{ ns.n // 2 }}",
                                    "{% macro f(x, y=[1, 2.5]) %}{{ x | tojson(indent=2) }}{{ y[1:] | "
                                    "join(', ') }}{% endmacro %}{% set t %}{{ f({'k': "
                                    "messages}) }}{% endset %}{{ t.split('\\n')[0] | upper | replace('K', "
                                    "'kk') }}{# c #}{% raw %}{{ }}{% endraw %}",
                                    "{{ messages | selectattr('role', 'equalto', 'user') | "
                                    "map(attribute='content') | list | sort(reverse=true) | first "
                                    "| default('-') }}{{ (1 if x else 2) ** 3 % 7 }}{{ 'a' * 3 ~ range(4) | "
                                    "sum }}{{ messages[0].items() | list }}"};
static const char variables[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \" h\\u00e9<b> \"}, {\"role\": "
    "\"a\", \"content\": [1, {\"x\": null}]}], \"bos_token\": \"<s>\"}";
static const char *const words[] = {"{{",
                                    "}}",
                                    "{%",
                                    "%}",
                                    "-",
                                    "loop",
                                    "messages",
                                    "|",
                                    "'",
                                    "(",
                                    ")",
                                    "[",
                                    "]",
                                    ".",
                                    ":",
                                    " in ",
                                    "999999999999999999",
                                    "1e308",
                                    "\xff",
                                    "\xc3\xa9",
                                    "\\",
                                    "{#",
                                    "not ",
                                    "ns.n",
                                    "~",
                                    "**",
                                    ",",
                                    "range(99999)",
                                    " | list",
                                    " | map('upper')",
                                    "-1",
                                    "f(",
                                    "endfor",
                                    "if "};

#define MAX_SIZE 4096

/* Makes one change of text: (n of MAX_SIZE). Returns the new number of bytes. */
static size_t change(check_random *r, char *text, size_t n)
{
    size_t at = check_u64(r) % (n + 1), size = check_u64(r) % 20;
    size = size < n - at ? size : n - at;
    if (check_u64(r) % 2) { /* a part removed */
        memmove(text + at, text + at + size, n - at - size);
        return n - size;
    }
    const char *word = words[check_u64(r) % (sizeof words / sizeof *words)];
    size_t length = strlen(word);
    if (n + length > MAX_SIZE)
        return n;
    memmove(text + at + length, text + at, n - at);
    memcpy(text + at, word, length);
    return n + length;
}

static bool read_it(const char *text, size_t n)
{
    sib_chat_template *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    char *made = NULL;
    size_t size;
    uint64_t held = check_held();
    sib_code code = sib_chat_template_open(text, n, &t, &err);
    if (code == SIB_OK)
        code = sib_chat_template_render(t, variables, sizeof variables - 1, NULL, &made, &size, &err);
    if (code != SIB_OK && (err.code != code || !err.message[0] || made))
        fail_msg("%s: code %d without a sentence", doing, (int)code);
    sib_free(made);
    sib_chat_template_free(&t);
    assert_int_equal(check_held(), held);
    return code == SIB_OK;
}

/* SIBYL_MUTATIONS: the number for each seed. */
TEST(test_mutated_templates)
{
    const char *number = getenv("SIBYL_MUTATIONS");
    size_t count = number ? (size_t)atoll(number) : 2000, n_rendered = 0;
    check_random r = {16};
    signal(SIGALRM, too_long);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        for (size_t k = 0; k < count; k++) {
            char text[MAX_SIZE];
            size_t n = strlen(seeds[i]);
            memcpy(text, seeds[i], n);
            for (size_t c = 1 + check_u64(&r) % 4; c > 0; c--)
                n = change(&r, text, n);
            snprintf(doing, sizeof doing, "change %zu of template %zu", k, i);
            char *exact = malloc(n ? n : 1); /* so that a read past the end is detected */
            assert_non_null(exact);
            memcpy(exact, text, n);
            alarm(30);
            n_rendered += read_it(exact, n);
            alarm(0);
            free(exact);
        }
    print_message("%zu changed, %zu of them rendered\n", count * (sizeof seeds / sizeof *seeds), n_rendered);
    assert_true(n_rendered > 0);
}

static sib_code once(sib_error *err)
{
    char *text;
    sib_code code = rendered(
        "{% macro f(a) %}{{ a | tojson }}{% endmacro %}{% set x %}{{ f({'b': messages}) }}{% endset %}"
        "{% for m in messages | sort(attribute='role') %}{{ m.role ~ x | replace('a', 'b') }}{% endfor %}",
        "{\"messages\": [{\"role\": \"b\"}, {\"role\": \"a\"}]}", &text, err);
    sib_free(text);
    return code;
}

TEST(test_memory_that_fails)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(once(&err), (void)0);
}
