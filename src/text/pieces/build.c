#include "text/pieces/build.h"

#include "text/chars/byte_level.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define UNKNOWN_SURFACE " \xE2\x81\x87 " /* SentencePiece's text for an unknown token */

typedef struct reader {
    vocab *v;
    pieces *p;
    const pieces_source *source;
    sib_error *err;
} reader;

static sib_code bad_piece(reader *r, size_t i, const char *words)
{
    sib_str s = r->source->pieces[i];
    return err_set(r->err, SIB_ERR_FORMAT, "%s: piece %zu, '%.*s', %s", r->source->name, i,
                   (int)size_min(s.length, 64), s.data, words);
}

static bool byte_piece(sib_str s, uint8_t *byte)
{
    unsigned value;
    char text[8] = {0};
    if (s.length != 6)
        return false;
    memcpy(text, s.data, 6);
    if (sscanf(text, "<0x%2X>", &value) != 1 || text[5] != '>')
        return false;
    *byte = (uint8_t)value;
    return true;
}

static uint8_t flags_of(int32_t type)
{
    return type == PIECE_CONTROL                           ? TOKEN_SPECIAL | TOKEN_HIDDEN
           : type == PIECE_UNKNOWN || type == PIECE_UNUSED ? TOKEN_HIDDEN
                                                           : 0;
}

static sib_code add_piece(reader *r, size_t i, byte_buffer *scratch)
{
    sib_str s = r->source->pieces[i];
    int32_t type = r->source->types ? r->source->types[i] : PIECE_NORMAL;
    uint8_t flags = flags_of(type);
    if (type < PIECE_NORMAL || type > PIECE_BYTE)
        return bad_piece(r, i, "has an unknown type");
    if (type == PIECE_BYTE && !byte_piece(s, &r->p->bytes[i]))
        return bad_piece(r, i, "must be a byte, as <0x0A>");
    if (type == PIECE_UNKNOWN && r->p->unknown >= 0)
        return bad_piece(r, i, "is a second unknown piece");
    if (type == PIECE_UNKNOWN)
        r->p->unknown = (int32_t)i;
    r->p->types[i] = (uint8_t)type;
    scratch->n = 0;
    if (r->p->scan && (type == PIECE_NORMAL || type == PIECE_UNUSED)) {
        if (byte_level_bytes(s, scratch, r->err))
            s = buf_str(scratch);
        else
            flags |= TOKEN_HIDDEN;
    }
    if (scratch->code != SIB_OK)
        return scratch->code;
    sib_error why = SIB_ERROR_INIT;
    sib_code code = vocab_add(r->v, (int32_t)i, s, flags, &why);
    return code == SIB_OK ? code : err_set(r->err, code, "%s: %s", r->source->name, why.message);
}

static sib_code add_pieces(reader *r)
{
    byte_buffer scratch = {0};
    sib_code code = vocab_widen(r->v, r->source->n, r->err);
    if (code != SIB_OK)
        return code;
    r->p->n = r->source->n;
    r->p->types = mem_calloc(r->source->n, 1);
    r->p->bytes = mem_calloc(r->source->n, 1);
    if (!r->p->types || !r->p->bytes)
        return err_memory(r->err, 2 * r->source->n, "pieces");
    for (size_t i = 0; i < r->source->n && code == SIB_OK; i++)
        code = add_piece(r, i, &scratch);
    buf_free(&scratch);
    return code;
}

static sib_code index_user(reader *r)
{
    trie_key *keys = mem_alloc(r->source->n, sizeof *keys);
    size_t n = 0;
    if (!keys)
        return err_memory(r->err, r->source->n * sizeof *keys, "pieces");
    for (size_t i = 0; i < r->source->n; i++)
        if (r->p->types[i] == PIECE_USER && r->v->tokens[i].size)
            keys[n++] = (trie_key){vocab_bytes(r->v, &r->v->tokens[i]), (int32_t)i};
    sib_code code = trie_build(&r->p->user, keys, n, r->err);
    mem_free(keys);
    return code;
}

