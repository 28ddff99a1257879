#include "text/json/pieces_model.h"

#include "text/chars/base64.h"

#include "base/alloc.h"

static sib_code read_file(pieces_model *m, const json_part *p, sib_error *err)
{
    json_part at = json_part_at(p, "file");
    sib_str base64 = {0};
    size_t size;
    sib_code code = json_part_string(p, "file", &base64, err);
    if (code == SIB_OK && !base64.data)
        return json_part_bad(&at, SIB_ERR_FORMAT, err, "is missing");
    if (code != SIB_OK)
        return code;
    char *bytes = mem_alloc(base64.length / 4 * 3 + 3, 1);
    if (!bytes)
        return err_memory(err, base64.length, "a file of SentencePiece");
    code = base64_bytes(base64, bytes, &size)
               ? pieces_build_file(&m->pieces, &m->vocab, p->file, (sib_str){bytes, size}, err)
               : json_part_bad(&at, SIB_ERR_FORMAT, err, "is not base64");
    mem_free(bytes);
    return code;
}

static sib_code read_prefix(pieces_model *m, const json_part *p, sib_error *err)
{
    json_part at = json_part_at(p, "prefix");
    sib_str prefix = str_of("always");
    sib_code code = json_part_string(p, "prefix", &prefix, err);
    m->later = str_is(prefix, "always");
    m->first = m->later || str_is(prefix, "first");
    if (code == SIB_OK && !m->first && !str_is(prefix, "never"))
        return json_part_bad(&at, SIB_ERR_UNSUPPORTED, err, "expected always, first or never");
    return code;
}

/* The id of what the vocabulary does not have. */
static sib_code read_unknown(const vocab *v, const json_part *p, int32_t *id, sib_error *err)
{
    json_part at = json_part_at(p, "unk_token");
    sib_str name = {0};
    sib_code code = json_part_string(p, "unk_token", &name, err);
    *id = name.data ? vocab_find(v, name.data, name.length) : -1;
    return code == SIB_OK && *id < 0
               ? json_part_bad(&at, SIB_ERR_FORMAT, err, "is missing, or not in the vocabulary")
               : code;
}

/* Gives each piece its id in v, and what is no text there its flags. */
static sib_code match_ids(pieces_model *m, vocab *v, const json_part *p, sib_error *err)
{
    int32_t unknown;
    sib_code code = read_unknown(v, p, &unknown, err);
    for (size_t i = 0; i < m->vocab.n && code == SIB_OK; i++) {
        const token *t = &m->vocab.tokens[i];
        sib_str s = vocab_bytes(&m->vocab, t);
        const int32_t id = (int32_t)i == m->pieces.unknown ? unknown : vocab_find(v, s.data, s.length);
        m->ids[i] = id >= 0 ? id : unknown;
        if (id < 0 || (size_t)id >= m->n_ids)
            continue;
        m->of[id] = (int32_t)i;
        v->tokens[id].flags |= t->flags & TOKEN_SPECIAL;
    }
    return code;
}

static sib_code copy_ids(pieces_model *m, vocab *v, sib_error *err)
{
    sib_code code = vocab_widen(v, m->vocab.n, err);
    for (size_t i = 0; i < m->vocab.n && code == SIB_OK; i++) {
        const token *t = &m->vocab.tokens[i];
        m->ids[i] = m->of[i] = (int32_t)i;
        code = vocab_add(v, (int32_t)i, vocab_bytes(&m->vocab, t), t->flags & (TOKEN_SPECIAL | TOKEN_HIDDEN),
                         err);
    }
    return code;
}

sib_code pieces_model_open(pieces_model **out, vocab *v, const json_part *p, sib_error *err)
{
    pieces_model *m = *out = mem_calloc(1, sizeof *m);
    if (!m)
        return err_memory(err, sizeof *m, "a tokenizer");
    sib_code code = read_file(m, p, err);
    if (code == SIB_OK)
        code = read_prefix(m, p, err);
    if (code != SIB_OK)
        return code;
    m->n_ids = v->n ? v->n : m->vocab.n;
    m->ids = mem_alloc(m->vocab.n, sizeof *m->ids);
    m->of = mem_alloc(m->n_ids, sizeof *m->of);
    if (!m->ids || !m->of)
        return err_memory(err, m->n_ids * sizeof *m->of, "ids");
    memset(m->of, -1, m->n_ids * sizeof *m->of);
    return v->n ? match_ids(m, v, p, err) : copy_ids(m, v, err);
}

void pieces_model_free(pieces_model *m)
{
    if (!m)
        return;
    pieces_free(&m->pieces);
    vocab_free(&m->vocab);
    mem_free(m->ids);
    mem_free(m->of);
    mem_free(m);
}

sib_code pieces_model_encode(const pieces_model *m, sib_str text, bool start, token_ids *out, sib_error *err)
{
    pretoken_run run;
    const size_t begin = out->n;
    pretoken_begin(&run, m->pieces.model, text.length, out);
    sib_code code = pieces_encode(&m->pieces, &run, text, start ? m->first : m->later, err);
    pretoken_end(&run);
    for (size_t i = begin; i < out->n && code == SIB_OK; i++)
        out->ids[i] = m->ids[out->ids[i]];
    return code;
}

sib_code pieces_model_decode(const pieces_model *m, const vocab *v, const int32_t *ids, size_t n,
                             decode_place *place, byte_buffer *out, sib_error *err)
{
    bool at_start = pieces_start(&m->pieces, place);
    for (size_t i = 0; i < n && out->code == SIB_OK; i++) {
        const token *t = &v->tokens[ids[i]];
        const int32_t piece = (size_t)ids[i] < m->n_ids ? m->of[ids[i]] : -1;
        const int type = t->flags & TOKEN_SPECIAL ? PIECE_CONTROL
                         : piece >= 0             ? m->pieces.types[piece]
                                                  : PIECE_NORMAL;
        pieces_decode(&m->pieces, vocab_bytes(v, t), type, piece >= 0 ? m->pieces.bytes[piece] : 0, &at_start,
                      out, err);
    }
    place->begun = !at_start;
    return out->code;
}
