/* Searches with an encoder: its outputs, a row for each beam, are the first state of the decoder, and what each of its
   steps reads beside the tokens. With L layers,

     encoder: T5's     encoder_input_ids [B, S], encoder_attention_mask [B, S], decoder_input_ids [B, 1]
              Whisper's encoder_input_ids [B, features, frames], decoder_input_ids [B, P]
              to logits [B, P, vocabulary], encoder_hidden_states, 2L states of the decoder's own attention, and 2L of its
              attention to the encoder
     decoder: input_ids [B, 1], T5's encoder_attention_mask, encoder_hidden_states where it reads them, the 4L states
              to logits [B, 1, vocabulary] and 2L states of its own attention. */
#include "base/alloc.h"
#include "base/error.h"
#include "run/execute/search.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

enum { LOGITS, HIDDEN, STATES }; /* outputs of the encoder; of the decoder states follow its logits */

/* ---- Opening ------------------------------------------------------------------------------------------ */

static sib_code read_prompt(search *s, const sib_tensor **prompt, sib_error *err)
{
    sib_code code = search_ints(s, 10, "decoder_input_ids", 2, prompt, err);
    if (code != SIB_OK || !*prompt)
        return code;
    if (s->spec.model_type == SEARCH_T5)
        return err_set(err, SIB_ERR_UNSUPPORTED, "decoder_input_ids is read where model_type is 2 alone");
    if ((size_t)(*prompt)->dims[0] != s->batch || !(*prompt)->dims[1])
        return err_set(err, SIB_ERR_ARGUMENT,
                       "decoder_input_ids has dims [%lld, %lld], expected [%zu, tokens]",
                       (long long)(*prompt)->dims[0], (long long)(*prompt)->dims[1], s->batch);
    return SIB_OK;
}

sib_code search_open_encoder(search *s, sib_error *err)
{
    const bool whisper = s->spec.model_type == SEARCH_WHISPER;
    const sib_tensor *source = NULL, *prompt = NULL;
    sib_code code = search_input(s, 0, &source, err);
    if (code == SIB_OK &&
        (!source || source->rank != (whisper ? 3 : 2) || !source->count ||
         (whisper ? sib_dtype_get_kind(source->dtype) != SIB_KIND_FLOAT : source->dtype != SIB_I32)))
        return err_set(err, SIB_ERR_ARGUMENT,
                       whisper ? "input_ids must be floats [texts, features, frames]"
                               : "input_ids must be int32 [texts, tokens]");
    if (code != SIB_OK)
        return code;
    s->batch = (size_t)source->dims[0];
    s->source = (size_t)source->dims[1];
    code = read_prompt(s, &prompt, err);
    if (code == SIB_OK && !prompt && s->spec.decoder_start_token_id < 0)
        return err_set(err, SIB_ERR_ARGUMENT, "decoder_start_token_id is missing");
    s->length = s->prompt = prompt ? (size_t)prompt->dims[1] : 1;
    s->given = prompt ? sib_tensor_data(prompt) : NULL;
    return code;
}

/* Whether the decoder reads the tokens of all steps, as one that does not declare its input as [B, 1]. */
static bool reads_all(const graph *decoder)
{
    const dim_shape *t = &decoder->values[decoder->inputs.ids[0]].declared.shape;
    int64_t n = 0;
    return !(t->ranked && t->rank == 2 && dim_is_const(decoder->dims, t->dims[1], &n) && n == 1);
}

sib_code search_begin_encoder(search *s, sib_error *err)
{
    const graph *decoder = s->spec.decoder;
    s->layers = decoder->outputs.n - 1;
    s->n_fixed = decoder->inputs.n - 1 - s->layers;
    s->ahead = s->n_fixed - s->layers;
    s->reads_all = reads_all(decoder);
    s->fixed = mem_calloc(s->n_fixed + 1, sizeof *s->fixed);
    return s->fixed ? SIB_OK : err_memory(err, s->n_fixed * sizeof *s->fixed, "a search");
}

/* ---- The first step ----------------------------------------------------------------------------------- */

/* [B, S]: the node's, or 0 for padding before a text. */
static sib_code make_mask(search *s, const sib_value *source, sib_value **out, sib_error *err)
{
    const sib_tensor *given = NULL;
    int32_t *to = NULL;
    sib_code code = search_ints(s, 9, "attention_mask", 2, &given, err);
    if (code != SIB_OK || given) {
        if (code == SIB_OK && ((size_t)given->dims[0] != s->batch || (size_t)given->dims[1] != s->source))
            return err_set(err, SIB_ERR_ARGUMENT, "attention_mask has other dims than input_ids");
        return code == SIB_OK ? control_share(s->f, s->n, 9, out, err) : code;
    }
    const int32_t *ids = sib_tensor_data(sib_value_tensor(source));
    code = search_new_ints(s->batch, s->source, out, &to, err);
    for (size_t b = 0; b < s->batch && code == SIB_OK; b++) {
        bool begun = false;
        for (size_t t = 0; t < s->source; t++) {
            begun = begun || ids[b * s->source + t] != s->spec.pad_token_id;
            to[b * s->source + t] = begun;
        }
    }
    return code;
}

