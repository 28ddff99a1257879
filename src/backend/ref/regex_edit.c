/* Replaces, splits and tokenizes strings by regular expressions. */
#include "backend/ref/regex_edit.h"
#include "tensor/utf8.h"

/* Bytes of the character at `at` < s.length; 1 where it is none. */
static size_t character(sib_str s, size_t at)
{
    uint32_t c;
    size_t n = utf8_read(s.data + at, s.length - at, &c);
    return n ? n : 1;
}

static sib_str part(sib_str s, size_t begin, size_t end)
{
    return (sib_str){s.data + begin, end - begin};
}

/* ---- Replacing ----------------------------------------------------------------------------------------- */

/* Appends the rewrite of the last match in s. */
static sib_code put_rewrite(const ref_call *c, const regex *m, sib_str s, sib_str rewrite, byte_buffer *out)
{
    sib_code code = SIB_OK;
    for (size_t i = 0, begin, end; i < rewrite.length && code == SIB_OK; i++) {
        char at = rewrite.data[i];
        char next = i + 1 < rewrite.length ? rewrite.data[i + 1] : '\0';
        if (at != '\\')
            code = buf_add(out, &at, 1, c->err);
        else if (next == '\\')
            code = buf_add(out, rewrite.data + i++, 1, c->err);
        else {
            if (regex_span(m, (size_t)(next - '0'), &begin, &end))
                code = buf_add(out, s.data + begin, end - begin, c->err);
            i++;
        }
    }
    return code;
}

static sib_code check_rewrite(const ref_call *c, const regex *m, sib_str rewrite)
{
    for (size_t i = 0; i < rewrite.length; i++) {
        char next = i + 1 < rewrite.length ? rewrite.data[i + 1] : '\0';
        if (rewrite.data[i] != '\\')
            continue;
        if (next != '\\' && (next < '0' || next > '9'))
            return ref_fail(c, SIB_ERR_VALUE, "a rewrite has \\ before neither a digit nor \\, at byte %zu",
                            i);
        if (next != '\\' && (size_t)(next - '0') > regex_groups(m))
            return ref_fail(c, SIB_ERR_VALUE, "a rewrite has group %c, of which the pattern has %zu", next,
                            regex_groups(m));
        i++;
    }
    return SIB_OK;
}

/* An empty match right behind another is none: the character there is kept. */
static sib_code replace_one(const ref_call *c, regex *m, sib_str s, const regex_edit_spec *spec, sib_str *to)
{
    byte_buffer out = {0};
    size_t from = 0, kept = 0, begin, end;
    bool found = true, any = false;
    sib_code code = SIB_OK;
    while (code == SIB_OK && from <= s.length && !(any && !spec->global_replace)) {
        code = regex_search(c, m, s, from, from > 0 || any, &found);
        if (code != SIB_OK || !found || !regex_span(m, 0, &begin, &end))
            break;
        if (any && begin == end && begin == kept) {
            if (from >= s.length)
                break;
            from += character(s, from);
            code = regex_search(c, m, s, from, true, &found);
            if (code != SIB_OK || !found || !regex_span(m, 0, &begin, &end))
                break;
        }
        code = buf_add(&out, s.data + kept, begin - kept, c->err);
        if (code == SIB_OK)
            code = put_rewrite(c, m, s, spec->rewrite, &out);
        from = kept = end;
        any = true;
    }
    if (code == SIB_OK && any)
        code = buf_add(&out, s.data + kept, s.length - kept, c->err);
    if (code == SIB_OK)
        code = tensor_put_string(to, any ? buf_str(&out) : s, c->err);
    buf_free(&out);
    return code;
}

static sib_code make_by(const ref_call *c, regex *m, const regex_edit_spec *spec, sib_str pattern,
                        regex_use use)
{
    return spec->ecma ? regex_make_ecma(c, m, pattern, use, spec->ignore_case)
                      : regex_make(c, m, pattern, use);
}

sib_code ref_regex_replace(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    regex_edit_spec spec = spec_regex_edit(c->node);
    regex m;
    if (!out)
        return SIB_OK;
    sib_code code = make_by(c, &m, &spec, spec.pattern, REGEX_SEARCH);
    if (code == SIB_OK && !spec.ecma)
        code = check_rewrite(c, &m, spec.rewrite);
    for (size_t i = 0; i < x->count && code == SIB_OK; i++) {
        sib_str s = ((const sib_str *)x->data)[i], *to = (sib_str *)out->data + i;
        code = spec.ecma ? ecma_replace(c, &m, s, &spec, to) : replace_one(c, &m, s, &spec, to);
    }
    regex_free(&m);
    return code;
}

/* ---- Splitting ----------------------------------------------------------------------------------------- */

/* What separates: the first group of `cut`; those that are `keep`, if there is one, are words too. */
typedef struct cutter {
    regex cut, keep;
    bool keeps;
} cutter;

