/* Drawings as PNG, checked pixel by pixel, and as SVG; pictures of recordings. */
#include "check_memory.h"
#include "drawing/palette.h"
#include "folder.h"

#include <math.h>
#include <png.h>
#include <sibyl/drawing.h>
#include <sibyl/recording.h>
#include <unistd.h>

static char path[128];

static int set_up(void)
{
    if (make_folder())
        return -1;
    snprintf(path, sizeof path, "%s/p.png", folder);
    return 0;
}

static int tear_down(void)
{
    unlink(path);
    return rmdir(folder);
}

/* RGB (height, width, 3); release with free. */
static uint8_t *load(size_t *width, size_t *height)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&image, path))
        fail_msg("%s: %s", path, image.message);
    image.format = PNG_FORMAT_RGB;
    uint8_t *rgb = malloc(PNG_IMAGE_SIZE(image));
    if (!png_image_finish_read(&image, NULL, rgb, 0, NULL))
        fail_msg("%s: %s", path, image.message);
    *width = image.width;
    *height = image.height;
    return rgb;
}

static sib_drawing *sample(void)
{
    static const float levels[] = {0, 0.5f, NAN, 1, -3, 7};
    sib_error err = SIB_ERROR_INIT;
    sib_drawing *d;
    CHECK_OK(sib_drawing_create(100, 40, &d, &err), err);
    sib_drawing_rect(d, 90, 30, 50, 50, 0x102030);
    sib_drawing_map(d, 2, 3, 3, 2, 4, 5, levels);
    sib_drawing_text(d, 50, 10, SIB_ANCHOR_MIDDLE, "a<b \xC3\xA9\xFF");
    return d;
}

TEST(png_has_the_shapes)
{
    palette_rgb c[PALETTE_COLOURS];
    sib_error err = SIB_ERROR_INIT;
    sib_drawing *d = sample();
    size_t width, height, ink = 0;
    palette_make(c);
    CHECK_OK(sib_drawing_write(d, path, &err), err);
    uint8_t *rgb = load(&width, &height);
    assert_int_equal(width, 100);
    assert_int_equal(height, 40);
    assert_memory_equal(rgb + 3 * (39 * 100 + 99), ((uint8_t[]){0x10, 0x20, 0x30}), 3);
    assert_memory_equal(rgb + 3 * (29 * 100 + 99), ((uint8_t[]){255, 255, 255}), 3);
    static const int expected[] = {0, 120, PALETTE_NAN, PALETTE_STEPS - 1, 0, PALETTE_STEPS - 1};
    for (size_t i = 0; i < 6; i++) {
        const uint8_t *p = rgb + 3 * ((3 + i / 3 * 5 + 4) * 100 + 2 + i % 3 * 4 + 3);
        assert_memory_equal(p, &c[expected[i]], 3);
    }
    for (size_t y = 10; y < 28; y++)
        for (size_t x = 14; x < 86; x++) /* six characters of 12 pixels */
            ink += rgb[3 * (y * 100 + x)] == 0x14;
    assert_in_range(ink, 100, 600);
    free(rgb);
    sib_drawing_free(&d);
}

TEST(svg_has_the_shapes)
{
    char name[160], text[4096];
    sib_error err = SIB_ERROR_INIT;
    sib_drawing *d = sample();
    snprintf(name, sizeof name, "%s/p.SVG", folder);
    CHECK_OK(sib_drawing_write(d, name, &err), err);
    FILE *f = fopen(name, "r");
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    unlink(name);
    assert_non_null(strstr(text, "viewBox=\"0 0 100 40\""));
    assert_non_null(strstr(text, "<rect x=\"90\" y=\"30\" width=\"50\" height=\"50\" fill=\"#102030\"/>"));
    assert_non_null(strstr(text, ">a&lt;b \xC3\xA9?</text>\n"));
    assert_non_null(strstr(text, "<image x=\"2\" y=\"3\" width=\"12\" height=\"10\""));
    assert_non_null(strstr(text, "data:image/png;base64,iVBORw0KGgo"));
    assert_string_equal(text + strlen(text) - 7, "</svg>\n");
    sib_drawing_free(&d);
}

TEST(bad_drawings)
{
    sib_error err = SIB_ERROR_INIT;
    sib_drawing *d = sample();
    CHECK_FAILS(sib_drawing_write(d, "/nonexistent/p.svg", &err), SIB_ERR_IO, err, "/nonexistent/p.svg");
    CHECK_FAILS(sib_drawing_write(d, "/dev/full", &err), SIB_ERR_IO, err, "/dev/full: cannot be written");
    sib_drawing_free(&d);
    CHECK_FAILS(sib_drawing_create(0, 4, &d, &err), SIB_ERR_SIZE, err, "0 x 4");
    CHECK_FAILS(sib_drawing_create(SIZE_MAX, SIZE_MAX, &d, &err), SIB_ERR_SIZE, err, "pixels");
    assert_null(d);
}

/* 3 s of a tone and 30 s of silence with a click: rows, the bar of speech where it is, lanes of words. */
TEST(recordings_are_drawn_in_rows)
{
    enum { RATE = 16000, N = 33 * RATE };
    static const sib_recording_mark words[] = {{0.1, 0.5, " one"}, {0.15, 0.6, " two"}, {32, 32.5, " three"}};
    static const sib_recording_mark speech[] = {{0, 3, NULL}, {10.5, 11.5, NULL}};
    const sib_recording_marks marks = {words, 3, speech, 2};
    float *samples = calloc(N, sizeof *samples);
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel;
    size_t width, height, bare, green[2] = {0}, wave = 0;
    for (size_t i = 0; i < 3 * RATE; i++)
        samples[i] = 0.5f * sinf(0.17f * (float)i);
    samples[N - 100] = 1;
    CHECK_OK(sib_mel_spec_preset("whisper", 80, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_OK(sib_recording_picture_write(mel, NULL, samples, N, NULL, NULL, path, &err), err);
    free(load(&width, &bare));
    CHECK_OK(sib_recording_picture_write(mel, NULL, samples, N, &marks, "t", path, &err), err);
    uint8_t *rgb = load(&width, &height);
    assert_in_range(width, 1100, 1500);
    assert_int_equal(height - bare,
                     3 * (2 * SIB_LINE_HEIGHT + 12)); /* two lanes and a bar in each of three rows */
    for (size_t i = 0; i < width * height; i++) {
        green[i / width >= height / 3] += rgb[3 * i] == 0x3C && rgb[3 * i + 1] == 0x9A;
        wave += rgb[3 * i] == 0x3B && rgb[3 * i + 1] == 0x5B;
    }
    assert_in_range(green[0], 8 * 340,
                    8 * 370); /* 3.5 s, of which half a second begins the second row at 11 s */
    assert_in_range(green[1], 8 * 40, 8 * 60);
    assert_in_range(wave, 300 * 20, 300 * 62 + 3400);
    free(rgb);
    CHECK_EVERY_ALLOCATION(sib_recording_picture_write(mel, NULL, samples, 4000, &marks, "t", path, &err), );
    sib_mel_free(&mel);
    free(samples);
}

TEST_FIXTURE(set_up, tear_down)
