/* JPEG 2000 through OpenJPEG: codestreams and JP2 files. */
#include "backend/ref/image.h"
#include "base/alloc.h"
#include "base/error.h"

#include <openjpeg.h>
#include <stdio.h>
#include <string.h>

typedef struct j2k_source {
    image_file file;
    size_t at;
    char message[160]; /* the first error message of OpenJPEG */
} j2k_source;

static OPJ_SIZE_T on_read(void *out, OPJ_SIZE_T n, void *user)
{
    j2k_source *s = user;
    size_t left = s->file.size - s->at, got = n < left ? n : left;
    if (!got)
        return (OPJ_SIZE_T)-1;
    memcpy(out, s->file.data + s->at, got);
    s->at += got;
    return got;
}

static OPJ_OFF_T on_skip(OPJ_OFF_T n, void *user)
{
    j2k_source *s = user;
    OPJ_OFF_T left = (OPJ_OFF_T)(s->file.size - s->at), moved = n < left ? n : left;
    if (moved < 0 && (size_t)-moved > s->at)
        return -1;
    s->at = (size_t)((OPJ_OFF_T)s->at + moved);
    return moved;
}

static OPJ_BOOL on_seek(OPJ_OFF_T to, void *user)
{
    j2k_source *s = user;
    if (to < 0 || (size_t)to > s->file.size)
        return OPJ_FALSE;
    s->at = (size_t)to;
    return OPJ_TRUE;
}

static void on_error(const char *message, void *user)
{
    j2k_source *s = user;
    if (!*s->message)
        snprintf(s->message, sizeof s->message, "%.*s", (int)strcspn(message, "\n"), message);
}

static void on_other(const char *message, void *user)
{
    (void)message;
    (void)user;
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

/* The sample of a component at a point of the image's grid, in 8 bits. */
static int sample(const opj_image_comp_t *c, size_t x, size_t y)
{
    size_t column = x / c->dx, row = y / c->dy;
    column = column < c->w ? column : c->w - 1;
    row = row < c->h ? row : c->h - 1;
    int64_t v = c->data[row * c->w + column];
    if (c->sgnd)
        v += INT64_C(1) << (c->prec - 1);
    if (c->prec > 8) /* rounds to nearest */
        v = (v + (INT64_C(1) << (c->prec - 9))) >> (c->prec - 8);
    else
        v <<= 8 - c->prec;
    return v < 0 ? 0 : v > 255 ? 255 : (int)v;
}

static uint8_t clamped(double x)
{
    /* x >= 0 there. NOLINTNEXTLINE(bugprone-incorrect-roundings) */
    return x < 0 ? 0 : x > 255 ? 255 : (uint8_t)(x + 0.5);
}

static void put_ycc(const int v[3], uint8_t *out)
{
    double y = v[0], b = v[1] - 128.0, r = v[2] - 128.0;
    out[0] = clamped(y + 1.402 * r);
    out[1] = clamped(y - 0.344136 * b - 0.714136 * r);
    out[2] = clamped(y + 1.772 * b);
}

static sib_code put_pixels(const opj_image_t *decoded, image *to, sib_error *err)
{
    bool colour = decoded->numcomps >= 3, ycc = decoded->color_space == OPJ_CLRSPC_SYCC;
    for (uint32_t i = 0; i < decoded->numcomps; i++) {
        const opj_image_comp_t *c = &decoded->comps[i];
        if (!c->data || !c->w || !c->h || !c->dx || !c->dy || c->prec < 1 || c->prec > 31)
            return err_set(err, SIB_ERR_FORMAT, "JPEG 2000: component %u of %u bits is damaged", i, c->prec);
    }
    for (size_t y = 0; y < to->height; y++)
        for (size_t x = 0; x < to->width; x++) {
            uint8_t *out = to->rgb + 3 * (y * to->width + x);
            int v[3];
            for (int k = 0; k < 3; k++)
                v[k] = sample(&decoded->comps[colour ? k : 0], x, y);
            if (colour && ycc)
                put_ycc(v, out);
            else
                for (int k = 0; k < 3; k++)
                    out[k] = (uint8_t)v[k];
        }
    return SIB_OK;
}

/* ---- Files --------------------------------------------------------------------------------------------- */

static sib_code decode(opj_codec_t *codec, opj_stream_t *stream, const j2k_source *s, image *to,
                       sib_error *err)
{
    opj_image_t *decoded = NULL;
    sib_code code = SIB_OK;
    if (!opj_read_header(stream, codec, &decoded))
        code =
            err_set(err, SIB_ERR_FORMAT, "JPEG 2000: %s", *s->message ? s->message : "the header is damaged");
    else if (!decoded->numcomps || decoded->numcomps > 4 || decoded->x1 <= decoded->x0 ||
             decoded->y1 <= decoded->y0)
        code = err_set(err, SIB_ERR_UNSUPPORTED, "JPEG 2000: %u components of %u x %u", decoded->numcomps,
                       decoded->x1 - decoded->x0, decoded->y1 - decoded->y0);
    else
        code = image_begin(to, decoded->x1 - decoded->x0, decoded->y1 - decoded->y0, err);
    if (code == SIB_OK && (!opj_decode(codec, stream, decoded) || !opj_end_decompress(codec, stream)))
        code =
            err_set(err, SIB_ERR_FORMAT, "JPEG 2000: %s", *s->message ? s->message : "the data are damaged");
    if (code == SIB_OK)
        code = put_pixels(decoded, to, err);
    if (decoded)
        opj_image_destroy(decoded);
    return code;
}

sib_code image_read_jpeg2000(image_file from, image *to, sib_error *err)
{
    j2k_source s = {.file = from};
    opj_dparameters_t parameters;
    opj_codec_t *codec = opj_create_decompress(from.data[0] ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    sib_code code = SIB_OK;
    opj_set_default_decoder_parameters(&parameters);
    if (!codec || !stream || !opj_setup_decoder(codec, &parameters))
        code = err_set(err, SIB_ERR_MEMORY, "no memory to read a JPEG 2000 file");
    if (code == SIB_OK) {
        opj_set_error_handler(codec, on_error, &s);
        opj_set_warning_handler(codec, on_other, NULL);
        opj_set_info_handler(codec, on_other, NULL);
        opj_stream_set_user_data(stream, &s, NULL);
        opj_stream_set_user_data_length(stream, from.size);
        opj_stream_set_read_function(stream, on_read);
        opj_stream_set_skip_function(stream, on_skip);
        opj_stream_set_seek_function(stream, on_seek);
        code = decode(codec, stream, &s, to, err);
    }
    if (stream)
        opj_stream_destroy(stream);
    if (codec)
        opj_destroy_codec(codec);
    return code;
}
