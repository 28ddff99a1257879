#include "check_memory.h"

#include <math.h>
#include <sibyl/audio.h>

/* The header byte by byte, and samples that are rounded to nearest even and limited. */
TEST(a_file_of_16_bits)
{
    static const float x[] = {0, 1, -1, 0.5f, 1.5f / 32768, 2.5f / 32768, -7, NAN};
    static const uint8_t head[] = {'R', 'I', 'F', 'F', 52, 0, 0,   0,   'W', 'A',  'V',  'E', 'f', 'm',  't',
                                   ' ', 16,  0,   0,   0,  1, 0,   1,   0,   0x40, 0x1F, 0,   0,   0x80, 0x3E,
                                   0,   0,   2,   0,   16, 0, 'd', 'a', 't', 'a',  16,   0,   0,   0};
    static const int16_t expected[] = {0, 32767, -32768, 16384, 2, 2, -32768, 0};
    sib_error err = SIB_ERROR_INIT;
    uint8_t *out = NULL;
    size_t size = 0;
    CHECK_OK(sib_audio_wav(x, 8, 8000, SIB_PCM_S16LE, &out, &size, &err), err);
    assert_int_equal(size, sizeof head + 16);
    assert_memory_equal(out, head, sizeof head);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal((int16_t)(out[44 + 2 * i] | out[45 + 2 * i] << 8), expected[i]);
    sib_free(out);
    CHECK_EVERY_ALLOCATION(sib_audio_wav(x, 8, 8000, SIB_PCM_S16LE, &out, &size, &err), sib_free(out));
}

TEST(a_file_of_floats_keeps_them)
{
    static const float x[] = {0.1f, -3e30f};
    sib_error err = SIB_ERROR_INIT;
    uint8_t *out = NULL;
    size_t size = 0;
    CHECK_OK(sib_audio_wav(x, 2, 44100, SIB_PCM_F32LE, &out, &size, &err), err);
    assert_int_equal(size, 52);
    assert_int_equal(out[20], 3);
    assert_int_equal(out[34], 32);
    assert_memory_equal(out + 44, x, sizeof x);
    sib_free(out);
}

TEST(files_that_cannot_be)
{
    sib_error err = SIB_ERROR_INIT;
    uint8_t *out = NULL;
    size_t size = 0;
    CHECK_FAILS(sib_audio_wav(NULL, 0, 0, SIB_PCM_S16LE, &out, &size, &err), SIB_ERR_ARGUMENT, err,
                "0 samples");
    CHECK_FAILS(sib_audio_wav(NULL, 0, 8000, (sib_pcm)2, &out, &size, &err), SIB_ERR_ARGUMENT, err,
                "format 2");
    CHECK_FAILS(sib_audio_wav(NULL, (size_t)1 << 31, 8000, SIB_PCM_S16LE, &out, &size, &err), SIB_ERR_SIZE,
                err, "too many");
    CHECK_OK(sib_audio_wav(NULL, 0, 8000, SIB_PCM_S16LE, &out, &size, &err), err);
    assert_int_equal(size, 44);
    sib_free(out);
}
