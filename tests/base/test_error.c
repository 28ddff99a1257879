#include "base/error.h"
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
}

TEST(long_messages_end_at_a_character)
{
    char text[400];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4);
        sib_error err = SIB_ERROR_INIT;
        err_set(&err, SIB_ERR_IO, "%s", text);
        size_t length = strlen(err.message);
        assert_true(length > 300);
        assert_int_equal((length - shift) % 3, 0);
    }
}

TEST(codes_have_names)
{
    assert_string_equal(sib_code_name(SIB_ERR_CANCELLED), "cancelled");
    assert_string_equal(sib_code_text(SIB_OK), "no error");
    assert_string_equal(sib_code_name((sib_code)99), "unknown");
    assert_non_null(strchr(sib_version(), '.'));
}
