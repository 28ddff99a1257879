/* Images of features, read back with libpng's simplified interface and checked pixel by pixel. */
#include "check_memory.h"
#include "drawing/font.h"
#include "drawing/palette.h"
#include "folder.h"

#include <math.h>
#include <png.h>
#include <sibyl/features.h>
#include <unistd.h>

static char path[128];
static sib_mel *mel;

typedef struct {
    uint8_t *rgb; /* (height, width, 3) */
    size_t width, height;
} shot;

static int set_up(void)
{
    sib_mel_spec spec;
    if (make_folder() || sib_mel_spec_preset("whisper", 80, &spec, NULL) != SIB_OK)
        return -1;
    snprintf(path, sizeof path, "%s/p.png", folder);
    return sib_mel_create(&spec, NULL, &mel, NULL) == SIB_OK ? 0 : -1;
}

static int tear_down(void)
{
    sib_mel_free(&mel);
    unlink(path);
    return rmdir(folder);
}

static shot load(void)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&image, path))
        fail_msg("%s: %s", path, image.message);
    image.format = PNG_FORMAT_RGB;
    shot s = {malloc(PNG_IMAGE_SIZE(image)), image.width, image.height};
    if (!png_image_finish_read(&image, NULL, s.rgb, 0, NULL))
        fail_msg("%s: %s", path, image.message);
    return s;
}

static bool is_colour(const shot *s, size_t x, size_t y, palette_rgb c)
{
    const uint8_t *p = s->rgb + 3 * (y * s->width + x);
    return p[0] == c.r && p[1] == c.g && p[2] == c.b;
}

static size_t count_in(const shot *s, size_t x0, size_t y0, size_t x1, size_t y1, palette_rgb c)
{
    size_t n = 0;
    for (size_t y = y0; y < y1; y++)
        for (size_t x = x0; x < x1; x++)
            n += is_colour(s, x, y, c);
    return n;
}

/* The plot is the largest box without white pixels: found by walking from a pixel inside it. */
static void find_plot(const shot *s, palette_rgb white, palette_rgb black, size_t x, size_t y, size_t box[4])
{
    size_t left = x, right = x, top = y, bottom = y;
#define IN_PLOT(px, py) (!is_colour(s, px, py, white) && !is_colour(s, px, py, black))
    while (IN_PLOT(left - 1, y))
        left--;
    while (IN_PLOT(right, y))
        right++;
    while (IN_PLOT(x, top - 1))
        top--;
    while (IN_PLOT(x, bottom))
        bottom++;
#undef IN_PLOT
    box[0] = left, box[1] = top, box[2] = right, box[3] = bottom;
}

/* A ramp over frames in the lower half and one bright cell above it: colours, positions and labels. */
TEST(values_become_colours_in_place)
{
    enum { BANDS = 80, FRAMES = 100, STRIDE = 103 };
    static float features[BANDS * STRIDE];
    palette_rgb colours[PALETTE_COLOURS];
    sib_error err = SIB_ERROR_INIT;
    palette_make(colours);
    for (int b = 0; b < BANDS; b++)
        for (int t = 0; t < STRIDE; t++)
            features[b * STRIDE + t] = t >= FRAMES ? 1000 : b < 40 ? -1 + t * 2.0f / (FRAMES - 1) : -1;
    features[70 * STRIDE + 25] = 1;
    features[60 * STRIDE + 50] = NAN;
    features[60 * STRIDE + 52] = INFINITY;
    features[60 * STRIDE + 54] = -INFINITY;
    CHECK_OK(sib_mel_write_png(mel, features, BANDS, FRAMES, STRIDE, "a title", path, &err), err);
    assert_int_equal(files_in_folder(), 1);
    shot s = load();
    palette_rgb white = colours[PALETTE_WHITE], black = colours[PALETTE_BLACK];
    size_t box[4];
    find_plot(&s, white, black, s.width / 3, s.height / 2, box);
    size_t width = box[2] - box[0], height = box[3] - box[1];
    assert_int_equal(width % FRAMES, 0);
    assert_int_equal(height % BANDS, 0);
    size_t sx = width / FRAMES, sy = height / BANDS;
#define AT(band, frame) box[0] + (frame)*sx + sx / 2, box[1] + (BANDS - 1 - (band)) * sy + sy / 2
    for (int b = 0; b < BANDS; b++)
        for (int t = 0; t < FRAMES; t++) {
            float v = features[b * STRIDE + t];
            int step =
                isnan(v) ? PALETTE_NAN : (int)lround(fmin(fmax((v + 1.0) / 2, 0), 1) * (PALETTE_STEPS - 1));
            if (!is_colour(&s, AT(b, t), colours[step]))
                fail_msg("band %d, frame %d: not colour %d of value %g", b, t, step, (double)v);
        }
    /* black pixels left of the plot, below it, right of the colour bar, and above it */
    assert_true(count_in(&s, 0, box[1], box[0], box[3], black) > 200);
    assert_true(count_in(&s, box[0], box[3], box[2], s.height, black) > 200);
    assert_true(count_in(&s, box[2] + 50, box[1], s.width, box[3], black) > 100);
    assert_true(count_in(&s, 0, 0, s.width, box[1], black) > 100);
    /* the colour bar goes from the darkest at the bottom to the lightest at the top */
    assert_true(count_in(&s, box[2] + 10, box[3] - 1, s.width, box[3], colours[0]) >= 10);
    assert_true(count_in(&s, box[2] + 10, box[1], s.width, box[1] + 1, colours[PALETTE_STEPS - 1]) >= 10);
    free(s.rgb);
}

