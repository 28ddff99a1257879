/* Runs the decoder of a search: a graph of GPT-2's form. Its inputs are input_ids, position_ids and attention_mask of
   int32, then past of each layer [2, rows, heads, tokens, size]; its outputs logits and present of each layer. With
   shared buffers these have room for max_length tokens, and a last input says how many are used. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "ops/ops.h"
#include "run/execute/search.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

/* Inputs of the decoder before the past, and of the node. */
enum { INPUT_IDS, POSITION_IDS, ATTENTION_MASK, PAST };

/* Where make_inputs puts the number of used tokens. */
#define USED PAST

/* Elements, loaded where they are still in their file or on a device. */
static const int32_t *ints_of(const sib_tensor *t)
{
    return sib_tensor_data(t);
}

/* ---- Opening ------------------------------------------------------------------------------------------ */

/* Tokens, mask and positions of the prompt. Where no mask is given, padding is what is left out; it has no position,
   whatever the mask says. */
static void fill_prompt(search *s, const int32_t *mask)
{
    for (size_t r = 0; r < s->rows; r++) {
        const size_t b = r / s->beams;
        int32_t position = 0;
        for (size_t t = 0; t < s->prompt; t++) {
            const int32_t id =
                s->given ? s->given[b * s->prompt + t] : (int32_t)s->spec.decoder_start_token_id;
            s->tokens[r * s->max_length + t] = id;
            s->mask[r * s->prompt + t] = mask ? mask[b * s->prompt + t] : id != s->spec.pad_token_id;
            position += id != s->spec.pad_token_id;
        }
        s->position[r] = position;
    }
}

/* The past before the first step: no tokens, or shared buffers of zeros, with the heads and sizes that the decoder
   declares. */
static sib_code empty_past(search *s, sib_error *err)
{
    const graph *g = s->c->bodies[0].g;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < s->layers && code == SIB_OK; i++) {
        const value_type *t = &g->values[g->inputs.ids[PAST + i]].declared;
        int64_t dims[5] = {2, (int64_t)s->rows, 0, s->shares ? (int64_t)s->max_length : 0, 0};
        sib_tensor *made = NULL;
        if (t->depth || !t->dtype || t->shape.rank != 5 ||
            !dim_is_const(g->dims, t->shape.dims[2], &dims[2]) ||
            !dim_is_const(g->dims, t->shape.dims[4], &dims[4]))
            return err_set(err, SIB_ERR_FORMAT,
                           "input %zu of its decoder does not say its heads and their size: expected [2, N, "
                           "heads, tokens, size]",
                           PAST + i);
        code = sib_tensor_create(t->dtype, 5, dims, &made, err);
        if (code == SIB_OK)
            code = value_take_tensor(made, &s->past[i], err);
    }
    return code;
}

static sib_code allocate(search *s, sib_error *err)
{
    size_t all, mask;
    if (!size_mul(s->batch, s->beams, &s->rows) || !size_mul(s->rows, s->max_length, &all) ||
        !size_mul(s->rows, s->prompt, &mask))
        return err_set(err, SIB_ERR_SIZE, "%zu texts of %zu beams are too many", s->batch, s->beams);
    s->tokens = mem_calloc(all + 1, sizeof *s->tokens);
    s->moved = mem_calloc(all + 1, sizeof *s->moved);
    s->mask = mem_calloc(mask + 1, sizeof *s->mask);
    s->position = mem_calloc(s->rows + 1, sizeof *s->position);
    s->past = mem_calloc(s->layers + 1, sizeof *s->past);
    if (!s->tokens || !s->moved || !s->mask || !s->position || !s->past)
        return err_memory(err, 2 * all * sizeof *s->tokens, "the tokens of a search");
    return SIB_OK;
}

/* Reads the optional masks, inputs `first` + 1 to + 3. */
static sib_code read_masks(search *s, size_t first, const sib_tensor **attention, sib_error *err)
{
    const sib_tensor *vocab = NULL, *prefix = NULL;
    sib_code code = search_ints(s, first + 1, "vocab_mask", 1, &vocab, err);
    if (code == SIB_OK)
        code = search_ints(s, first + 2, "prefix_vocab_mask", 2, &prefix, err);
    if (code == SIB_OK && !search_encodes(s))
        code = search_ints(s, first + 3, "attention_mask", 2, attention, err);
    if (code == SIB_OK && *attention &&
        ((size_t)(*attention)->dims[0] != s->batch || (size_t)(*attention)->dims[1] != s->prompt))
        return err_set(err, SIB_ERR_ARGUMENT, "attention_mask has other dims than input_ids");
    if (code == SIB_OK && prefix && (size_t)prefix->dims[0] != s->batch)
        return err_set(err, SIB_ERR_ARGUMENT, "prefix_vocab_mask has rows for %lld texts of %zu",
                       (long long)prefix->dims[0], s->batch);
    if (vocab)
        s->vocab_mask = ints_of(vocab), s->n_vocab_mask = (size_t)vocab->dims[0];
    if (prefix)
        s->prefix_mask = ints_of(prefix), s->n_prefix_mask = (size_t)prefix->dims[1];
    return code;
}

