/* decode_image: files written by hand here, the files of the official cases, and damaged copies of both. */
#include "check.h"

#include "backend/milli.h"

#include <png.h>
#include <sibyl/model.h>
#include <webp/encode.h>

#define ANY ((out_spec){SIB_U8, -1, {0}})

static sib_tensor *bytes_of(const void *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(SIB_U8, 1, (int64_t[]){(int64_t)n}, &t, &err), err);
    if (n)
        memcpy(sib_tensor_data(t), data, n);
    return t;
}

static sib_tensor *decode(const void *data, size_t n, const char *format)
{
    sib_tensor *file = bytes_of(data, n);
    attribute a = attribute_str("format", str_of(format));
    sib_tensor *out = run_milli(MILLI_decode_image, 1, (const sib_tensor *[]){file}, 1, &a, ANY);
    sib_tensor_free(&file);
    return out;
}

static void expect_pixels(const void *data, size_t n, const char *format, int64_t height, int64_t width,
                          int64_t channels, const uint8_t *pixels)
{
    sib_tensor *out = decode(data, n, format);
    const int64_t *dims = sib_tensor_dims(out);
    assert_int_equal(sib_tensor_rank(out), 3);
    assert_int_equal(dims[0], height);
    assert_int_equal(dims[1], width);
    assert_int_equal(dims[2], channels);
    assert_memory_equal(sib_tensor_data(out), pixels, (size_t)(height * width * channels));
    sib_tensor_free(&out);
}

static void expect_failure(const void *data, size_t n, sib_code code, const char *words)
{
    sib_tensor *file = bytes_of(data, n);
    attribute a = attribute_str("format", str_of("RGB"));
    fail_milli(MILLI_decode_image, 1, (const sib_tensor *[]){file}, 1, &a, ANY, code, words);
    sib_tensor_free(&file);
}

/* ---- PNM ----------------------------------------------------------------------------------------------- */

#define PNM(text, height, width, ...)                                                                        \
    expect_pixels(text, sizeof text - 1, "RGB", height, width, 3, (const uint8_t[]){__VA_ARGS__})

TEST(test_pnm)
{
    PNM("P1 # bits\n3 1\n01 0", 1, 3, 255, 255, 255, 0, 0, 0, 255, 255, 255);
    PNM("P4 9 1\n\x80\x80", 1, 9, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0);
    PNM("P2\n2 1\n100\n50 100", 1, 2, 128, 128, 128, 255, 255, 255);
    PNM("P3 1 2 255 1 2 3 4 5 6", 2, 1, 1, 2, 3, 4, 5, 6);
    PNM("P5 1 1 65535 \x80\x00", 1, 1, 128, 128, 128);
    PNM("P6\n1 1\n255\n\x07\x08\x09", 1, 1, 7, 8, 9);
    expect_pixels("P6 1 1 255 \x07\x08\x09", 14, "BGR", 1, 1, 3, (const uint8_t[]){9, 8, 7});
    expect_pixels("P6 1 1 255 \xff\x00\x00", 14, "Grayscale", 1, 1, 1, (const uint8_t[]){76});
    expect_failure("P6 1 1 255 \x07", 12, SIB_ERR_FORMAT, "PNM: row 0");
    expect_failure("P6 0 1 255 \x07", 12, SIB_ERR_FORMAT, "no pixels");
    expect_failure("P6 99999999 99999999 255 \x07", 26, SIB_ERR_FORMAT, "PNM");
    expect_failure("P6 x", 4, SIB_ERR_FORMAT, "header");
    expect_failure("", 0, SIB_ERR_FORMAT, "not a BMP");
}

/* ---- BMP ----------------------------------------------------------------------------------------------- */

typedef struct bmp_file {
    uint8_t bytes[256];
    size_t n;
} bmp_file;

static void put(bmp_file *f, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        f->bytes[f->n++] = (uint8_t)(v >> 8 * i);
}

/* Headers of an image; the palette and pixels are appended by the caller. */
static bmp_file bmp(int32_t width, int32_t height, unsigned bits, unsigned compression, unsigned palette)
{
    bmp_file f = {.n = 0};
    put(&f, 'B' | 'M' << 8, 2);
    put(&f, 0, 4);
    put(&f, 0, 4);
    put(&f, 54 + palette, 4);
    put(&f, 40, 4);
    put(&f, (uint32_t)width, 4);
    put(&f, (uint32_t)height, 4);
    put(&f, 1, 2);
    put(&f, bits, 2);
    put(&f, compression, 4);
    for (int i = 0; i < 5; i++)
        put(&f, 0, 4);
    return f;
}

