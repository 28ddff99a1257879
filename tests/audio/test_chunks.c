#include "check.h"

#include <math.h>
#include <sibyl/audio.h>

TEST(pads_and_trims)
{
    float in[5] = {1, 2, 3, 4, 5}, out[8];
    for (size_t n = 0; n <= 5; n++)
        for (size_t length = 0; length <= 7; length++) {
            for (int i = 0; i < 8; i++)
                out[i] = -9;
            sib_audio_pad_or_trim(n ? in : NULL, n, out, length);
            for (size_t i = 0; i < 8; i++)
                assert_true(out[i] == (i >= length ? -9 : i < n ? in[i] : 0));
        }
    float same[6] = {1, 2, 3, 7, 7, 7};
    sib_audio_pad_or_trim(same, 3, same, 5);
    assert_true(same[0] == 1 && same[2] == 3 && same[3] == 0 && same[4] == 0 && same[5] == 7);
}

/* Every sample is in a chunk, chunks begin where they should, and each adds samples. */
static void check_cover(size_t n, size_t length, size_t overlap)
{
    sib_chunks c;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_chunks_make(n, 10, (double)length / 10, (double)overlap / 10, &c, &err), err);
    assert_true(c.length == length && c.overlap == overlap && c.n_samples == n);
    size_t covered = 0;
    for (size_t i = 0; i < c.count; i++) {
        size_t start, got;
        sib_chunks_at(&c, i, &start, &got);
        assert_int_equal(start, i * (length - overlap));
        assert_true(start <= covered && start + got > covered && start + got <= n);
        assert_true(got == length || i + 1 == c.count);
        covered = start + got;
    }
    assert_int_equal(covered, n);
}

TEST(chunks_cover)
{
    for (size_t n = 0; n < 40; n++)
        for (size_t length = 1; length < 12; length++)
            for (size_t overlap = 0; overlap < length; overlap++)
                check_cover(n, length, overlap);
    sib_chunks c;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_chunks_make(SIZE_MAX, 16000, 30, 29.9999, &c, &err), err);
    assert_int_equal(c.count, (SIZE_MAX - 480000) / 2 + 1 + (SIZE_MAX - 480000) % 2);
    CHECK_OK(sib_chunks_make(100, 44100, 0.1, 0, &c, &err), err);
    assert_int_equal(c.length, 4410);
}

TEST(bad_requests)
{
    sib_chunks c;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_chunks_make(9, 0, 1, 0, &c, &err), SIB_ERR_ARGUMENT, err, "0 Hz");
    CHECK_FAILS(sib_chunks_make(9, 16000, 0, 0, &c, &err), SIB_ERR_ARGUMENT, err, "0 s");
    CHECK_FAILS(sib_chunks_make(9, 16000, -2, 0, &c, &err), SIB_ERR_ARGUMENT, err, "-2");
    CHECK_FAILS(sib_chunks_make(9, 16000, NAN, 0, &c, &err), SIB_ERR_ARGUMENT, err, "nan");
    CHECK_FAILS(sib_chunks_make(9, 16000, 1, -0.5, &c, &err), SIB_ERR_ARGUMENT, err, "-0.5");
    CHECK_FAILS(sib_chunks_make(9, 16000, 1, 1, &c, &err), SIB_ERR_ARGUMENT, err, "overlap");
    CHECK_FAILS(sib_chunks_make(9, 16000, 1, NAN, &c, &err), SIB_ERR_ARGUMENT, err, "nan");
    CHECK_FAILS(sib_chunks_make(9, 16000, 1e-5, 0, &c, &err), SIB_ERR_ARGUMENT, err, "less than a sample");
    CHECK_FAILS(sib_chunks_make(9, 16000, 1, 0.99999, &c, &err), SIB_ERR_ARGUMENT, err, "less than a sample");
    CHECK_FAILS(sib_chunks_make(9, 16000, 1e300, 0, &c, &err), SIB_ERR_SIZE, err, "1e+300");
    CHECK_FAILS(sib_chunks_make(9, 16000, INFINITY, 0, &c, &err), SIB_ERR_SIZE, err, "inf");
    assert_int_equal(c.count, 0);
}
