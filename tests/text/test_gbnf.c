/* What grammars in GBNF allow, and what is refused. */
#include "check_memory.h"
#include "text/constrain/gbnf.h"
#include "text/constrain/machine.h"

#include <sibyl/text.h>

#include <stdlib.h>
#include <string.h>

/* 1: a text of the grammar, 0: none, -1: the beginning of one. */
static int says(const char *rules, const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    grammar g;
    machine m;
    uint32_t state;
    CHECK_OK(gbnf_grammar(str_of(rules), &g, &err), err);
    CHECK_OK(machine_begin(&m, &g, &state, &err), err);
    for (; *text && state != MACHINE_DEAD; text++)
        CHECK_OK(machine_step(&m, state, (uint8_t)*text, &state, &err), err);
    const int found = state == MACHINE_DEAD ? 0 : m.states[state].complete ? 1 : -1;
    machine_end(&m);
    grammar_free(&g);
    return found;
}

static const char json[] =
    "# llama.cpp's form of JSON, in our words\n"
    "root ::= object\n"
    "value ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
    "object ::=\n  \"{\" ws ( string \":\" ws value\n    (\",\" ws string \":\" ws value)*\n  )? \"}\" ws\n"
    "array ::= \"[\" ws ( value (\",\" ws value)* )? \"]\" ws\n"
    "string ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}) )* "
    "\"\\\"\" ws\n"
    "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9]{1,15})? ws\n"
    "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n";