TEST(test_bmp)
{
    const uint8_t two[] = {1, 2, 3, 4, 5, 6};
    bmp_file f = bmp(1, 2, 24, 0, 0); /* rows bottom to top, padded to 4 bytes */
    put(&f, 0x00040506, 4);
    put(&f, 0x00010203, 4);
    expect_pixels(f.bytes, f.n, "RGB", 2, 1, 3, two);
    expect_failure(f.bytes, f.n - 4, SIB_ERR_FORMAT, "BMP");
    f = bmp(1, -2, 32, 0, 0); /* rows top to bottom */
    put(&f, 0xFF010203, 4);
    put(&f, 0xFF040506, 4);
    expect_pixels(f.bytes, f.n, "RGB", 2, 1, 3, two);
    f = bmp(2, 1, 16, 3, 12); /* 5, 6 and 5 bits per channel */
    put(&f, 0xF800, 4);
    put(&f, 0x07E0, 4);
    put(&f, 0x001F, 4);
    put(&f, 0x07E0F800, 4);
    expect_pixels(f.bytes, f.n, "RGB", 1, 2, 3, (const uint8_t[]){255, 0, 0, 0, 255, 0});
    f = bmp(9, 1, 1, 0, 8);
    put(&f, 0x000000, 4);
    put(&f, 0xFFFFFF, 4);
    put(&f, 0x00008080, 4);
    uint8_t nine[27] = {255, 255, 255};
    memset(nine + 24, 255, 3);
    expect_pixels(f.bytes, f.n, "RGB", 1, 9, 3, nine);
    f = bmp(4, 2, 8, 1, 1024); /* runs, a literal run, a jump */
    f.n = 54;
    expect_failure(f.bytes, f.n, SIB_ERR_FORMAT, "BMP");
    f = bmp(1, 1, 24, 5, 0);
    put(&f, 0, 4);
    expect_failure(f.bytes, f.n, SIB_ERR_UNSUPPORTED, "compression 5");
    f = bmp(INT32_MAX, INT32_MAX, 24, 0, 0);
    expect_failure(f.bytes, f.n, SIB_ERR_SIZE, "pixels");
    expect_failure("BM", 2, SIB_ERR_FORMAT, "BMP");
}

TEST(test_bmp_runs)
{
    bmp_file f = bmp(4, 2, 4, 2, 64);
    uint8_t file[160] = {0};
    memcpy(file, f.bytes, f.n);
    for (uint8_t i = 0; i < 16; i++) /* blue, green and red of entry i are i */
        memset(file + 54 + 4 * i, i, 3);
    const uint8_t runs[] = {3, 0x12, 0, 0, 0, 3, 0x34, 0x50, 0, 1}; /* pixels 1 2 1, next row, 3 4 5, end */
    memcpy(file + 118, runs, sizeof runs);
    const uint8_t grey[] = {3, 4, 5, 0, 1, 2, 1, 0};
    expect_pixels(file, 118 + sizeof runs, "Grayscale", 2, 4, 1, grey);
    expect_failure(file, 118 + 6, SIB_ERR_FORMAT, "BMP");
}

/* ---- Formats decoded by libraries ---------------------------------------------------------------------- */

TEST(test_written)
{
    const uint8_t pixels[] = {1, 2, 3, 250, 0, 9, 77, 78, 79, 200, 100, 50};
    uint8_t file[1000], *webp = NULL;
    png_alloc_size_t n = sizeof file;
    png_image image = {.version = PNG_IMAGE_VERSION, .width = 2, .height = 2, .format = PNG_FORMAT_RGB};
    assert_true(png_image_write_to_memory(&image, file, &n, 0, pixels, 0, NULL));
    expect_pixels(file, n, "RGB", 2, 2, 3, pixels);
    expect_failure(file, n - 20, SIB_ERR_FORMAT, "PNG");
    size_t size = WebPEncodeLosslessRGB(pixels, 2, 2, 6, &webp);
    expect_pixels(webp, size, "RGB", 2, 2, 3, pixels);
    expect_failure(webp, size - 8, SIB_ERR_FORMAT, "WebP");
    WebPFree(webp);
}