/* Groups of frames show their maximum, so a click in a long recording stays visible. */
TEST(long_recordings_are_reduced)
{
    enum { BANDS = 3, FRAMES = 9001, CLICK = 5000 };
    float *features = calloc(BANDS * FRAMES, sizeof *features);
    palette_rgb colours[PALETTE_COLOURS];
    sib_error err = SIB_ERROR_INIT;
    palette_make(colours);
    features[FRAMES + CLICK] = 2;
    CHECK_OK(sib_mel_write_png(mel, features, BANDS, FRAMES, FRAMES, NULL, path, &err), err);
    shot s = load();
    size_t box[4];
    find_plot(&s, colours[PALETTE_WHITE], colours[PALETTE_BLACK], s.width / 4, s.height / 2, box);
    assert_int_equal(box[2] - box[0], 3001); /* groups of 3 */
    assert_true(is_colour(&s, box[0] + CLICK / 3, (box[1] + box[3]) / 2, colours[PALETTE_STEPS - 1]));
    assert_true(is_colour(&s, box[0] + CLICK / 3 - 1, (box[1] + box[3]) / 2, colours[0]));
    free(s.rgb);
    free(features);
}

TEST(small_and_flat_features_are_drawn)
{
    const float values[][2] = {{0, 0}, {-1e30f, -1e30f}, {NAN, NAN}, {1e-30f, 2e-30f}, {-3e38f, 3e38f}};
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        CHECK_OK(sib_mel_write_png(mel, values[i], 1, 2, 2, "t", path, &err), err);
        CHECK_OK(sib_mel_write_png(mel, values[i], 1, 1, 1, NULL, path, &err), err);
        shot s = load();
        assert_true(s.width > 100 && s.height > 100);
        free(s.rgb);
    }
    char title[2000];
    memset(title, 'M', sizeof title - 1);
    title[sizeof title - 1] = '\0';
    CHECK_OK(sib_mel_write_png(mel, values[0], 1, 1, 1, title, path, &err), err);
    CHECK_OK(sib_mel_write_png(mel, values[0], 1, 1, 1, "\xC3\xA4\n\x7f", path, &err), err);
}

TEST(bad_images)
{
    static float features[81];
    sib_error err = SIB_ERROR_INIT;
    unlink(path);
    CHECK_FAILS(sib_mel_write_png(mel, features, 0, 1, 1, NULL, path, &err), SIB_ERR_ARGUMENT, err,
                "0 bands");
    CHECK_FAILS(sib_mel_write_png(mel, features, 1, 0, 0, NULL, path, &err), SIB_ERR_ARGUMENT, err,
                "0 frames");
    CHECK_FAILS(sib_mel_write_png(mel, features, 81, 1, 1, NULL, path, &err), SIB_ERR_ARGUMENT, err, "80");
    CHECK_FAILS(sib_mel_write_png(mel, features, 1, 2, 1, NULL, path, &err), SIB_ERR_ARGUMENT, err, "apart");
    CHECK_FAILS(sib_mel_write_png(mel, features, 1, 1, 1, NULL, "/nonexistent/p.png", &err), SIB_ERR_IO, err,
                "/nonexistent/p.png");
    CHECK_FAILS(sib_mel_write_png(mel, features, 1, 1, 1, NULL, "/dev/full", &err), SIB_ERR_IO, err,
                "/dev/full: cannot be written: No space left");
    assert_int_equal(files_in_folder(), 0);
}

TEST(out_of_memory)
{
    const float value = 1;
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_mel_write_png(mel, &value, 1, 1, 1, "t", path, &err),
                           assert_int_equal(files_in_folder(), err.code == SIB_OK));
}

/* Luminance increases with each step, and neighbours are close. */
TEST(the_scale_is_even)
{
    palette_rgb c[PALETTE_COLOURS];
    palette_make(c);
    double before = -1;
    for (int i = 0; i < PALETTE_STEPS; i++) {
        double luminance = 0.2126 * pow(c[i].r / 255., 2.2) + 0.7152 * pow(c[i].g / 255., 2.2) +
                           0.0722 * pow(c[i].b / 255., 2.2);
        assert_true(luminance > before - 1e-4);
        before = luminance;
        if (i > 0)
            assert_true(abs(c[i].r - c[i - 1].r) + abs(c[i].g - c[i - 1].g) + abs(c[i].b - c[i - 1].b) < 16);
    }
    assert_true(c[0].r + c[0].g + c[0].b < 120 && before > 0.8);
}

/* Every printable character has a distinct glyph. */
TEST(glyphs_differ)
{
    for (int a = ' '; a <= '~' + 1; a++)
        for (int b = a + 1; b <= '~' + 1; b++) {
            int differing = 0;
            for (int y = 0; y < FONT_HEIGHT; y++)
                for (int x = 0; x < FONT_WIDTH; x++)
                    differing += font_ink((char)a, x, y) != font_ink((char)b, x, y);
            if (differing == 0)
                fail_msg("'%c' looks like '%c'", a, b);
        }
    assert_true(font_ink('\n', 0, 0) && font_ink((char)0xC3, 0, 0));
}

TEST_FIXTURE(set_up, tear_down)
