/* Searches for text with a decoder in an attribute. The session runs them (run/execute/search.c); this file infers the
   types of their outputs. */
#include "ops/sequence/search.h"
#include "base/error.h"
#include "ops/lower/lower.h"
#include "ops/ops.h"

/* Inputs of a decoder of GPT-2's form before its past. */
#define BEFORE_PAST 3

bool search_shares(const graph *decoder)
{
    return decoder->inputs.n == decoder->outputs.n + BEFORE_PAST;
}

static sib_code check_decoder(const graph *g, const char *which, sib_error *err)
{
    if (!g || (g->outputs.n > 1 && (g->inputs.n == g->outputs.n + BEFORE_PAST - 1 || search_shares(g))))
        return SIB_OK;
    return err_set(
        err, SIB_ERR_UNSUPPORTED,
        "%s has %u inputs and %u outputs: only decoders with input_ids, position_ids, attention_mask, "
        "a past for each layer and perhaps past_sequence_length are run, that give logits and as many "
        "states",
        which, g->inputs.n, g->outputs.n);
}

/* The keys that init_decoder leaves in a buffer have another order than DecoderMaskedSelfAttention reads. */
static sib_code check_order(const search_spec *spec, sib_error *err)
{
    const graph *g = spec->decoder;
    for (uint32_t i = 0; spec->init_decoder && search_shares(g) && i < g->n_nodes; i++)
        if (str_is(g->nodes[i].type, "DecoderMaskedSelfAttention"))
            return err_set(
                err, SIB_ERR_UNSUPPORTED,
                "decoder has a DecoderMaskedSelfAttention over shared buffers behind an init_decoder");
    return SIB_OK;
}

/* With L layers, the decoder has 2L states of its own, and 2L of the encoder; see run/execute/search_encoder.c. */
static sib_code check_encoder(const search_spec *spec, sib_error *err)
{
    const graph *e = spec->encoder, *d = spec->decoder;
    const uint32_t ahead = spec->model_type == SEARCH_T5 ? 2 : 1, states = d->outputs.n - 1;
    if (!e)
        return err_set(err, SIB_ERR_FORMAT, "model_type is %lld, but attribute encoder is missing",
                       (long long)spec->model_type);
    if (spec->init_decoder || d->outputs.n < 3 || states % 2 ||
        (d->inputs.n != ahead + 2 * states && d->inputs.n != ahead + 1 + 2 * states))
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "decoder has %u inputs and %u outputs: only decoders without shared buffers and attention "
            "as output are run, with %u or %u inputs for %u states",
            d->inputs.n, d->outputs.n, ahead + 2 * states, ahead + 1 + 2 * states, states);
    if (e->inputs.n != ahead + 1 || e->outputs.n != 2 + 2 * states)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "encoder has %u inputs and %u outputs: only encoders with %u inputs are run, that give logits, "
            "hidden states and %u states",
            e->inputs.n, e->outputs.n, ahead + 1, 2 * states);
    return SIB_OK;
}

static bool node_has(const id_list *list, size_t i)
{
    return i < list->n && list->ids[i] != NO_VALUE;
}

sib_code search_check(const node *n, sib_error *err)
{
    const search_spec spec = spec_search(n);
    const bool encodes = spec.model_type == SEARCH_T5 || spec.model_type == SEARCH_WHISPER;
    if (!spec.decoder)
        return err_set(err, SIB_ERR_FORMAT, "attribute decoder is missing");
    if (spec.model_type != SEARCH_GPT && (!encodes || !n->op || n->op->control != CONTROL_BEAM_SEARCH))
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "model_type is %lld: searches with an encoder are those of BeamSearch (1 and 2) and "
                       "WhisperBeamSearch alone",
                       (long long)spec.model_type);
    if (spec.decoder_output_cross_qk || node_has(&n->outputs, 3) || node_has(&n->inputs, 13))
        return err_set(err, SIB_ERR_UNSUPPORTED, "attention to the encoder as output (cross_qk) is not made");
    if (encodes)
        return check_encoder(&spec, err);
    if (spec.encoder || (n->op && n->op->control == CONTROL_BEAM_SEARCH && node_has(&n->inputs, 10)))
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "encoder and decoder_input_ids are for searches whose model_type is 1 or 2");
    sib_code code = check_decoder(spec.decoder, "decoder", err);
    if (code == SIB_OK)
        code = check_decoder(spec.init_decoder, "init_decoder", err);
    return code == SIB_OK ? check_order(&spec, err) : code;
}

