/* Files of SentencePiece (sentencepiece_model.proto of its 0.2.3): pieces with scores, how texts are normalized, and which
   of its two models with scores finds the pieces. */
#include "text/pieces/build.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/wire.h"
#include "text/chars/utf8.h"

/* The fields that are read, by message. */
enum { MODEL_PIECE = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3, MODEL_DENORMALIZER = 5 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_MODEL = 3, TRAINER_SUFFIX = 24, TRAINER_UNKNOWN_SURFACE = 44 };
enum { NORMALIZER_MAP = 2, NORMALIZER_PREFIX = 3, NORMALIZER_TRIM = 4, NORMALIZER_ESCAPE = 5 };

#define FILE_KIND "SentencePiece model"
static const proto_message
    model_message = {FILE_KIND,
                     "ModelProto",
                     {[MODEL_PIECE] = PROTO_BYTES,
                      [MODEL_TRAINER] = PROTO_BYTES,
                      [MODEL_NORMALIZER] = PROTO_BYTES,
                      [MODEL_DENORMALIZER] = PROTO_BYTES}},
    piece_message =
        {FILE_KIND,
         "SentencePiece",
         {[PIECE_TEXT] = PROTO_BYTES, [PIECE_SCORE] = PROTO_FIXED32, [PIECE_TYPE] = PROTO_VARINT}},
    trainer_message = {FILE_KIND,
                       "TrainerSpec",
                       {[TRAINER_MODEL] = PROTO_VARINT,
                        [TRAINER_SUFFIX] = PROTO_VARINT,
                        [TRAINER_UNKNOWN_SURFACE] = PROTO_BYTES}},
    normalizer_message = {FILE_KIND,
                          "NormalizerSpec",
                          {[NORMALIZER_MAP] = PROTO_BYTES,
                           [NORMALIZER_PREFIX] = PROTO_VARINT,
                           [NORMALIZER_TRIM] = PROTO_VARINT,
                           [NORMALIZER_ESCAPE] = PROTO_VARINT}};

typedef struct model_reader {
    const uint8_t *file;
    pieces_source source;
    sib_str *pieces; /* (capacity) */
    double *scores;
    int32_t *types;
    bool denormalizes, suffix;
    uint64_t model;
    sib_error *err;
} model_reader;

/* Calls `take` for each field of a message. */
static sib_code read_fields(model_reader *r, wire_span bytes, const proto_message *message,
                            sib_code (*take)(model_reader *r, const wire_field *f))
{
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    wire_open(&w, bytes, message);
    while (code == SIB_OK && wire_next(&w, &f))
        code = take(r, &f);
    return code == SIB_OK && w.failed_at ? err_set_at(r->err, SIB_ERR_FORMAT, w.failed_at - r->file, "%s: %s",
                                                      r->source.name, w.failure)
                                         : code;
}

static sib_code take_piece(model_reader *r, const wire_field *f)
{
    const size_t i = r->source.n;
    if (f->number == PIECE_TEXT)
        r->pieces[i] = wire_str(f->bytes);
    else if (f->number == PIECE_SCORE)
        r->scores[i] = (double)wire_float(f->bits);
    else
        r->types[i] = f->bits <= PIECE_BYTE ? (int32_t)f->bits : 0; /* 0 is refused */
    return SIB_OK;
}

static sib_code read_piece(model_reader *r, const wire_field *field)
{
    const size_t i = r->source.n;
    r->pieces[i] = (sib_str){"", 0};
    r->types[i] = PIECE_NORMAL;
    sib_code code = read_fields(r, field->bytes, &piece_message, take_piece);
    if (code == SIB_OK && !r->pieces[i].length)
        return err_set_at(r->err, SIB_ERR_FORMAT, field->at - r->file, "%s: piece %zu has no text",
                          r->source.name, i);
    r->source.n++;
    return code;
}

static sib_code take_trainer(model_reader *r, const wire_field *f)
{
    if (f->number == TRAINER_MODEL)
        r->model = f->bits;
    else if (f->number == TRAINER_SUFFIX)
        r->suffix = f->bits != 0;
    else
        r->source.unknown_surface =
            (sib_str){f->bytes.size ? (const char *)f->bytes.data : "", f->bytes.size};
    return SIB_OK;
}

static sib_code read_trainer(model_reader *r, const wire_field *field)
{
    return read_fields(r, field->bytes, &trainer_message, take_trainer);
}

static sib_code take_normalizer(model_reader *r, const wire_field *f)
{
    if (f->number == NORMALIZER_MAP)
        r->source.charsmap = wire_str(f->bytes);
    else if (f->number == NORMALIZER_PREFIX)
        r->source.add_space_prefix = f->bits != 0;
    else if (f->number == NORMALIZER_TRIM)
        r->source.remove_extra_whitespaces = f->bits != 0;
    else
        r->source.keep_spaces = f->bits == 0;
    return SIB_OK;
}

