/* The added tokens of a tokenizer.json. */
#include "text/chars/byte_level.h"
#include "text/json/json_tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

/* Sets whether `content` is the token of an id of the vocabulary, as given or in byte-level characters. */
static sib_code same_token(const vocab *v, int32_t id, sib_str content, bool byte_level, bool *same,
                           sib_error *err)
{
    sib_str bytes = vocab_bytes(v, &v->tokens[id]);
    byte_buffer other = {0};
    *same = bytes.length == content.length && memcmp(bytes.data, content.data, content.length) == 0;
    if (!*same && byte_level && byte_level_bytes(content, &other, err))
        *same = bytes.length == other.n && (!other.n || memcmp(bytes.data, other.data, other.n) == 0);
    sib_code code = other.code;
    buf_free(&other);
    return code;
}

static sib_code place_token(sib_tokenizer *t, const json_part *p, const added_token *a, sib_str content,
                            bool byte_level, sib_error *err)
{
    bool same;
    if (vocab_token(&t->vocab, a->id)) {
        sib_code code = same_token(&t->vocab, a->id, content, byte_level, &same, err);
        if (code == SIB_OK && !same)
            return json_part_bad(p, SIB_ERR_FORMAT, err, "its id is that of another token");
        t->vocab.tokens[a->id].flags |= (uint8_t)(TOKEN_ADDED | (a->special ? TOKEN_SPECIAL : 0));
        return code;
    }
    bool taken = vocab_find(&t->vocab, content.data, content.length) >= 0, ascii = true;
    for (size_t i = 0; i < content.length; i++)
        ascii &= (unsigned char)content.data[i] < 0x80;
    /* A byte-level vocabulary writes other characters differently, so such a token may occur twice. */
    if (taken && (ascii || !byte_level))
        return json_part_bad(p, SIB_ERR_FORMAT, err, "its content has another id");
    uint8_t flags =
        (uint8_t)(TOKEN_ADDED | (a->special ? TOKEN_SPECIAL : 0) | (a->special || taken ? TOKEN_HIDDEN : 0));
    return vocab_add(&t->vocab, a->id, content, flags, err);
}

static sib_code read_token(const json_part *p, added_token *a, sib_str *content, sib_error *err)
{
    int64_t id = -1;
    a->normalized = true;
    sib_code code = json_part_integer(p, "id", &id, err);
    if (code == SIB_OK)
        code = json_part_string(p, "content", content, err);
    if (code == SIB_OK && (id < 0 || id >= VOCAB_MAX_IDS))
        return json_part_bad(p, SIB_ERR_FORMAT, err, "its id is out of range");
    if (code == SIB_OK && !content->length)
        return json_part_bad(p, SIB_ERR_FORMAT, err, "has no content");
    a->id = (int32_t)id;
    if (code == SIB_OK)
        code = json_part_bool(p, "special", &a->special, err);
    a->normalized = !a->special;
    if (code == SIB_OK)
        code = json_part_bool(p, "normalized", &a->normalized, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "single_word", &a->single_word, err);
    if (code == SIB_OK)
        code = json_part_bool(p, "lstrip", &a->left, err);
    return code == SIB_OK ? json_part_bool(p, "rstrip", &a->right, err) : code;
}

/* Adds the content to search for; a->content.data is set when all are read. */
static sib_code keep_content(json_tokenizer *j, added_token *a, sib_str content, sib_error *err)
{
    byte_buffer scratch = {0};
    sib_str found = content;
    sib_code code = a->normalized ? normalizer_run(j->normalizer, content, &scratch, &found, err) : SIB_OK;
    if (code == SIB_OK)
        buf_add(&j->added.contents, found.data, found.length, err);
    a->content.length = found.length;
    buf_free(&scratch);
    return code != SIB_OK ? code : j->added.contents.code;
}

sib_code json_added_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err)
{
    added_list *l = &j->added;
    size_t n = json_array_size(p->value);
    l->tokens = mem_calloc(n, sizeof *l->tokens);
    if (!l->tokens)
        return err_memory(err, n * sizeof *l->tokens, "added tokens");
    for (; l->n < n; l->n++) {
        json_part item = json_part_item(p, l->n);
        sib_str content = {0};
        added_token *a = &l->tokens[l->n];
        sib_code code = read_token(&item, a, &content, err);
        if (code == SIB_OK)
            code = place_token(t, &item, a, content, j->byte_level, err);
        if (code == SIB_OK)
            code = keep_content(j, a, content, err);
        if (code != SIB_OK)
            return code;
    }
    for (size_t i = 0, at = 0; i < n; at += l->tokens[i++].content.length)
        l->tokens[i].content.data = l->contents.data ? l->contents.data + at : "";
    return added_index(l, err);
}
