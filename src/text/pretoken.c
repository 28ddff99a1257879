#include "text/pretoken.h"

#include "base/alloc.h"
#include "base/error.h"

#define SLOTS      4096u /* 160 KB */
#define LEAST_TEXT 4096u

void piece_begin(piece_run *run, const piece_model *m, size_t size, id_list *out)
{
    *run = (piece_run){.model = m, .out = out};
    if (size >= LEAST_TEXT)
        run->slots = mem_calloc(SLOTS, sizeof *run->slots);
}

void piece_text(piece_run *run, text_span text)
{
    run->text = text;
    run->round++;
}

static bool known_already(const piece_run *run, const piece_slot *s, text_span piece, uint32_t hash)
{
    return s->n && s->round == run->round && s->hash == hash && s->size == piece.size &&
           memcmp(run->text.data + s->at, piece.data, piece.size) == 0;
}

sib_code piece_add(piece_run *run, size_t at, size_t end, sib_error *err)
{
    text_span piece = {run->text.data + at, end - at};
    id_list *out = run->out;
    uint32_t hash = text_hash(piece.data, piece.size);
    int32_t id = vocab_find_hashed(run->model->vocab, piece.data, piece.size, hash);
    if (id >= 0 && (run->model->vocab->tokens[id].flags & TOKEN_WHOLE))
        return ids_add(out, id, err);
    if (!run->slots || piece.size > UINT32_MAX)
        return run->model->encode(run->model, piece, out, err);
    piece_slot *s = &run->slots[hash % SLOTS];
    size_t begin = out->n;
    if (known_already(run, s, piece, hash)) {
        sib_code code = ids_reserve(out, s->n, err);
        if (code != SIB_OK)
            return code;
        memcpy(out->ids + begin, out->ids + s->ids_at, s->n * sizeof *out->ids);
        out->n += s->n;
        return SIB_OK;
    }
    sib_code code = run->model->encode(run->model, piece, out, err);
    if (code == SIB_OK)
        *s = (piece_slot){at, begin, hash, (uint32_t)piece.size, (uint32_t)(out->n - begin), run->round};
    return code;
}

void piece_end(piece_run *run)
{
    mem_free(run->slots);
    run->slots = NULL;
}

sib_code piece_mark_whole(const piece_model *m, vocab *v, sib_error *err)
{
    id_list ids = {0};
    sib_code code = SIB_OK;
    for (size_t id = 0; id < v->n && code == SIB_OK; id++) {
        const token *t = vocab_token(v, (int32_t)id);
        if (!t || (t->flags & TOKEN_HIDDEN) || !t->size)
            continue;
        ids.n = 0;
        sib_error unheard = SIB_ERROR_INIT; /* a token of symbols that no text has is none that is whole */
        sib_code merged = m->encode(m, vocab_bytes(v, t), &ids, &unheard);
        if (merged == SIB_ERR_MEMORY)
            code = err_set(err, merged, "%s", unheard.message);
        if (merged == SIB_OK && ids.n == 1 && ids.ids[0] == (int32_t)id)
            v->tokens[id].flags |= TOKEN_WHOLE;
    }
    mem_free(ids.ids);
    return code;
}
