#include "job/whisper/letters.h"
#include "job/whisper/words.h"

#include "base/alloc.h"

#include <string.h>

#define UNKNOWN "\xEF\xBF\xBD" /* U+FFFD, which stands for invalid bytes */

void whisper_timed_free(whisper_timed_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_free(&l->data[i].text);
    mem_free(l->data);
    *l = (whisper_timed_list){0};
}

/* Moves text to the list as a word of n tokens. */
static sib_code add_word(whisper_timed_list *l, byte_buffer *text, size_t n, sib_error *err)
{
    sib_code code =
        ARRAY_PUSH(l->data, l->n, l->capacity, "words", err, (whisper_timed){.text = *text, .n_tokens = n});
    if (code == SIB_OK)
        *text = (byte_buffer){0};
    return code;
}

/* True where `text`, at character `offset` of `full`, is complete: it has U+FFFD only where the full text has
   it too. */
static bool is_whole(sib_str text, sib_str full, size_t offset)
{
    const char *at = memmem(text.data, text.length, UNKNOWN, 3);
    if (!at)
        return true;
    size_t before = whisper_letters((sib_str){text.data, (size_t)(at - text.data)});
    sib_str letter = whisper_letter(full, offset + before);
    return letter.length == 3 && !memcmp(letter.data, UNKNOWN, 3);
}

/* True where a piece begins a word. */
static bool begins_word(const whisper_tokens *w, int32_t first, sib_str piece)
{
    static const char punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    return first >= w->eot || (piece.length > 0 && piece.data[0] == ' ') ||
           whisper_within(whisper_trim(piece), (sib_str){punctuation, sizeof punctuation - 1});
}

sib_code whisper_split(const whisper_tokens *w, const int32_t *ids, size_t n, whisper_timed_list *out,
                       sib_error *err)
{
    const bool pieces = w->language && whisper_language_unspaced(w->language);
    const size_t before = out->n;
    byte_buffer full = {0}, text = {0};
    size_t offset = 0; /* characters of the pieces so far */
    sib_code code = whisper_tokens_decode(w, ids, n, INT32_MAX, &full, err);
    for (size_t from = 0, to = 1; to <= n && code == SIB_OK; to++) {
        text.n = 0;
        code = whisper_tokens_decode(w, ids + from, to - from, INT32_MAX, &text, err);
        sib_str piece = buf_str(&text);
        if (code != SIB_OK || !is_whole(piece, buf_str(&full), offset))
            continue;
        offset += whisper_letters(piece);
        if (pieces || out->n == before || begins_word(w, ids[from], piece)) {
            code = add_word(out, &text, to - from, err);
        } else {
            whisper_timed *last = &out->data[out->n - 1];
            code = buf_add(&last->text, piece.data, piece.length, err);
            last->n_tokens += to - from;
        }
        from = to;
    }
    buf_free(&full);
    buf_free(&text);
    return code;
}

/* to = first followed by second. The word that gave its text also gives its tokens. */
static sib_code join(whisper_timed *first, whisper_timed *second, whisper_timed *to, sib_error *err)
{
    byte_buffer text = {0};
    sib_code code = buf_add(&text, first->text.data, first->text.n, err);
    if (code == SIB_OK)
        code = buf_add(&text, second->text.data, second->text.n, err);
    if (code != SIB_OK) {
        buf_free(&text);
        return code;
    }
    size_t n = first->n_tokens + second->n_tokens;
    buf_free(&first->text);
    buf_free(&second->text);
    first->n_tokens = second->n_tokens = 0;
    to->text = text;
    to->n_tokens = n;
    return SIB_OK;
}

sib_code whisper_join_marks(whisper_timed_list *l, const char *prepended, const char *appended,
                            sib_error *err)
{
    const sib_str before = {prepended, strlen(prepended)}, after = {appended, strlen(appended)};
    sib_code code = SIB_OK;
    if (l->n < 2)
        return code;
    for (size_t i = l->n - 1, next = i; i-- > 0 && code == SIB_OK;) {
        sib_str text = buf_str(&l->data[i].text);
        if (text.length > 0 && text.data[0] == ' ' && whisper_within(whisper_trim(text), before))
            code = join(&l->data[i], &l->data[next], &l->data[next], err);
        else
            next = i;
    }
    for (size_t i = 1, last = 0; i < l->n && code == SIB_OK; i++) {
        sib_str text = buf_str(&l->data[last].text);
        bool blank = text.length > 0 && text.data[text.length - 1] == ' ';
        if (!blank && whisper_within(buf_str(&l->data[i].text), after))
            code = join(&l->data[last], &l->data[i], &l->data[last], err);
        else
            last = i;
    }
    return code;
}