/* Ranks by score: highest first, equal scores share a rank. */
typedef struct ranked {
    double score;
    uint32_t id;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static uint32_t rank_of(const void *context, int32_t id)
{
    return ((const uint32_t *)context)[id];
}

static sib_code rank_scores(reader *r, uint32_t *ranks, ranked *order)
{
    size_t n = r->source->n;
    for (size_t i = 0; i < n; i++) {
        if (!r->source->scores || !isfinite(r->source->scores[i]))
            return bad_piece(r, i, "must have a number as score");
        order[i] = (ranked){r->source->scores[i], (uint32_t)i};
    }
    qsort(order, n, sizeof *order, by_score);
    for (size_t i = 0, rank = 0; i < n; i++) {
        rank += i > 0 && order[i].score != order[i - 1].score;
        int type = r->p->types[order[i].id];
        ranks[order[i].id] = type == PIECE_NORMAL || type == PIECE_USER ? (uint32_t)rank : UINT32_MAX;
    }
    return SIB_OK;
}

static sib_code open_bpe(reader *r)
{
    bpe *b = &r->p->bpe;
    uint32_t *ranks = mem_alloc(r->source->n, sizeof *ranks);
    ranked *order = mem_alloc(r->source->n, sizeof *order);
    sib_code code = ranks && order ? rank_scores(r, ranks, order)
                                   : err_memory(r->err, r->source->n * sizeof *order, "scores");
    if (code == SIB_OK)
        code = merges_of_vocab(&b->merges, r->v, rank_of, ranks, r->err);
    mem_free(ranks);
    mem_free(order);
    if (code != SIB_OK)
        return code;
    b->fuse_unknown = true;
    b->unknown = r->p->unknown;
    b->byte_fallback = true; /* where such tokens exist */
    for (size_t i = 0; i < r->source->n; i++)
        if (r->p->types[i] == PIECE_BYTE)
            b->byte_ids[r->p->bytes[i]] = (int32_t)i;
    bpe_find_cuts(b);
    r->p->model = &b->model;
    return pretoken_mark_direct(&b->model, r->v, r->err);
}

static bool takes_normal(const void *context, int32_t id)
{
    int type = ((const uint8_t *)context)[id];
    return type == PIECE_NORMAL || type == PIECE_USER;
}

static sib_code open_unigram(reader *r)
{
    unigram *u = &r->p->unigram;
    u->scores = mem_alloc(r->source->n, sizeof *u->scores);
    if (!u->scores)
        return err_memory(r->err, r->source->n * sizeof *u->scores, "scores");
    for (size_t i = 0; i < r->source->n; i++) {
        if (!r->source->scores || !isfinite(r->source->scores[i]))
            return bad_piece(r, i, "must have a number as score");
        u->scores[i] = (double)(float)r->source->scores[i];
    }
    u->single = true;
    u->byte_fallback = true;
    u->unknown = r->p->unknown;
    for (size_t i = 0; i < r->source->n; i++)
        if (r->p->types[i] == PIECE_BYTE)
            u->byte_ids[r->p->bytes[i]] = (int32_t)i;
    r->p->model = &u->model;
    float lowest = INFINITY;
    for (size_t i = 0; i < r->source->n; i++) {
        if (r->p->types[i] == PIECE_NORMAL)
            lowest = fminf(lowest, (float)u->scores[i]);
        if (r->p->types[i] == PIECE_USER) /* preferred over any segmentation of it, as in SentencePiece */
            u->scores[i] = (double)(float)(0.1 * ((double)r->source->pieces[i].length - 1));
    }
    sib_code code = unigram_index(u, takes_normal, r->p->types, r->err);
    u->unknown_score = (double)((lowest < INFINITY ? lowest : 0) - 10.0f);
    return code;
}

static int32_t find_written(reader *r, sib_str s, byte_buffer *scratch)
{
    scratch->n = 0;
    return byte_level_bytes(s, scratch, r->err) && scratch->code == SIB_OK
               ? vocab_find(r->v, scratch->data, scratch->n)
               : -1;
}

static sib_code add_merge(reader *r, size_t i, byte_buffer *scratch)
{
    sib_str m = r->source->merges[i];
    const char *space = m.length ? memchr(m.data, ' ', m.length) : NULL;
    bool again;
    if (!space || space == m.data || space + 1 == m.data + m.length)
        return err_set(r->err, SIB_ERR_FORMAT, "%s: merge %zu, '%.*s', is not a pair", r->source->name, i,
                       (int)size_min(m.length, 64), m.data);
    sib_str left = {m.data, (size_t)(space - m.data)}, right = {space + 1, m.length - left.length - 1};
    int32_t a = find_written(r, left, scratch), b = find_written(r, right, scratch);
    scratch->n = 0;
    bool written = byte_level_bytes(left, scratch, r->err) && byte_level_bytes(right, scratch, r->err);
    int32_t both = written && scratch->code == SIB_OK ? vocab_find(r->v, scratch->data, scratch->n) : -1;
    if (scratch->code != SIB_OK)
        return scratch->code;
    if (a < 0 || b < 0 || both < 0)
        return err_set(r->err, SIB_ERR_FORMAT, "%s: merge %zu, '%.*s', is not of tokens or does not give one",
                       r->source->name, i, (int)size_min(m.length, 64), m.data);
    sib_code code = merges_add(&r->p->bpe.merges, a, b, (uint32_t)i, both, &again, r->err);
    return code == SIB_OK && again ? err_set(r->err, SIB_ERR_FORMAT, "%s: merge %zu, '%.*s', occurs twice",
                                             r->source->name, i, (int)size_min(m.length, 64), m.data)
                                   : code;
}

/* Pre-tokenizers by GGUF's name, and whether a piece that is a token skips the merges. */
static const struct {
    const char *name;
    scan_pretoken *scan;
    bool direct; /* pieces that are tokens skip the merges */
} pre_tokenizers[] = {{"gpt-2", scan_gpt2, false},
                      {"llama-bpe", scan_cl100k, true},
                      {"llama3", scan_cl100k, true},
                      {"llama-v3", scan_cl100k, true},
                      {"qwen2", scan_qwen2, false}};

static sib_code open_merges(reader *r)
{
    bpe *b = &r->p->bpe;
    const char *pre = r->source->pre ? r->source->pre : "gpt-2";
    size_t row = 0, n = sizeof pre_tokenizers / sizeof *pre_tokenizers;
    byte_buffer scratch = {0};
    sib_code code = SIB_OK;
    while (row < n && strcmp(pre, pre_tokenizers[row].name) != 0)
        row++;
    if (row == n)
        return err_set(r->err, SIB_ERR_UNSUPPORTED, "%s: the pre-tokenizer '%.64s' is not supported",
                       r->source->name, pre);
    r->p->scan = pre_tokenizers[row].scan;
    b->bytes = true;
    for (int i = 0; i < 256; i++) {
        char byte = (char)i;
        b->byte_ids[i] = vocab_find(r->v, &byte, 1);
    }
    for (size_t i = 0; i < r->source->n_merges && code == SIB_OK; i++)
        code = add_merge(r, i, &scratch);
    buf_free(&scratch);
    r->p->model = &b->model;
    if (code == SIB_OK && !pre_tokenizers[row].direct)
        return pretoken_mark_direct(&b->model, r->v, r->err);
    for (size_t i = 0; i < r->source->n; i++)
        r->v->tokens[i].flags |= TOKEN_DIRECT;
    return code;
}

static const struct {
    const char *name;
    sib_code (*open)(reader *r);
} models[] = {{"bpe", open_bpe}, {"unigram", open_unigram}, {"gpt2", open_merges}};

static sib_code take_charsmap(reader *r)
{
    const char *words = NULL;
    sib_code code = SIB_OK;
    if (r->source->charsmap.length)
        code = charsmap_take(&r->p->map, r->source->charsmap, &words, r->err);
    return words ? err_set(r->err, SIB_ERR_FORMAT, "%s: %s", r->source->name, words) : code;
}

sib_code pieces_build(pieces *p, vocab *v, const pieces_source *source, sib_error *err)
{
    size_t row = 0, n = sizeof models / sizeof *models;
    bpe_init(&p->bpe, v);
    unigram_init(&p->unigram, v);
    p->vocab = v;
    p->unknown = -1;
    p->prefix = source->add_space_prefix;
    p->trim = source->remove_extra_whitespaces;
    p->keep_spaces = source->keep_spaces;
    buf_add_str(&p->unknown_surface,
                source->unknown_surface.data ? source->unknown_surface : str_of(UNKNOWN_SURFACE), err);
    while (row < n && strcmp(source->model, models[row].name) != 0)
        row++;
    if (row == n)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: the model '%.64s' of a tokenizer is not supported",
                       source->name, source->model);
    if (models[row].open == open_merges)
        p->scan = scan_gpt2; /* so that pieces are decoded as bytes */
    reader r = {v, p, source, err};
    sib_code code = p->unknown_surface.code == SIB_OK ? take_charsmap(&r) : p->unknown_surface.code;
    if (code == SIB_OK)
        code = add_pieces(&r);
    if (code == SIB_OK)
        code = index_user(&r);
    return code == SIB_OK ? models[row].open(&r) : code;
}

sib_code pieces_state(sib_tokenizer *t, pieces **out, sib_error *err)
{
    t->state = *out = mem_calloc(1, sizeof **out);
    return *out ? SIB_OK : err_memory(err, sizeof **out, "a tokenizer");
}

sib_code pieces_open(sib_tokenizer *t, const pieces_source *source, sib_error *err)
{
    pieces *p;
    sib_code code = pieces_state(t, &p, err);
    return code == SIB_OK ? pieces_build(p, &t->vocab, source, err) : code;
}

void pieces_free(pieces *p)
{
    bpe_free(&p->bpe);
    unigram_free(&p->unigram);
    trie_free(&p->user);
    charsmap_free(&p->map);
    buf_free(&p->unknown_surface);
    mem_free(p->types);
    mem_free(p->bytes);
}