static sib_code read_normalizer(model_reader *r, const wire_field *field)
{
    return read_fields(r, field->bytes, &normalizer_message, take_normalizer);
}

static sib_code take_denormalizer(model_reader *r, const wire_field *f)
{
    r->denormalizes |= f->number == NORMALIZER_MAP && f->bytes.size;
    return SIB_OK;
}

static sib_code read_denormalizer(model_reader *r, const wire_field *field)
{
    return read_fields(r, field->bytes, &normalizer_message, take_denormalizer);
}

static sib_code take_part(model_reader *r, const wire_field *f)
{
    static sib_code (*const readers[])(model_reader * r,
                                       const wire_field *field) = {[MODEL_PIECE] = read_piece,
                                                                   [MODEL_TRAINER] = read_trainer,
                                                                   [MODEL_NORMALIZER] = read_normalizer,
                                                                   [MODEL_DENORMALIZER] = read_denormalizer};
    return readers[f->number](r, f);
}

/* Makes room for as many pieces as the file has. */
static sib_code make_room(model_reader *r, wire_span file)
{
    wire_reader w;
    wire_field f;
    size_t n = 0;
    wire_open(&w, file, &model_message);
    while (wire_next(&w, &f))
        n += f.number == MODEL_PIECE;
    if (n > VOCAB_MAX_IDS)
        return err_set(r->err, SIB_ERR_SIZE, "%s: has %zu pieces, expected at most %u", r->source.name, n,
                       VOCAB_MAX_IDS);
    r->pieces = mem_calloc(n, sizeof *r->pieces);
    r->scores = mem_calloc(n, sizeof *r->scores);
    r->types = mem_calloc(n, sizeof *r->types);
    return r->pieces && r->scores && r->types ? SIB_OK : err_memory(r->err, n * sizeof *r->pieces, "pieces");
}

/* A model of characters is BPE's, in which there is nothing to merge. */
static bool has_longer_pieces(const model_reader *r)
{
    bool longer = false;
    for (size_t i = 0, length; i < r->source.n && r->model == 4; i++)
        if (r->types[i] == PIECE_NORMAL) {
            utf8_next(r->pieces[i].data, r->pieces[i].length, &length);
            longer = longer || length != r->pieces[i].length;
        }
    return longer;
}

static sib_code check_model(model_reader *r)
{
    static const char *const models[] = {[1] = "unigram", [2] = "bpe", [4] = "bpe"};
    const char *what = r->denormalizes                ? "a map of characters for decoded text"
                       : r->suffix                    ? "spaces behind words (treat_whitespace_as_suffix)"
                       : r->model == 3                ? "the model of words"
                       : has_longer_pieces(r)         ? "a model of characters with pieces of several"
                       : r->model < 1 || r->model > 4 ? "a model of an unknown type"
                                                      : NULL;
    if (what)
        return err_set(r->err, SIB_ERR_UNSUPPORTED, "%s: %s is not supported", r->source.name, what);
    if (!r->source.n)
        return err_set(r->err, SIB_ERR_FORMAT, "%s: has no pieces: it is no file of SentencePiece",
                       r->source.name);
    r->source.model = models[r->model];
    r->source.pieces = r->pieces;
    r->source.scores = r->scores;
    r->source.types = r->types;
    return SIB_OK;
}

sib_code pieces_build_file(pieces *p, vocab *v, const char *name, sib_str file, sib_error *err)
{
    const wire_span bytes = {(const uint8_t *)file.data, file.length};
    model_reader r = {.file = bytes.data,
                      .source = {.name = name, .add_space_prefix = true, .remove_extra_whitespaces = true},
                      .model = 1,
                      .err = err};
    sib_code code = make_room(&r, bytes);
    if (code == SIB_OK)
        code = read_fields(&r, bytes, &model_message, take_part);
    if (code == SIB_OK)
        code = check_model(&r);
    if (code == SIB_OK)
        code = pieces_build(p, v, &r.source, err);
    mem_free(r.pieces);
    mem_free(r.scores);
    mem_free(r.types);
    return code;
}

sib_code pieces_open_file(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    pieces *p;
    sib_code code = pieces_state(t, &p, err);
    return code == SIB_OK ? pieces_build_file(p, &t->vocab, source->name, source->bytes, err) : code;
}

/* The first field is a piece, whose first field is its text. */
bool pieces_is_file(sib_str bytes)
{
    wire_reader w;
    wire_field f;
    wire_open(&w, (wire_span){(const uint8_t *)bytes.data, bytes.length}, &model_message);
    if (bytes.length < 2 || bytes.data[0] != '\n' || !wire_next(&w, &f))
        return false;
    const wire_span piece = f.bytes;
    wire_open(&w, piece, &piece_message);
    return wire_next(&w, &f) && f.number == PIECE_TEXT && f.at == piece.data && f.bytes.size;
}