static sib_code open_prompt(search *s, sib_error *err)
{
    const sib_tensor *ids = NULL;
    sib_code code = search_ints(s, 0, "input_ids", 2, &ids, err);
    if (code == SIB_OK && (!ids || !ids->dims[0] || !ids->dims[1]))
        return err_set(err, SIB_ERR_ARGUMENT, "input_ids has no tokens");
    if (code != SIB_OK)
        return code;
    s->batch = (size_t)ids->dims[0];
    s->length = s->prompt = (size_t)ids->dims[1];
    s->given = ints_of(ids);
    return SIB_OK;
}

static sib_code read_numbers(search *s, size_t first, sib_error *err)
{
    int64_t max = 0, min = 0;
    s->repetition = 1;
    sib_code code = search_int(s, 1, "max_length", (int64_t)s->prompt + 1, SEARCH_MAX_LENGTH, &max, err);
    if (code == SIB_OK && !max)
        return err_set(err, SIB_ERR_ARGUMENT, "max_length is missing");
    if (code == SIB_OK)
        code = search_int(s, 2, "min_length", 0, max - 1, &min, err);
    if (code == SIB_OK)
        code = search_float(s, first, "repetition_penalty", &s->repetition, err);
    if (code == SIB_OK && !(s->repetition > 0))
        return err_set(err, SIB_ERR_ARGUMENT, "repetition_penalty is %g, expected above 0",
                       (double)s->repetition);
    s->max_length = (size_t)max;
    s->min_length = (size_t)min;
    return code;
}

/* Makes the graphs ready to run. */
static sib_code begin_graphs(search *s, sib_error *err)
{
    body *b = s->c->bodies;
    sib_code code = body_begin(&b[0], s->f, s->spec.decoder, "decoder", SIZE_MAX, err);
    if (code == SIB_OK && search_encodes(s))
        code = body_begin(&b[1], s->f, s->spec.encoder, "encoder", SIZE_MAX, err);
    else if (code == SIB_OK && s->spec.init_decoder)
        code = body_begin(&b[1], s->f, s->spec.init_decoder, "init_decoder", b[0].g->inputs.n, err);
    if (code == SIB_OK) {
        s->layers = b[0].g->outputs.n - 1;
        s->shares = !search_encodes(s) && search_shares(b[0].g);
    }
    return code;
}

sib_code search_open(search *s, size_t first, sib_error *err)
{
    const sib_tensor *attention = NULL;
    sib_code code = search_check(s->n, err);
    if (code == SIB_OK)
        code = search_encodes(s) ? search_open_encoder(s, err) : open_prompt(s, err);
    if (code == SIB_OK)
        code = read_numbers(s, first, err);
    if (code == SIB_OK)
        code = read_masks(s, first, &attention, err);
    if (code == SIB_OK)
        code = begin_graphs(s, err);
    if (code == SIB_OK)
        code = allocate(s, err);
    if (code == SIB_OK)
        code = search_encodes(s) ? search_begin_encoder(s, err) : empty_past(s, err);
    if (code == SIB_OK)
        fill_prompt(s, attention ? ints_of(attention) : NULL);
    return code;
}

void search_close(search *s)
{
    for (size_t i = 0; s->past && i < s->layers; i++)
        sib_value_free(&s->past[i]);
    for (size_t i = 0; s->fixed && i < s->n_fixed; i++)
        sib_value_free(&s->fixed[i]);
    mem_free(s->past);
    mem_free(s->fixed);
    mem_free(s->tokens);
    mem_free(s->moved);
    mem_free(s->mask);
    mem_free(s->position);
    mem_free(s->scores);
    mem_free(s->seen);
    mem_free(s->sorted);
}

/* ---- Steps -------------------------------------------------------------------------------------------- */

static sib_code new_number(int32_t x, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(SIB_I32, 1, (int64_t[]){1}, &t, err);
    if (code != SIB_OK)
        return code;
    *(int32_t *)sib_tensor_data(t) = x;
    return value_take_tensor(t, out, err);
}

