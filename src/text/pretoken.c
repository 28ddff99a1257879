#include "text/pretoken.h"

#include "base/alloc.h"
#include "base/error.h"

#define SLOTS           4096u /* 160 KB */
#define MIN_CACHED_TEXT 4096u

void pretoken_begin(pretoken_run *run, const pretoken_model *m, size_t size, id_list *out)
{
    *run = (pretoken_run){.model = m, .out = out};
    if (size >= MIN_CACHED_TEXT)
        run->slots = mem_calloc(SLOTS, sizeof *run->slots);
}

void pretoken_text(pretoken_run *run, text_span text)
{
    run->text = text;
    run->round++;
}

/* True where the slot holds the ids of this word of this text. */
static bool slot_holds(const pretoken_run *run, const pretoken_slot *s, text_span word, uint32_t hash)
{
    return s->n && s->round == run->round && s->hash == hash && s->size == word.size &&
           memcmp(run->text.data + s->at, word.data, word.size) == 0;
}

sib_code pretoken_add(pretoken_run *run, size_t at, size_t end, sib_error *err)
{
    text_span word = {run->text.data + at, end - at};
    id_list *out = run->out;
    uint32_t hash = text_hash(word.data, word.size);
    int32_t id = vocab_find_hashed(run->model->vocab, word.data, word.size, hash);
    if (id >= 0 && (run->model->vocab->tokens[id].flags & TOKEN_DIRECT))
        return ids_add(out, id, err);
    if (!run->slots || word.size > UINT32_MAX)
        return run->model->encode(run->model, word, out, err);
    pretoken_slot *s = &run->slots[hash % SLOTS];
    size_t begin = out->n;
    if (slot_holds(run, s, word, hash)) {
        sib_code code = ids_reserve(out, s->n, err);
        if (code != SIB_OK)
            return code;
        memcpy(out->ids + begin, out->ids + s->ids_at, s->n * sizeof *out->ids);
        out->n += s->n;
        return SIB_OK;
    }
    sib_code code = run->model->encode(run->model, word, out, err);
    if (code == SIB_OK)
        *s = (pretoken_slot){at, begin, hash, (uint32_t)word.size, (uint32_t)(out->n - begin), run->round};
    return code;
}

void pretoken_end(pretoken_run *run)
{
    mem_free(run->slots);
    run->slots = NULL;
}

sib_code pretoken_mark_direct(const pretoken_model *m, vocab *v, sib_error *err)
{
    id_list ids = {0};
    sib_code code = SIB_OK;
    for (size_t id = 0; id < v->n && code == SIB_OK; id++) {
        const token *t = vocab_token(v, (int32_t)id);
        if (!t || (t->flags & TOKEN_HIDDEN) || !t->size)
            continue;
        ids.n = 0;
        sib_error ignored = SIB_ERROR_INIT; /* the model may not be able to make the token */
        sib_code merged = m->encode(m, vocab_bytes(v, t), &ids, &ignored);
        if (merged == SIB_ERR_MEMORY)
            code = err_set(err, merged, "%s", ignored.message);
        if (merged == SIB_OK && ids.n == 1 && ids.ids[0] == (int32_t)id)
            v->tokens[id].flags |= TOKEN_DIRECT;
    }
    mem_free(ids.ids);
    return code;
}
