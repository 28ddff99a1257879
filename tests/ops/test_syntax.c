/* The reader of operator cases: what it accepts, what it rejects, and that wrong results are detected. */
#include "case.h"
#include "check.h"

#include <unistd.h>

typedef struct seen {
    unsigned cases, passed, malformed;
    char words[620], label[400]; /* the first failure; all labels, concatenated */
} seen;

static bool visit(void *context, const op_case *c)
{
    seen *s = context;
    char words[580];
    s->cases++;
    strncat(s->label, c->label, sizeof s->label - strlen(s->label) - 2);
    strcat(s->label, "|");
    bool ok = true;
    for (case_mode mode = 0; mode < CASE_MODES && ok; mode++)
        ok = case_check(c, mode, "ref", words, sizeof words);
    if (!ok && !*s->words)
        snprintf(s->words, sizeof s->words, "%u: %s", c->line, words);
    s->passed += ok;
    return true;
}

static bool malformed(void *context, const char *file, unsigned line, const char *words)
{
    seen *s = context;
    (void)file;
    s->malformed++;
    if (!*s->words)
        snprintf(s->words, sizeof s->words, "%u: %s", line, words);
    return true;
}

/* Reads lines of cases. */
static seen look(const char *lines)
{
    char path[] = "/tmp/sibyl_cases_XXXXXX";
    sib_error err = SIB_ERROR_INIT;
    seen s = {0};
    case_visitor visitor = {visit, malformed, &s};
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, lines, strlen(lines)) == (ssize_t)strlen(lines));
    close(fd);
    sib_code code = case_each(path, &visitor, &err);
    unlink(path);
    assert_int_equal(code, SIB_OK);
    return s;
}