/* Tokens, positions and mask of a step: of the prompt, or of the last token; and how many tokens are in shared
   buffers. */
static sib_code make_inputs(search *s, sib_value **in, sib_error *err)
{
    const bool first = s->length == s->prompt;
    const size_t n = first ? s->prompt : 1;
    int32_t *ids = NULL, *positions = NULL, *mask = NULL;
    sib_code code = search_new_ints(s->rows, n, &in[INPUT_IDS], &ids, err);
    if (code == SIB_OK)
        code = search_new_ints(s->rows, n, &in[POSITION_IDS], &positions, err);
    if (code == SIB_OK)
        code = search_new_ints(s->rows, s->length, &in[ATTENTION_MASK], &mask, err);
    if (code == SIB_OK && s->shares)
        code = new_number(first ? 0 : (int32_t)(s->length - 1), &in[USED], err);
    for (size_t r = 0; r < s->rows && code == SIB_OK; r++) {
        memcpy(ids + r * n, s->tokens + r * s->max_length + s->length - n, n * sizeof *ids);
        int32_t at = 0;
        for (size_t t = 0; t < s->length; t++) {
            mask[r * s->length + t] = t < s->prompt ? s->mask[r * s->prompt + t] : 1;
            if (first)
                positions[r * n + t] = ids[r * n + t] != s->spec.pad_token_id ? at++ : 0;
        }
        if (!first)
            positions[r] = s->position[r]++;
    }
    return code;
}

/* The state v with row r that of from[r]: [2, rows, ...], or [rows, ...] with an encoder. */
static sib_code reorder(const search *s, const size_t *from, sib_value **v, sib_error *err)
{
    const sib_tensor *old = sib_value_tensor(*v);
    const size_t parts = search_encodes(s) ? 1 : 2;
    sib_tensor *made = NULL;
    if (!old || old->rank != 3 + parts || (size_t)old->dims[parts - 1] != s->rows ||
        (parts == 2 && old->dims[0] != 2))
        return err_set(err, SIB_ERR_FORMAT,
                       "its decoder gives a state that is not [%s%zu, heads, tokens, size]",
                       parts == 2 ? "2, " : "", s->rows);
    sib_code code = sib_tensor_create(old->dtype, old->rank, old->dims, &made, err);
    if (code != SIB_OK)
        return code;
    const char *rows = sib_tensor_data(old);
    const size_t bytes = (size_t)old->count / (parts * s->rows) * dtype_stride(old->dtype);
    for (size_t i = 0; i < parts * s->rows; i++)
        memcpy((char *)sib_tensor_data(made) + i * bytes,
               rows + (i / s->rows * s->rows + from[i % s->rows]) * bytes, bytes);
    sib_value_free(v);
    return value_take_tensor(made, v, err);
}

static sib_code step_decoder(search *s, sib_error *err)
{
    const bool first = s->length == s->prompt;
    body *b = &s->c->bodies[first && s->spec.init_decoder ? 1 : 0];
    sib_value *in[USED + 1] = {NULL};
    sib_code code = make_inputs(s, in, err);
    for (size_t i = 0; i < PAST + s->layers; i++)
        b->in[i] = i < PAST ? in[i] : s->past[i - PAST];
    if (s->shares)
        b->in[PAST + s->layers] = in[USED];
    if (code == SIB_OK)
        code = body_run(b, s->f, s->n, (int64_t)(s->length - s->prompt), err);
    if (code == SIB_OK)
        code = search_read_logits(s, b->out[0], 1, err);
    if (code == SIB_OK)
        search_keep_states(s, b);
    for (size_t i = 0; i <= USED; i++)
        sib_value_free(&in[i]);
    return code;
}

sib_code search_step(search *s, const size_t *from, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < s->layers && from && code == SIB_OK; i++)
        code = reorder(s, from, &s->past[i], err);
    if (code != SIB_OK)
        return code;
    return search_encodes(s) ? search_step_encoder(s, err) : step_decoder(s, err);
}

void search_append(search *s, const size_t *from, const int32_t *token)
{
    for (size_t r = 0; r < s->rows; r++) {
        memcpy(s->moved + r * s->max_length, s->tokens + (from ? from[r] : r) * s->max_length,
               s->length * sizeof *s->tokens);
        s->moved[r * s->max_length + s->length] = token[r];
    }
    int32_t *old = s->tokens;
    s->tokens = s->moved;
    s->moved = old;
    s->length++;
}