/* A TIFF of 2 x 2 pixels: the header, the pixels, the bits per channel, the directory. */
TEST(test_tiff)
{
    static const uint8_t pixels[] = {1, 2, 3, 250, 0, 9, 77, 78, 79, 200, 100, 50};
    static const uint32_t fields[][4] = {
        /* tag, type (3: uint16, 4: uint32), number of values, value or its offset */
        {256, 3, 1, 2}, {257, 3, 1, 2}, {258, 3, 3, 20}, {259, 3, 1, 1}, {262, 3, 1, 2},
        {273, 4, 1, 8}, {277, 3, 1, 3}, {278, 3, 1, 2},  {279, 4, 1, 12}};
    enum { N = sizeof fields / sizeof *fields };
    uint8_t file[26 + 2 + 12 * N + 4] = {'I', 'I', 42, 0, 26};
    memcpy(file + 8, pixels, sizeof pixels);
    for (size_t i = 0; i < 3; i++)
        file[20 + 2 * i] = 8;
    file[26] = N;
    for (size_t i = 0; i < N; i++) {
        uint8_t *at = file + 28 + 12 * i;
        for (size_t k = 0; k < 2; k++) {
            at[k] = (uint8_t)(fields[i][0] >> 8 * k);
            at[2 + k] = (uint8_t)(fields[i][1] >> 8 * k);
        }
        at[4] = (uint8_t)fields[i][2];
        at[8] = (uint8_t)fields[i][3];
    }
    expect_pixels(file, sizeof file, "RGB", 2, 2, 3, pixels);
    expect_failure(file, sizeof file - 30, SIB_ERR_FORMAT, "TIFF");
}

/* ---- Damaged files ------------------------------------------------------------------------------------- */

/* Decodes a damaged copy; if that fails, the error has a message. */
static void survive(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    milli_case c;
    sib_tensor *file = bytes_of(data, n);
    attribute a = attribute_str("format", str_of("RGB"));
    case_make(&c, MILLI_decode_image, 1, (const sib_tensor *[]){file}, 1, &a, 1, &ANY);
    if (case_run(&c, &err) != SIB_OK)
        assert_true(strlen(err.message) > 10);
    case_free(&c);
    sib_tensor_free(&file);
}

static void damage(const uint8_t *data, size_t n, int rounds)
{
    check_random r = {0x9E3779B97F4A7C15u ^ n};
    uint8_t *copy = malloc(n + 1);
    assert_non_null(copy);
    for (int round = 0; round < rounds; round++) {
        size_t size = n;
        memcpy(copy, data, n);
        for (uint64_t flips = check_u64(&r) % 4; flips > 0; flips--) /* headers more often than the rest */
            copy[check_u64(&r) % (check_u64(&r) % 2 ? n
                                  : n < 64          ? n
                                                    : 64)] ^= (uint8_t)(1u << check_u64(&r) % 8);
        if (check_u64(&r) % 4 == 0)
            size = check_u64(&r) % (n + 1);
        if (check_u64(&r) % 8 == 0)
            copy[check_u64(&r) % n] = 0xFF;
        survive(copy, size);
    }
    free(copy);
}

TEST(test_damaged)
{
    const char plain[] = "P3 4 2 255 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24";
    damage((const uint8_t *)plain, sizeof plain - 1, 500);
    bmp_file f = bmp(3, 2, 24, 0, 0);
    for (int i = 0; i < 6; i++)
        put(&f, (uint32_t)i * 0x01020304, 4);
    damage(f.bytes, f.n, 500);
}

TEST(test_official_damaged)
{
    static const char *const names[] = {"jpeg2k_rgb", "jpeg_bgr", "png_rgb",
                                        "pnm_rgb",    "tiff_rgb", "webp_rgb"};
    const char *folder = check_data_folder();
    if (!folder)
        CHECK_SKIP("the shared data");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[4400];
        sib_error err = SIB_ERROR_INIT;
        sib_value *v = NULL;
        snprintf(path, sizeof path,
                 "%s/onnx-conformance/node/test_image_decoder_decode_%s/test_data_set_0/input_0.pb", folder,
                 names[i]);
        CHECK_OK(sib_value_load_pb(path, NULL, &v, NULL, &err), err);
        const sib_tensor *t = sib_value_tensor(v);
        damage(sib_tensor_data(t), (size_t)sib_tensor_count(t), 300);
        sib_value_free(&v);
    }
}