/* Each search sees what is left of the string as if it began there. */
static sib_code split_one(const ref_call *c, cutter *k, sib_str s, spans *words)
{
    size_t from = 0, begin, end, first, last;
    bool found = regex_groups(&k->cut) > 0, kept;
    sib_code code = SIB_OK;
    while (found && code == SIB_OK) {
        sib_str rest = str_from(s, from);
        code = regex_search(c, &k->cut, rest, 0, from > 0, &found);
        if (code != SIB_OK || !found || !regex_span(&k->cut, 0, &first, &last))
            break;
        if (!last)
            return ref_fail(c, SIB_ERR_VALUE, "the pattern matches the empty string at byte %zu", from);
        if (!regex_span(&k->cut, 1, &begin, &end))
            begin = end = last;
        if (begin)
            code = spans_put(c, words, s, from, from + begin);
        kept = false;
        if (code == SIB_OK && k->keeps)
            code = regex_matches(c, &k->keep, part(rest, begin, end), &kept);
        if (code == SIB_OK && kept)
            code = spans_put(c, words, s, from + begin, from + end);
        from += last;
    }
    return code == SIB_OK && from < s.length ? spans_put(c, words, s, from, s.length) : code;
}

static sib_code put_words(const ref_call *c, const spans *words, const int64_t *starts, size_t n)
{
    sib_tensor *out[4] = {NULL};
    int64_t dims = (int64_t)words->n, rows = (int64_t)n + 1;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < 4 && code == SIB_OK; i++)
        code = ref_make(c, i, i ? SIB_I64 : SIB_STRING, 1, i == 3 ? &rows : &dims, &out[i]);
    for (size_t i = 0; i < words->n && code == SIB_OK; i++) {
        const span *w = &words->items[i];
        if (out[0])
            code = tensor_put_string((sib_str *)out[0]->data + i, w->text, c->err);
        if (out[1])
            ((int64_t *)out[1]->data)[i] = (int64_t)w->begin;
        if (out[2])
            ((int64_t *)out[2]->data)[i] = (int64_t)(w->begin + w->text.length);
    }
    if (code == SIB_OK && out[3])
        memcpy(out[3]->data, starts, (n + 1) * sizeof *starts);
    return code;
}

sib_code ref_regex_split(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    regex_edit_spec spec = spec_regex_edit(c->node);
    cutter k = {.keeps = spec.keep.length > 0};
    spans words = {0};
    if (x->rank != 1)
        return ref_fail(c, SIB_ERR_VALUE, "expected a list of strings, found rank %zu", x->rank);
    int64_t *starts = mem_calloc(x->count + 1, sizeof *starts);
    if (!starts)
        return ref_no_memory(c, (x->count + 1) * sizeof *starts);
    sib_code code = make_by(c, &k.cut, &spec, spec.pattern, REGEX_SEARCH);
    if (code == SIB_OK && k.keeps)
        code = make_by(c, &k.keep, &spec, spec.keep, REGEX_ENTIRE);
    for (size_t i = 0; i < x->count && code == SIB_OK; i++) {
        sib_str s = ((const sib_str *)x->data)[i];
        code = spec.ecma ? ecma_split(c, &k.cut, k.keeps ? &k.keep : NULL, s, &words)
                         : split_one(c, &k, s, &words);
        starts[i + 1] = (int64_t)words.n;
    }
    if (code == SIB_OK)
        code = put_words(c, &words, starts, x->count);
    regex_free(&k.cut);
    regex_free(&k.keep);
    mem_free(words.items);
    mem_free(starts);
    return code;
}

/* ---- Tokens of com.microsoft --------------------------------------------------------------------------- */

typedef struct tokens {
    const ref_call *c;
    tokenizer_spec spec;
    regex *patterns; /* (n) separators, or the token's expression */
    size_t n;
    bool characters; /* the only separator is "" */
} tokens;

static size_t characters_in(sib_str s)
{
    size_t n = 0;
    for (size_t at = 0; at < s.length; at += character(s, at))
        n++;
    return n;
}

static sib_code put_token(const tokens *t, spans *to, sib_str s, size_t begin, size_t end)
{
    if (characters_in(part(s, begin, end)) < (size_t)t->spec.mincharnum)
        return SIB_OK;
    return spans_put(t->c, to, s, begin, end);
}

/* The longest matches in s, or with `between` what lies between them. An empty match moves on by a
   character. */
static sib_code search_tokens(const tokens *t, regex *m, sib_str s, bool between, spans *to)
{
    size_t from = 0, begin, end;
    bool found = true;
    sib_code code = SIB_OK;
    while (code == SIB_OK && from <= s.length) {
        code = regex_search(t->c, m, s, from, from > 0, &found);
        if (code != SIB_OK || !found || !regex_span(m, 0, &begin, &end))
            break;
        code = between ? put_token(t, to, s, from, begin) : put_token(t, to, s, begin, end);
        from = end > begin ? end : begin < s.length ? begin + character(s, begin) : s.length + 1;
    }
    return code == SIB_OK && between && from <= s.length ? put_token(t, to, s, from, s.length) : code;
}

