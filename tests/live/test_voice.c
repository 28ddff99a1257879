/* Speech told from the background by its level. */
#include "check.h"
#include "live/voice.h"

#include <math.h>

#define FRAME 320

/* Share of `frames` frames that are speech: noise of a level in dB plus an offset. */
static double share(voice *v, check_random *r, double db, double offset, int frames)
{
    float x[FRAME];
    int n = 0;
    double a = pow(10, db / 20) * sqrt(3); /* uniform noise of that root mean square */
    for (int i = 0; i < frames; i++) {
        for (int k = 0; k < FRAME; k++)
            x[k] = (float)(offset + a * check_uniform(r));
        n += voice_frame(v, x, FRAME);
    }
    return (double)n / frames;
}

TEST(speech_stands_above_the_background)
{
    static const double backgrounds[] = {-110, -75, -60, -50, -40, -30};
    for (size_t i = 0; i < sizeof backgrounds / sizeof *backgrounds; i++) {
        check_random r = {5};
        voice v = voice_begin(0.5);
        share(&v, &r, backgrounds[i], 0, 3000); /* it is learnt */
        assert_true(share(&v, &r, backgrounds[i], 0, 500) == 0);
        double speech = fmax(backgrounds[i] + 20, -50);
        assert_true(share(&v, &r, speech, 0, 100) == 1);
        assert_true(share(&v, &r, backgrounds[i], 0, 100) == 0);
    }
}

TEST(who_speaks_at_once_is_heard)
{
    check_random r = {5};
    voice v = voice_begin(0.5);
    assert_true(share(&v, &r, -40, 0, 100) == 1);
}

TEST(silence_and_offsets_are_none)
{
    check_random r = {5};
    voice v = voice_begin(0.5);
    assert_true(share(&v, &r, -300, 0, 100) == 0);
    assert_true(share(&v, &r, -300, 0.5, 100) == 0);
    assert_true(share(&v, &r, -80, -0.3, 100) == 0);
    assert_true(isfinite(v.floor) && isfinite(v.level));
}

TEST(the_threshold_decides)
{
    for (int k = 0; k < 2; k++) {
        check_random r = {5};
        voice v = voice_begin(k ? 1 : 0.2);
        share(&v, &r, -45, 0, 1000);
        double heard = share(&v, &r, -36, 0, 50);
        assert_true(k ? heard == 0 : heard == 1);
    }
}