TEST(texts_of_grammars)
{
    static const struct {
        const char *rules, *text;
        int expected;
    } cases[] = {{"root ::= \"yes\" | \"no\"", "yes", 1},
                 {"root ::= \"yes\" | \"no\"", "n", -1},
                 {"root ::= \"yes\" | \"no\"", "nos", 0},
                 {"root ::= [a-c]+ \"-\"? x\nx ::= [0-9]{2,3}", "abc-12", 1},
                 {"root ::= [a-c]+ \"-\"? x\nx ::= [0-9]{2,3}", "b1", -1},
                 {"root ::= [a-c]+ \"-\"? x\nx ::= [0-9]{2,3}", "b1234", 0},
                 {"root ::= [a-c]+ \"-\"? x\nx ::= [0-9]{2,3}", "-12", 0},
                 {"root ::= \"ab\"* # c\n", "", 1},
                 {"root ::= \"ab\"*", "abab", 1},
                 {"root ::= \"ab\"*", "aba", -1},
                 {"root ::= \"ab\"{2}", "abab", 1},
                 {"root ::= \"ab\"{2}", "ababab", 0},
                 {"root ::= \"a\"{3,}", "aa", -1},
                 {"root ::= \"a\"{3,}", "aaaaaa", 1},
                 {"root ::= \"a\"{0}", "", 1},
                 {"root ::= \"a\"{0}", "a", 0},
                 {"root ::= (\"a\" | \"bc\"){0,2} \"!\"", "bca!", 1},
                 {"root ::= (\"a\" | \"bc\"){0,2} \"!\"", "aaa!", 0},
                 {"root ::= (\"a\"? \"b\"?)* \"c\"", "abbac", 1}, /* what may be empty, repeated */
                 {"root ::= \"(\" root \")\" | \"x\"", "((x))", 1},
                 {"root ::= \"(\" root \")\" | \"x\"", "((x)", -1},
                 {"root ::= [^a-y]", "z", 1},
                 {"root ::= [^a-y]", "m", 0},
                 {"root ::= [^a-y] \"!\"", "\xC3\xA9!", 1},
                 {"root ::= [^\\u00E9]", "\xC3\xA9", 0},
                 {"root ::= [^z\\u00E0-\\u00EFa-f]", "\xC3\xB0", 1},
                 {"root ::= [\\u00E9-\\U0001F600]", "\xF0\x9F\x98\x80", 1},
                 {"root ::= [\\u00E9-\\U0001F600]", "\xF0\x9F\x98\x81", 0},
                 {"root ::= [\xC3\xA9-\xC3\xAB]", "\xC3\xAA", 1},
                 {"root ::= .", "\n", 1},
                 {"root ::= . \"a\"",
                  "\xE2\x82\xAC"
                  "a",
                  1},
                 {"root ::= .", "\x80", 0}, /* no character */
                 {"root ::= [-a\\]]+", "-a]", 1},
                 {"root ::= [a-]+", "a-", 1},
                 {"root ::= \"\\x41\\t\\\"\\\\\"", "A\t\"\\", 1},
                 {"a-1 ::= \"x\"\r\nroot ::= a-1 |\r\n a-1 a-1", "xx", 1},
                 {"root ::= \"\" \"a\"", "a", 1},
                 {json, "{\"a\": [1, -2.5e3, {\"\\u00e9\": null}], \"b\": \"x\\n\"}", 1},
                 {json, "{\"a\": 01}", 0},
                 {json, "{\"a\" 1}", 0},
                 {json, "{\"a\": tru", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int found = says(cases[i].rules, cases[i].text);
        if (found != cases[i].expected)
            fail_msg("%s: '%s' is %d, expected %d", cases[i].rules, cases[i].text, found, cases[i].expected);
    }
}

TEST(grammars_that_are_refused)
{
    static const struct {
        const char *rules, *words;
        sib_code code;
    } cases[] = {{"", "there is no rule 'root'", SIB_ERR_FORMAT},
                 {"x ::= \"a\"", "there is no rule 'root'", SIB_ERR_FORMAT},
                 {"root ::= a", "rule 'a' is not there", SIB_ERR_FORMAT},
                 {"root ::= \"a\"\nroot ::= \"b\"", "line 2: a rule has its name twice", SIB_ERR_FORMAT},
                 {"root = \"a\"", "expected ::=", SIB_ERR_FORMAT},
                 {"root ::= \"a", "does not end", SIB_ERR_FORMAT},
                 {"root ::= [a", "does not end", SIB_ERR_FORMAT},
                 {"root ::= [b-a]", "ends before it begins", SIB_ERR_FORMAT},
                 {"root ::= \"\\q\"", "an escape is none of", SIB_ERR_FORMAT},
                 {"root ::= \"\\u12\"", "lacks hexadecimal digits", SIB_ERR_FORMAT},
                 {"root ::= \"\\uD800\"", "not of a Unicode character", SIB_ERR_FORMAT},
                 {"root ::= \"\xFF\"", "not UTF-8", SIB_ERR_FORMAT},
                 {"root ::= (\"a\"", "lacks its )", SIB_ERR_FORMAT},
                 {"root ::= \"a\")", "expected an item", SIB_ERR_FORMAT},
                 {"root ::= *", "expected a rule's name", SIB_ERR_FORMAT},
                 {"root ::= \"a\"{2,1}", "is not {m}", SIB_ERR_FORMAT},
                 {"root ::= \"a\"{2001}", "0 to 2000", SIB_ERR_FORMAT},
                 {"root ::= \"a\"{,3}", "0 to 2000", SIB_ERR_FORMAT},
                 {"root ::= <[12]>", "tokens", SIB_ERR_UNSUPPORTED},
                 {"root ::= root \"a\" | \"b\"", "rule 'root' begins with itself", SIB_ERR_UNSUPPORTED},
                 {"root ::= a \"b\"\na ::= \"x\"* b\nb ::= (\"y\"? a) | \"z\"", "rule 'a' begins with itself",
                  SIB_ERR_UNSUPPORTED},
                 {"root ::= \"a\" root", "allows no value", SIB_ERR_VALUE},
                 {"root ::= []", "allows no value", SIB_ERR_VALUE},
                 {"root ::= ([a-z]{2000} [0-9]{2000}){2000} (x x){2000}\nx ::= ([a-z\\u0100-\\u8000]{2000} "
                  "[0-9]{2000} [0-9]{2000} [^0-9]{2000} [^0-9]{2000} [^0-9]{2000} [^0-9]{2000} [^0-9]{2000} "
                  "[^0-9]{2000} [^0-9]{2000} [^0-9]{2000})",
                  "more than 262144 states", SIB_ERR_SIZE}};
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(sib_grammar_check(cases[i].rules, strlen(cases[i].rules), &err), cases[i].code, err,
                    cases[i].words);
    CHECK_FAILS(sib_grammar_check("root ::= \"a\"\0", 13, &err), SIB_ERR_FORMAT, err, "NUL");
    CHECK_FAILS(sib_grammar_check(NULL, 0, &err), SIB_ERR_ARGUMENT, err, "NULL");
    char deep[300] = "root ::= ";
    memset(deep + 9, '(', 100);
    CHECK_FAILS(sib_grammar_check(deep, strlen(deep), &err), SIB_ERR_SIZE, err, "nest too deep");
}

TEST(memory_may_fail)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(sib_grammar_check(json, sizeof json - 1, &err), { break; });
}

/* Grammars that are damaged: an answer soon, and nothing left. */
TEST(damaged_grammars)
{
    const char *count = getenv("SIBYL_MUTATIONS");
    uint64_t random = 7, before = check_held();
    for (long i = count ? atol(count) : 3000; i > 0; i--) {
        char text[sizeof json];
        size_t n = sizeof json - 1;
        memcpy(text, json, sizeof json);
        for (int k = 0; k < 3; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const size_t at = (size_t)(random >> 33) % n, from = (size_t)(random >> 20) % n;
            if (k < 2)
                text[at] = json[from];
            else if (random >> 63)
                n = at + 1;
        }
        sib_error err = SIB_ERROR_INIT;
        const sib_code code = sib_grammar_check(text, n, &err);
        if (code == SIB_ERR_MEMORY || (code != SIB_OK) != (err.message[0] != 0))
            fail_msg("%.*s: %s, '%s'", (int)n, text, sib_code_name(code), err.message);
    }
    assert_int_equal(check_held(), before);
}