static sib_code tokenize_one(const tokens *t, sib_str s, spans *to)
{
    sib_code code = SIB_OK;
    if (t->characters) {
        for (size_t at = 0, n; at < s.length && code == SIB_OK; at += n) {
            n = character(s, at);
            code = put_token(t, to, s, at, at + n);
        }
        return code;
    }
    if (t->spec.tokenexp.length)
        return search_tokens(t, &t->patterns[0], s, false, to);
    spans now = {0}, next = {0}; /* each separator splits what the one before has left */
    code = spans_put(t->c, &now, s, 0, s.length);
    for (size_t i = 0; i < t->n && code == SIB_OK; i++) {
        next.n = 0;
        for (size_t k = 0; k < now.n && code == SIB_OK; k++)
            code = search_tokens(t, &t->patterns[i], now.items[k].text, true, &next);
        spans swapped = now;
        now = next;
        next = swapped;
    }
    for (size_t i = 0; i < now.n && code == SIB_OK; i++)
        code = spans_put(t->c, to, now.items[i].text, 0, now.items[i].text.length);
    mem_free(now.items);
    mem_free(next.items);
    return code;
}

static sib_code make_patterns(tokens *t)
{
    const tokenizer_spec *spec = &t->spec;
    bool by_token = spec->tokenexp.length > 0;
    size_t n = by_token ? 1 : spec->separators.n;
    if (by_token == (spec->separators.n > 0))
        return ref_fail(t->c, SIB_ERR_VALUE, "one of separators and tokenexp is needed");
    t->characters = !by_token && n == 1 && !spec->separators.v[0].length;
    t->patterns = mem_calloc(n, sizeof *t->patterns);
    if (!t->patterns)
        return ref_no_memory(t->c, n * sizeof *t->patterns);
    sib_code code = SIB_OK;
    for (; t->n < n && code == SIB_OK && !t->characters; t->n++) {
        sib_str pattern = by_token ? spec->tokenexp : spec->separators.v[t->n];
        code = pattern.length ? regex_make(t->c, &t->patterns[t->n], pattern, REGEX_LONGEST)
                              : ref_fail(t->c, SIB_ERR_VALUE, "separator %zu is empty", t->n);
    }
    return code;
}

/* Writes rows of tokens, item starts[i] to starts[i + 1] in row i, padded, between marks if asked for. */
static sib_code put_rows(const tokens *t, const spans *found, const size_t *starts)
{
    const sib_tensor *x = ref_in(t->c, 0);
    sib_tensor *out = NULL;
    int64_t dims[SIB_MAX_RANK];
    size_t columns = 0, mark = t->spec.mark ? 1 : 0;
    for (size_t i = 0; i < x->count; i++)
        columns = starts[i + 1] - starts[i] > columns ? starts[i + 1] - starts[i] : columns;
    columns += columns ? 2 * mark : 0;
    memcpy(dims, x->dims, x->rank * sizeof *dims);
    dims[x->rank] = (int64_t)columns;
    sib_code code = ref_make(t->c, 0, SIB_STRING, x->rank + 1, dims, &out);
    for (size_t i = 0; out && i < x->count && code == SIB_OK; i++) {
        size_t n = starts[i + 1] - starts[i];
        for (size_t k = 0; k < columns && code == SIB_OK; k++) {
            sib_str s = mark && k == 0          ? str_of("\x02")
                        : k - mark < n          ? found->items[starts[i] + k - mark].text
                        : mark && k - mark == n ? str_of("\x03")
                                                : t->spec.pad_value;
            code = tensor_put_string((sib_str *)out->data + i * columns + k, s, t->c->err);
        }
    }
    return code;
}

sib_code ref_tokenize(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    tokens t = {.c = c, .spec = spec_tokenizer(c->node)};
    spans found = {0};
    if (x->rank < 1 || x->rank > 2)
        return ref_fail(c, SIB_ERR_VALUE, "X has rank %zu, expected 1 or 2", x->rank);
    size_t *starts = mem_calloc(x->count + 1, sizeof *starts);
    if (!starts)
        return ref_no_memory(c, (x->count + 1) * sizeof *starts);
    sib_code code = make_patterns(&t);
    for (size_t i = 0; i < x->count && code == SIB_OK; i++) {
        code = tokenize_one(&t, ((const sib_str *)x->data)[i], &found);
        starts[i + 1] = found.n;
    }
    if (code == SIB_OK)
        code = put_rows(&t, &found, starts);
    for (size_t i = 0; i < t.n; i++)
        regex_free(&t.patterns[i]);
    mem_free(t.patterns);
    mem_free(found.items);
    mem_free(starts);
    return code;
}