TEST(test_takes)
{
    static const struct {
        const char *lines, *labels;
    } good[] = {
        {"# nothing\n\n", ""},
        {"Relu-14 ; f32[3] = -1 0 2 -> f32[3] = 0 0 2", "Relu-14|"},
        {"Relu-14;f32[3]=-1 0 2->f32[3]=0 0 2\n", "Relu-14|"},
        {"Relu ; T[1] = 1 -> T[1] = 1 ; version 6 14 ; for T = f16 f32 ; tol 1e-3",
         "Relu-6 T=f16|Relu-6 T=f32|Relu-14 T=f16|Relu-14 T=f32|"},
        {"Cast-13 to=dtype:TO ; FROM[1] = 1 -> TO[1] = 1 ; for TO = i8 f32 ; for FROM = f64",
         "Cast-13 TO=i8 FROM=f64|Cast-13 TO=f32 FROM=f64|"},
        {"Add-14 ; f32[2,2] = 1 \\\n 2 3 4 ; f32[] = 0.5 \\\n-> f32[2,2] = 1.5 2.5 \\\n 3.5 4.5", "Add-14|"},
        {"Identity-16 ; f32[2,3] = 1..4 all 9 -> f32[2,3] = 1 2 3 4 9 9", "Identity-16|"},
        {"Identity-16 ; bool[3] = true 0 1 -> bool[3] = 1 false true", "Identity-16|"},
        {"Identity-16 ; str[2] = \"a;->\" \"\\x41\\n\\\"\" -> str[2] = \"a;->\" \"A\\n\\\"\"",
         "Identity-16|"},
        {"Identity-16 ; str[2] = all \"a\" -> str[2] = \"a\" \"a\"", "Identity-16|"},
        {"Identity-16 ; u64[2] = 18446744073709551615 0x10 -> u64[2] = 18446744073709551615 16",
         "Identity-16|"},
        {"Identity-16 ; c64[2] = 1+2j -1 -> c64[2] = 1+2j -1", "Identity-16|"},
        {"Identity-16 ; f32[2] = inf nan -> f32[2] = inf nan", "Identity-16|"},
        {"Identity-16 ; i64[0,4] -> i64[0,4]", "Identity-16|"},
        {"Identity-16 ; f32[2] = 1 2 -> f32[2] = ?", "Identity-16|"},
        {"Identity-16 ; seq{ f32[1] = 1 , f32[0] } -> seq{ f32[1] = 1 , f32[0] }", "Identity-16|"},
        {"Identity-16 ; seq:f32{} -> seq:f32{}", "Identity-16|"},
        {"Identity-16 ; none:f32 -> none:f32", "Identity-16|"},
        {"Identity-16 ; opt{ seq{ i8[1] = 1 } } -> opt{ seq{ i8[1] = 1 } }", "Identity-16|"},
        {"Clip-13 ; f32[2] = -5 5 ; _ ; f32[] = 2 -> f32[2] = -5 2", "Clip-13|"},
        {"Dropout-13 ; f32[1] = 1 -> f32[1] = 1 ; _", "Dropout-13|"},
        {"Transpose-13 perm=[1,0] ; f32[1,2] = 1 2 -> f32[2,1] = 1 2", "Transpose-13|"},
        {"Constant-13 value_floats=[1.0,2] -> f32[2] = 1 2", "Constant-13|"},
        {"Constant-13 value_ints=ints[] -> i64[0]", "Constant-13|"},
        {"Constant-13 value_strings=[\"a\",\"b]\"] -> str[2] = \"a\" \"b]\"", "Constant-13|"},
        {"Constant-13 value=f16[2]={1 2} -> f16[2] = 1 2", "Constant-13|"},
        {"ai.onnx:Relu-14 ; bool[1] = 1 -> error \"Relu\"", "Relu-14|"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        seen s = look(good[i].lines);
        if (s.malformed || s.passed != s.cases)
            fail_msg("%s\n%s", good[i].lines, s.words);
        assert_string_equal(s.label, good[i].labels);
    }
}

TEST(test_refuses)
{
    static const struct {
        const char *lines, *words;
    } bad[] = {
        {"Relu-14 ; f32[1] = 1", "'->' expected"},
        {"# one\nRelu-14 ; f32[1] = 1 -> f32[1] = 1 -> f32[1] = 1", "2: a second '->'"},
        {"Relu ; f32[1] = 1 -> f32[1] = 1", "an operator with its opset"},
        {"Relu-x ; f32[1] = 1 -> f32[1] = 1", "a whole number expected"},
        {"Relu-14 ; f33[1] = 1 -> f32[1] = 1", "a dtype expected at 'f33[1]"},
        {"Relu-14 ; f32[2] = 1 -> f32[2] = 1 1", "1 elements, 2 expected"},
        {"Relu-14 ; f32[1] = 1 2 -> f32[1] = 1", "more than 1 elements"},
        {"Relu-14 ; f32[1] -> f32[1] = 1", "'=' expected"},
        {"Relu-14 ; f32[-1] = 1 -> f32[1] = 1", "a negative dim"},
        {"Relu-14 ; f32[99999999,99999999] = 1 -> f32[1] = 1", "more than 1000000 elements"},
        {"Relu-14 ; i8[1] = 128 -> i8[1] = 1", "'128' is no int8"},
        {"Relu-14 ; u4[1] = 16 -> i8[1] = 1", "'16' is no uint4"},
        {"Relu-14 ; u8[1] = -1 -> i8[1] = 1", "'-1' is no uint8"},
        {"Relu-14 ; i8[1] = 1.5 -> i8[1] = 1", "'1.5' is no int8"},
        {"Relu-14 ; f32[1] = one -> f32[1] = 1", "expected a number"},
        {"Relu-14 ; f32[1] = ? -> f32[1] = 1", "an input has elements"},
        {"Relu-14 ; f32[1] = 1 -> ", "outputs expected"},
        {"Relu-14 ; str[1] = \"a -> str[1] = \"a\"", "'->' expected"},
        {"Relu-14 ; seq{} -> seq{}", "an empty value says what it would hold"},
        {"Relu-14 ; seq{ f32[1] = 1 -> f32[1] = 1", "',' expected"},
        {"Relu-14 alpha ; f32[1] = 1 -> f32[1] = 1", "'=' expected"},
        {"Relu-14 alpha=x ; f32[1] = 1 -> f32[1] = 1", "'x' is no number"},
        {"Relu-14 alpha=[1,\"a\"] ; f32[1] = 1 -> f32[1] = 1", "strings and numbers"},
        {"Relu-14 ; T[1] = 1 -> T[1] = 1 ; for T = f32 T2", "a dtype expected"},
        {"Relu-14 ; T[1] = 1 -> T[1] = 1 ; for f32 = f16", "a name that is no dtype"},
        {"Relu-14 ; f32[1] = 1 -> f32[1] = 1 ; tol much", "one tolerance expected"},
        {"Relu-14 ; f32[1] = 1 -> f32[1] = 1 ; version", "a dtype expected"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        seen s = look(bad[i].lines);
        if (s.malformed != 1 || s.cases || !strstr(s.words, bad[i].words))
            fail_msg("%s\nsays '%s', expected '%s'", bad[i].lines, s.words, bad[i].words);
    }
}

TEST(test_sees)
{
    static const struct {
        const char *lines, *words;
    } wrong[] = {
        {"Relu-14 ; f32[2] = -1 2 -> f32[2] = 0 3", "1: output 0 element 1 is 2, 3 expected (1 of 2 differ)"},
        {"Relu-14 ; f32[1] = 2 -> f32[1] = 2.00001", "element 0 is 2, 2.00001 expected"},
        {"Relu-14 ; f32[1] = 2 -> f32[1] = 2.001 ; tol 1e-5", "element 0 is 2, 2.001 expected"},
        {"Relu-14 ; f32[1] = nan -> f32[1] = 0", "element 0 is nan, 0 expected"},
        {"Relu-14 ; f32[2] = 1 2 -> f64[2] = 1 2", "is f32[2], f64[2] expected"},
        {"Relu-14 ; f32[2] = 1 2 -> f32[2,1] = 1 2", "is f32[2], f32[2,1] expected"},
        {"Relu-14 ; f32[2] = 1 2 -> f32[3] = ?", "is f32[2], f32[3] expected"},
        {"Relu-14 ; f32[2] = 1 2 -> seq{ f32[2] = 1 2 }", "is a tensor, a sequence expected"},
        {"Identity-16 ; str[1] = \"a\" -> str[1] = \"b\"", "element 0 is \"a\", \"b\" expected"},
        {"Identity-16 ; seq{ f32[1] = 1 } -> seq{ f32[1] = 1 , f32[1] = 1 }", "holds 1 values, 2 expected"},
        {"Identity-16 ; seq{ f32[1] = 1 , f32[1] = 2 } -> seq{ f32[1] = 1 , f32[1] = 1 }",
         "item 1 element 0 is 2, 1 expected"},
        {"Relu-14 ; f32[1] = 1 -> error \"Relu\"", "ran, an error with \"Relu\" expected"},
        {"Relu-14 ; bool[1] = 1 -> error \"Tanh\"", "refused with: "},
        {"Relu-14 ; bool[1] = 1 -> bool[1] = 1", "Relu"},
        {"NoSuchOperator-14 ; bool[1] = 1 -> bool[1] = 1", "NoSuchOperator"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        seen s = look(wrong[i].lines);
        if (s.malformed || s.cases != 1 || s.passed || !strstr(s.words, wrong[i].words))
            fail_msg("%s\nsays '%s', expected '%s'", wrong[i].lines, s.words, wrong[i].words);
    }
}
