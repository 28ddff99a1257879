/* What two hypotheses agree on. */
#include "check.h"
#include "live/words.h"

TEST(words_that_both_begin_with)
{
    static const struct {
        const char *a, *b;
        size_t n;
    } cases[] = {{"", "", 0},
                 {"one", "", 0},
                 {"", "one", 0},
                 {"one", "one", 3},
                 {"one", "one two", 3},
                 {"one two", "one", 3},
                 {"one two", "one t", 3},
                 {"one two", "one ten", 3},
                 {"one", "ones", 0},
                 {"one two three", "one two four", 7},
                 {"two", "one", 0},
                 {"one two ", "one two", 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(words_shared(cases[i].a, cases[i].b), cases[i].n);
        assert_int_equal(words_shared(cases[i].b, cases[i].a), cases[i].n);
    }
}
