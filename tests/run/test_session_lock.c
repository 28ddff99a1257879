/* A session whose locks cannot be made. */
#include "tiny.h"

#include <errno.h>
#include <pthread.h>

/* Call number `fail_at` fails, counted from 0. */
static size_t calls, fail_at = SIZE_MAX;

/* In place of libc's, which never fails on Linux. A mutex that failed is left as it was. */
int pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attributes)
{
    assert_null(attributes);
    if (calls++ == fail_at)
        return ENOMEM;
    *lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return 0;
}

TEST(first_lock_of_a_session_fails)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    tiny_output(&t, tiny_op(&t, "Neg", tiny_input(&t, "x", SIB_F32, "N"), NO_VALUE, "y"));
    sib_model *model = tiny_model(&t);
    const uint64_t held = check_held();
    sib_session *session = NULL;
    calls = 0;
    fail_at = 0;
    CHECK_FAILS(sib_session_create(model, NULL, &session, &err), SIB_ERR_MEMORY, err,
                "lock could not be created");
    assert_null(session);
    assert_int_equal(calls, 1);
    assert_int_equal(check_held(), held);
    fail_at = SIZE_MAX;
    CHECK_OK(sib_session_create(model, NULL, &session, &err), err);
    sib_session_free(&session);
    sib_model_free(&model);
}
