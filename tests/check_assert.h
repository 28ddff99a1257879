/* Checks that SIB_ASSERT aborts the process where an invariant is broken. */
#ifndef TESTS_CHECK_ASSERT_H
#define TESTS_CHECK_ASSERT_H

#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs breaks(context) in a child process, which must abort and name `condition` on stderr. Skips the test in
   builds without assertions. */
static inline void check_asserts(void (*breaks)(void *context), void *context, const char *condition)
{
#if !defined(SIBYL_ASSERTIONS)
    (void)breaks;
    (void)context;
    (void)condition;
    CHECK_SKIP("assertions: they are off in this build");
#else
    int ends[2], status = 0;
    char text[1024] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        breaks(context);
        _exit(0); /* not reached */
    }
    close(ends[1]);
    for (size_t n = 0; n + 1 < sizeof text;) {
        ssize_t more = read(ends[0], text + n, sizeof text - 1 - n);
        if (more <= 0)
            break;
        n += (size_t)more;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, condition))
        fail_msg("status %#x and '%s', expected an abort that names '%s'", status, text, condition);
#endif
}

#endif
