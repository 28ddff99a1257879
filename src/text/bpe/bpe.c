#include "text/bpe/bpe.h"

#include "text/chars/utf8.h"

#include "base/error.h"
#include "base/size.h"

#include <stdio.h>

/* Max bytes of a symbol with its marks. */
#define MAX_MARKED 256

/* State of turning a piece into symbols. */
typedef struct symbol_run {
    const bpe *b;
    token_ids *out;
    size_t waiting; /* unknown symbols that are not written yet */
    sib_error *err;
} symbol_run;

static sib_code write_waiting(symbol_run *r)
{
    sib_code code = r->waiting ? ids_add(r->out, r->b->unknown, r->err) : SIB_OK;
    r->waiting = 0;
    return code;
}

/* Returns the id of a symbol with its marks. */
static int32_t find_symbol(const bpe *b, sib_str s, bool first, bool last)
{
    sib_str before = {b->not_first.data, first ? 0 : b->not_first.n},
            after = {b->at_end.data, last ? b->at_end.n : 0};
    if (!before.length && !after.length)
        return b->bytes ? b->byte_ids[(uint8_t)s.data[0]] : vocab_find(b->model.vocab, s.data, s.length);
    char marked[MAX_MARKED];
    if (before.length)
        memcpy(marked, before.data, before.length);
    memcpy(marked + before.length, s.data, s.length);
    if (after.length)
        memcpy(marked + before.length + s.length, after.data, after.length);
    return vocab_find(b->model.vocab, marked, before.length + s.length + after.length);
}

static bool has_bytes(const bpe *b, sib_str s)
{
    for (size_t i = 0; i < s.length; i++)
        if (b->byte_ids[(uint8_t)s.data[i]] < 0)
            return false;
    return true;
}

static sib_code add_symbol(symbol_run *r, sib_str s, bool first, bool last)
{
    const bpe *b = r->b;
    int32_t id = find_symbol(b, s, first, last);
    if (id >= 0) {
        sib_code code = write_waiting(r);
        return code == SIB_OK ? ids_add(r->out, id, r->err) : code;
    }
    if (b->byte_fallback && has_bytes(b, s)) {
        sib_code code = SIB_OK;
        for (size_t i = 0; i < s.length && code == SIB_OK; i++)
            code = ids_add(r->out, b->byte_ids[(uint8_t)s.data[i]], r->err);
        return code;
    }
    if (b->unknown < 0)
        return err_set(r->err, SIB_ERR_VALUE, "there is no token for '%.*s'", (int)s.length, s.data);
    sib_code code = b->fuse_unknown ? SIB_OK : write_waiting(r);
    r->waiting++;
    return code;
}

/* Fast path of most pieces: bytes without marks. */
static sib_code add_bytes(const bpe *b, sib_str piece, token_ids *out, sib_error *err)
{
    sib_code code = ids_reserve(out, piece.length, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < piece.length; i++) {
        int32_t id = b->byte_ids[(uint8_t)piece.data[i]];
        if (id < 0 && b->unknown < 0)
            return err_set(err, SIB_ERR_VALUE, "there is no token for the byte 0x%02X",
                           (uint8_t)piece.data[i]);
        out->ids[out->n + i] = id < 0 ? b->unknown : id;
    }
    out->n += piece.length;
    return SIB_OK;
}

static sib_code add_symbols(const bpe *b, sib_str piece, token_ids *out, sib_error *err)
{
    symbol_run r = {b, out, 0, err};
    sib_code code = SIB_OK;
    if (b->bytes && !b->not_first.n && !b->at_end.n && !b->fuse_unknown)
        return add_bytes(b, piece, out, err);
    for (size_t at = 0, length = 1; at < piece.length && code == SIB_OK; at += length) {
        if (!b->bytes)
            utf8_next(piece.data + at, piece.length - at, &length);
        code = add_symbol(&r, (sib_str){piece.data + at, length}, at == 0, at + length == piece.length);
    }
    return code == SIB_OK ? write_waiting(&r) : code;
}

static sib_code encode(const pretoken_model *m, sib_str piece, token_ids *out, sib_error *err)
{
    const bpe *b = (const bpe *)m;
    size_t begin = out->n, left;
    sib_code code = add_symbols(b, piece, out, err);
    if (code != SIB_OK)
        return code;
    code = merges_apply(&b->merges, out->ids + begin, out->n - begin, &left, err);
    if (code == SIB_OK)
        out->n = begin + left;
    return code;
}

void bpe_init(bpe *b, const vocab *v)
{
    *b = (bpe){.model = {v, encode}, .unknown = -1};
    for (int i = 0; i < 256; i++)
        b->byte_ids[i] = -1;
}

void bpe_free(bpe *b)
{
    merges_free(&b->merges);
    buf_free(&b->not_first);
    buf_free(&b->at_end);
}

void bpe_find_fallback(const vocab *v, int32_t byte_ids[256])
{
    for (int i = 0; i < 256; i++) {
        char name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        byte_ids[i] = vocab_find(v, name, (size_t)n);
    }
}

/* ---- Cuts ------------------------------------------------------------------------------------------ */

#define SPACE      "\xE2\x96\x81"
#define SPACE_SIZE 3

static bool is_space_at(sib_str text, size_t at)
{
    return text.length - at >= SPACE_SIZE && memcmp(text.data + at, SPACE, SPACE_SIZE) == 0;
}

/* Returns the next mark of a space after another character, from `at` + 1 on; the end where there is none. */
static size_t next_space(sib_str text, size_t at)
{
    while (is_space_at(text, at))
        at += SPACE_SIZE;
    const char *found = at < text.length ? memmem(text.data + at, text.length - at, SPACE, SPACE_SIZE) : NULL;
    return found ? (size_t)(found - text.data) : text.length;
}

void bpe_find_cuts(bpe *b)
{
    const vocab *v = b->model.vocab;
    b->cuts = !b->bytes && !b->not_first.n && !b->at_end.n && vocab_find(v, SPACE, SPACE_SIZE) >= 0;
    for (size_t i = 0; i < v->n && b->cuts; i++) {
        const token *t = vocab_token(v, (int32_t)i);
        if (t && !(t->flags & TOKEN_HIDDEN))
            b->cuts = next_space(vocab_bytes(v, t), 0) == t->size;
    }
}

size_t bpe_cut(const bpe *b, sib_str text, size_t at)
{
    return b->cuts ? next_space(text, at) : text.length;
}