/* Infers a decoder by what it declares. */
static bool infer_decoder(lowering *l, graph *g)
{
    sib_error err = SIB_ERROR_INIT;
    if (!g)
        return true;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        g->values[g->inputs.ids[i]].type = g->values[g->inputs.ids[i]].declared;
    if (l->infer_subgraph(l, g, &err) != SIB_OK)
        l_fail(l, err.code, "%s", err.message);
    return l_ok(l);
}

static bool infer_search(lowering *l, const node *n)
{
    sib_error err = SIB_ERROR_INIT;
    const search_spec spec = spec_search(n);
    if (l_ok(l) && !l->infer_subgraph)
        l_fail(l, SIB_ERR_UNSUPPORTED, "it runs subgraphs, which needs a session");
    if (l_ok(l) && search_check(n, &err) != SIB_OK)
        l_fail(l, err.code, "%s", err.message);
    return l_ok(l) && infer_decoder(l, spec.encoder) && infer_decoder(l, spec.decoder) &&
           infer_decoder(l, spec.init_decoder);
}

/* The number in input i, or a dim that is not known. */
static dim input_dim(lowering *l, size_t i)
{
    mval v = l_in(l, i);
    return l_ok(l) && m_is_known(l, v) ? d_const(l, (int64_t)m_float(l, v)) : dim_fresh(l->graph->dims);
}

/* Texts of at most max_length tokens, each token the one with the highest score: sequences [batch, max_length], with
   padding from the end of a text on. com.microsoft GreedySearch-1. */
void lower_MS_GreedySearch(lowering *l, const node *n)
{
    if (!infer_search(l, n))
        return;
    dim dims[2] = {m_dim(l, l_in(l, 0), 0), input_dim(l, 1)};
    l_declare(l, 0, SIB_I32, 2, dims);
}

/* Texts of at most max_length tokens, each token drawn from the most probable ones, whose probabilities sum up to top_p:
   sequences [batch, max_length], and the scores that the last one was drawn from. com.microsoft Sampling-1. */
void lower_MS_Sampling(lowering *l, const node *n)
{
    if (!infer_search(l, n))
        return;
    dim dims[2] = {m_dim(l, l_in(l, 0), 0), input_dim(l, 1)};
    dim scores[2] = {dims[0], dim_fresh(l->graph->dims)};
    l_declare(l, 0, SIB_I32, 2, dims);
    l_declare(l, 1, SIB_F32, 2, scores);
}

/* Tokens that stand before the first step. */
static dim prompt_dim(lowering *l, const node *n)
{
    const int64_t form = spec_search(n).model_type;
    if (form == SEARCH_GPT)
        return m_dim(l, l_in(l, 0), 1);
    return form == SEARCH_WHISPER && node_has(&n->inputs, 10) ? m_dim(l, l_in(l, 10), 1) : d_const(l, 1);
}

static void infer_beams(lowering *l, const node *n)
{
    if (!infer_search(l, n))
        return;
    dim batch = m_dim(l, l_in(l, 0), 0), open = dim_fresh(l->graph->dims);
    dim dims[3] = {batch, input_dim(l, 4), input_dim(l, 1)};
    dim steps[4] = {d_sub(l, dims[2], prompt_dim(l, n)), batch, input_dim(l, 3), open};
    l_declare(l, 0, SIB_I32, 3, dims);
    l_declare(l, 1, SIB_F32, 2, dims);
    l_declare(l, 2, SIB_F32, 4, steps);
}

/* The texts whose sum of logarithms of probabilities, over their length to the power of length_penalty, is the highest
   among those that num_beams beams meet: sequences [batch, num_return_sequences, max_length], their scores, and the
   scores of every step. com.microsoft BeamSearch-1. */
void lower_MS_BeamSearch(lowering *l, const node *n)
{
    infer_beams(l, n);
}

/* The same with Whisper's encoder and decoder, and of each text the probability of no_speech_token_id in its first step.
   com.microsoft WhisperBeamSearch-1. */
void lower_MS_WhisperBeamSearch(lowering *l, const node *n)
{
    infer_beams(l, n);
    dim batch = l_ok(l) ? m_dim(l, l_in(l, 0), 0) : DIM_NONE;
    l_declare(l, 4, SIB_F32, 1, &batch);
}
