#include "base/error.h"
#include "base/log.h"
#include "check.h"

TEST(first_failure_stays)
{
    sib_error err = SIB_ERROR_INIT;
    assert_int_equal(err_set_at(&err, SIB_ERR_FORMAT, 17, "a.npy: byte %d", 17), SIB_ERR_FORMAT);
    assert_int_equal(err_set(&err, SIB_ERR_IO, "later"), SIB_ERR_IO);
    assert_int_equal(err.code, SIB_ERR_FORMAT);
    assert_int_equal(err.offset, 17);
    assert_string_equal(err.message, "a.npy: byte 17");
    assert_int_equal(err_set(NULL, SIB_ERR_IO, "nowhere"), SIB_ERR_IO);
    err = (sib_error)SIB_ERROR_INIT;
    err_set(&err, SIB_ERR_IO, "no place");
    assert_true(err.offset == SIB_NO_OFFSET);
}

/* Characters of one to four bytes, cut at every place: as many as there is room for. */
TEST(long_messages_end_at_a_character)
{
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x80"};
    char text[2 * SIB_MESSAGE_SIZE];
    for (size_t i = 0; i < COUNT(characters); i++)
        for (size_t shift = 0; shift < 4; shift++) {
            const size_t bytes = strlen(characters[i]);
            memset(text, 'x', shift);
            for (size_t at = shift; at + bytes < sizeof text; at += bytes)
                memcpy(text + at, characters[i], bytes + 1);
            sib_error err = SIB_ERROR_INIT;
            err_set(&err, SIB_ERR_IO, "%s", text);
            assert_int_equal(strlen(err.message), (SIB_MESSAGE_SIZE - 1 - shift) / bytes * bytes + shift);
            text[SIB_MESSAGE_SIZE - 1] = '\0'; /* what just fits stays as it is, whatever it ends with */
            err = (sib_error)SIB_ERROR_INIT;
            err_set(&err, SIB_ERR_IO, "%s", text);
            assert_string_equal(err.message, text);
        }
}

TEST(codes_have_names)
{
    assert_string_equal(sib_code_name(SIB_ERR_CANCELLED), "cancelled");
    assert_string_equal(sib_code_text(SIB_OK), "no error");
    assert_string_equal(sib_code_name((sib_code)99), "unknown");
    assert_string_equal(sib_code_text((sib_code)99), "unknown error");
    assert_non_null(strchr(sib_version(), '.'));
}

typedef struct written {
    int n;
    sib_log_level level;
    char text[2000];
} written;

static void keep(void *context, sib_log_level level, const char *text)
{
    written *w = context;
    w->n++;
    w->level = level;
    snprintf(w->text, sizeof w->text, "%s", text);
}

TEST(the_log_has_what_its_level_asks_for)
{
    static const char *const names[] = {NULL, "error", "warning", "info", "debug", NULL};
    written w = {0};
    sib_logger l = {.write = keep, .context = &w, .level = SIB_LOG_WARNING}, none = {0};
    for (int level = 0; level < (int)COUNT(names); level++) {
        const char *name = sib_log_level_name((sib_log_level)level);
        assert_true(names[level] ? name && !strcmp(name, names[level]) : !name);
    }
    log_write(&l, SIB_LOG_INFO, "too much");
    log_write(&none, SIB_LOG_ERROR, "nowhere");
    assert_int_equal(w.n, 0);
    log_write(&l, SIB_LOG_WARNING, "%d of %s", 3, "four");
    assert_true(w.n == 1 && w.level == SIB_LOG_WARNING);
    assert_string_equal(w.text, "3 of four");
    log_write(&l, SIB_LOG_ERROR, "%1500d", 7);
    assert_int_equal(strlen(w.text), 999);
    sib_error err = SIB_ERROR_INIT;
    assert_int_equal(log_failure(&l, "a call", err_set(&err, SIB_ERR_IO, "no such file"), &err), SIB_ERR_IO);
    assert_true(w.n == 3 && w.level == SIB_LOG_ERROR);
    assert_string_equal(w.text, "a call: no such file");
    assert_int_equal(log_failure(&l, "a call", SIB_ERR_CANCELLED, NULL), SIB_ERR_CANCELLED);
    assert_string_equal(w.text, "a call: the caller cancelled the call");
    assert_int_equal(log_failure(&l, "a call", SIB_OK, &err), SIB_OK);
    assert_int_equal(w.n, 4);
}