/* The tokens that the decoder begins with, [B, P]. */
static sib_code make_begin(search *s, sib_value **out, sib_error *err)
{
    int32_t *to = NULL;
    sib_code code = search_new_ints(s->batch, s->prompt, out, &to, err);
    for (size_t b = 0; b < s->batch && code == SIB_OK; b++)
        memcpy(to + b * s->prompt, s->tokens + b * s->beams * s->max_length, s->prompt * sizeof *to);
    return code;
}

/* *v [B, ...] to [rows, ...]: each row for all beams of its text. */
static sib_code repeat(const search *s, sib_value **v, sib_error *err)
{
    const sib_tensor *old = sib_value_tensor(*v);
    int64_t dims[SIB_MAX_RANK];
    sib_tensor *made = NULL;
    if (!old || !old->rank || (size_t)old->dims[0] != s->batch ||
        sib_dtype_get_kind(old->dtype) == SIB_KIND_STRING)
        return err_set(err, SIB_ERR_FORMAT, "its encoder gives a value that is not [%zu, ...]", s->batch);
    if (s->beams == 1)
        return SIB_OK;
    memcpy(dims, old->dims, old->rank * sizeof *dims);
    dims[0] = (int64_t)s->rows;
    sib_code code = sib_tensor_create(old->dtype, old->rank, dims, &made, err);
    if (code != SIB_OK)
        return code;
    const size_t bytes = (size_t)old->count / s->batch * dtype_stride(old->dtype);
    const char *from = sib_tensor_data(old);
    for (size_t r = 0; r < s->rows; r++)
        memcpy((char *)sib_tensor_data(made) + r * bytes, from + r / s->beams * bytes, bytes);
    sib_value_free(v);
    return value_take_tensor(made, v, err);
}

/* Takes the encoder's outputs: the state of the decoder, and what is fixed. mask: T5's, which it takes. */
static sib_code keep_outputs(search *s, body *encoder, sib_value **mask, sib_error *err)
{
    size_t at = 0;
    if (s->spec.model_type == SEARCH_T5)
        s->fixed[at++] = control_take(mask);
    if (at < s->ahead)
        s->fixed[at++] = control_take(&encoder->out[HIDDEN]);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < s->layers; i++) {
        s->past[i] = control_take(&encoder->out[STATES + i]);
        s->fixed[at + i] = control_take(&encoder->out[STATES + s->layers + i]);
    }
    for (size_t i = 0; i < s->layers && code == SIB_OK; i++)
        code = repeat(s, &s->past[i], err);
    for (size_t i = 0; i < s->n_fixed && code == SIB_OK; i++)
        code = repeat(s, &s->fixed[i], err);
    return code;
}

/* Runs the encoder, which gives the first logits as well. */
static sib_code encode(search *s, sib_error *err)
{
    body *b = &s->c->bodies[1];
    const bool t5 = s->spec.model_type == SEARCH_T5;
    sib_value *source = NULL, *mask = NULL, *begin = NULL;
    sib_code code = control_share(s->f, s->n, 0, &source, err);
    if (code == SIB_OK && t5)
        code = make_mask(s, source, &mask, err);
    if (code == SIB_OK)
        code = make_begin(s, &begin, err);
    b->in[0] = source;
    b->in[1] = t5 ? mask : begin;
    if (t5)
        b->in[2] = begin;
    if (code == SIB_OK)
        code = body_run(b, s->f, s->n, 0, err);
    if (code == SIB_OK)
        code = search_read_logits(s, b->out[LOGITS], s->beams, err);
    if (code == SIB_OK)
        code = keep_outputs(s, b, &mask, err);
    sib_value_free(&source);
    sib_value_free(&mask);
    sib_value_free(&begin);
    return code;
}

/* ---- Further steps ------------------------------------------------------------------------------------ */

sib_code search_step_encoder(search *s, sib_error *err)
{
    body *b = &s->c->bodies[0];
    const size_t n = s->reads_all ? s->length : 1;
    sib_value *ids = NULL;
    int32_t *to = NULL;
    if (s->length == s->prompt)
        return encode(s, err);
    sib_code code = search_new_ints(s->rows, n, &ids, &to, err);
    for (size_t r = 0; r < s->rows && code == SIB_OK; r++)
        memcpy(to + r * n, s->tokens + r * s->max_length + s->length - n, n * sizeof *to);
    size_t at = 0;
    b->in[at++] = ids;
    for (size_t i = 0; i < s->ahead; i++)
        b->in[at++] = s->fixed[i];
    for (size_t i = 0; i < s->layers; i++)
        b->in[at++] = s->past[i];
    for (size_t i = s->ahead; i < s->n_fixed; i++)
        b->in[at++] = s->fixed[i];
    if (code == SIB_OK)
        code = body_run(b, s->f, s->n, (int64_t)(s->length - s->prompt), err);
    if (code == SIB_OK)
        code = search_read_logits(s, b->out[LOGITS], 1, err);
    if (code == SIB_OK)
        search_keep_states(s, b);
    sib_value_free(&ids);
    return code;
}
