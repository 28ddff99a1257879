#include "text/vocab/pretoken.h"

#include "base/alloc.h"
#include "base/error.h"

#define SLOTS           4096u /* 160 KB */
#define MIN_CACHED_TEXT 4096u

void pretoken_begin(pretoken_run *run, const pretoken_model *m, size_t size, token_ids *out)
{
    *run = (pretoken_run){.model = m, .out = out};
    if (size >= MIN_CACHED_TEXT)
        run->slots = mem_calloc(SLOTS, sizeof *run->slots);
}

void pretoken_text(pretoken_run *run, sib_str text)
{
    run->text = text;
    run->round++;
}

/* True where the slot has the ids of this word in this text. */
static bool slot_holds(const pretoken_run *run, const pretoken_slot *s, sib_str word, uint32_t hash)
{
    return s->n && s->round == run->round && s->hash == hash && s->size == word.length &&
           memcmp(run->text.data + s->at, word.data, word.length) == 0;
}

sib_code pretoken_add(pretoken_run *run, size_t at, size_t end, sib_error *err)
{
    sib_str word = {run->text.data + at, end - at};
    token_ids *out = run->out;
    uint32_t hash = text_hash(word.data, word.length);
    int32_t id = vocab_find_hashed(run->model->vocab, word.data, word.length, hash);
    if (id >= 0 && (run->model->vocab->tokens[id].flags & TOKEN_DIRECT))
        return ids_add(out, id, err);
    if (!run->slots || word.length > UINT32_MAX)
        return run->model->encode(run->model, word, out, err);
    pretoken_slot *s = &run->slots[hash % SLOTS];
    size_t begin = out->n;
    if (slot_holds(run, s, word, hash)) {
        sib_code code = ids_reserve(out, s->n, err); /* first, since it may move the ids to be copied */
        return code == SIB_OK ? ids_append(out, out->ids + s->ids_at, s->n, err) : code;
    }
    sib_code code = run->model->encode(run->model, word, out, err);
    if (code == SIB_OK)
        *s = (pretoken_slot){at, begin, hash, (uint32_t)word.length, (uint32_t)(out->n - begin), run->round};
    return code;
}

void pretoken_end(pretoken_run *run)
{
    mem_free(run->slots);
    run->slots = NULL;
}

sib_code pretoken_mark_direct(const pretoken_model *m, vocab *v, sib_error *err)
{
    token_ids ids = {0};
    sib_code code = SIB_OK;
    for (size_t id = 0; id < v->n && code == SIB_OK; id++) {
        const token *t = vocab_token(v, (int32_t)id);
        if (!t || (t->flags & TOKEN_HIDDEN) || !t->size)
            continue;
        ids.n = 0;
        sib_error ignored = SIB_ERROR_INIT; /* the model may not be able to produce the token */
        sib_code merged = m->encode(m, vocab_bytes(v, t), &ids, &ignored);
        if (merged == SIB_ERR_MEMORY)
            code = err_set(err, merged, "%s", ignored.message);
        if (merged == SIB_OK && ids.n == 1 && ids.ids[0] == (int32_t)id)
            v->tokens[id].flags |= TOKEN_DIRECT;
    }
    mem_free(ids.ids);
    return code;
}
