/* A locale with a decimal comma, made for the test, since a machine may have none. */
#ifndef TESTS_COMMA_LOCALE_H
#define TESTS_COMMA_LOCALE_H

#include "check.h"

#include <locale.h>
#include <unistd.h>

/* Sets it for numbers; setlocale(LC_ALL, "C") ends it. Skips the test where localedef is missing. */
static inline void comma_locale_enter(void)
{
    char folder[] = "/tmp/sibyl-locale-XXXXXX", command[300];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cd %s && printf 'LC_NUMERIC\\ndecimal_point \",\"\\nthousands_sep \"\"\\ngrouping -1\\n"
             "END LC_NUMERIC\\n' >source && localedef -c -i source ./comma 2>/dev/null",
             folder);
    int made = system(command); /* not 0, since the locale has no other category */
    setenv("LOCPATH", folder, 1);
    bool found = made != -1 && setlocale(LC_NUMERIC, "comma") != NULL;
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    if (!found)
        CHECK_SKIP("localedef");
    assert_string_equal(localeconv()->decimal_point, ",");
}

#endif
