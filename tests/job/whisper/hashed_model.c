#include "hashed_model.h"

#include "check.h"

/* ---- Hashes ------------------------------------------------------------------------------------------ */

/* The finalizer of MurmurHash3: every bit of x affects every bit of the result. */
static uint32_t mixed(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    return x ^ x >> 16;
}

static uint32_t fold(uint32_t h, uint32_t x)
{
    h = (h ^ x) * 0x9E3779B1u;
    return h ^ h >> 15;
}

/* Draw k of a hash. */
static uint32_t draw(uint32_t h, uint32_t k)
{
    return mixed(h + (k + 1) * 0x9E3779B9u);
}

/* Draw k of a hash, in 0 .. max, in units of 1/1024. */
static float height(uint32_t h, uint32_t k, uint32_t max)
{
    return (float)(draw(h, k) % (max + 1)) / 1024;
}

static uint32_t window_hash(const hashed_model *m)
{
    return fold(fold(fold(0x2545F491u, m->script.seed), m->fed.seek), m->fed.size);
}

/* ---- Logits ------------------------------------------------------------------------------------------ */

/* Logits after tokens (n): (n_vocab). */
static void fill(const hashed_model *m, const int32_t *tokens, size_t n, float *logits)
{
    const hashed_script *s = &m->script;
    const size_t n_vocab = m->fed.model.n_vocab;
    const uint32_t window = window_hash(m);
    const float low = (float)s->low / 1024;
    uint32_t h = window, since_start = 0, last = 0, since_stamp = 0;
    for (size_t i = 0; i < n; i++) {
        h = fold(h, (uint32_t)tokens[i]);
        since_start++;
        since_stamp++;
        if (tokens[i] == m->sot)
            since_start = last = since_stamp = 0;
        if (tokens[i] >= m->timestamp_begin) {
            last = (uint32_t)(tokens[i] - m->timestamp_begin);
            since_stamp = 0;
        }
    }
    for (size_t t = 0; t < n_vocab; t++)
        logits[t] = m->jitter[(t + h) % HASHED_JITTER];
    const bool looping = draw(window, 0) % 100 < s->looping;
    for (uint32_t k = 0; k < 6; k++) {
        uint32_t token = s->palette[looping ? 0 : draw(h, 10 + k) % s->n_palette];
        logits[token] = low + height(h, 20 + k, s->sharp) + (looping ? 6 : 0);
    }
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t to = last + (k == 0 && since_stamp == 0 ? 0 : draw(h, 30 + k) % 150);
        size_t token = (size_t)m->timestamp_begin + (to < 1500 ? to : 1500);
        if (token < n_vocab)
            logits[token] =
                low + height(h, 40 + k, s->stamp) + (float)(since_stamp < 16 ? since_stamp : 16) / 4;
    }
    logits[m->eot] = low + height(h, 50, s->end) * (float)(since_start < 64 ? since_start : 64) / 16;
    if (since_start == 0) {
        if (m->no_speech >= 0)
            logits[m->no_speech] = low + height(h, 51, s->silence);
        for (uint32_t k = 0; k < 3 && m->n_languages > 0; k++)
            logits[(size_t)m->first_language + draw(h, 60 + k) % m->n_languages] =
                low + height(h, 70 + k, s->sharp);
    }
}

/* ---- The model --------------------------------------------------------------------------------------- */

static void hashed_fill(fed_model *m, const int32_t *tokens, size_t n, float *logits)
{
    fill(m->script, tokens, n, logits);
}

static float hashed_attend(fed_model *fed, const int32_t head[2], size_t i, size_t position)
{
    hashed_model *m = fed->script;
    const uint32_t window = window_hash(m), f = (uint32_t)position;
    const uint32_t h = fold(fold(window, (uint32_t)head[0]), (uint32_t)head[1]);
    if (position == 0) /* positions, and then tokens, are queried in order */
        m->middle = (i > 0 ? m->middle : 0) + draw(window, 1000 + (uint32_t)i) % (m->script.spread + 1);
    uint32_t off = f > m->middle ? f - m->middle : m->middle - f;
    float noise = (float)(draw(h, (uint32_t)(i * fed->model.n_audio_ctx) + f) & 0xFFFF) / 65536;
    return noise - (float)(off < 1500 ? off : 1500) * (float)m->script.slope / 64;
}

static int32_t find(const sib_tokenizer *t, const char *name)
{
    return sib_tokenizer_find(t, name, strlen(name));
}

void hashed_open(hashed_model *h, const whisper_model *shape, const sib_tokenizer *t)
{
    *h = (hashed_model){0};
    fed_open(&h->fed, shape);
    h->fed.script = h;
    h->fed.fill = hashed_fill;
    h->fed.attend = hashed_attend;
    h->eot = find(t, "<|endoftext|>");
    h->sot = find(t, "<|startoftranscript|>");
    h->no_speech = find(t, "<|nospeech|>");
    h->timestamp_begin = find(t, "<|0.00|>");
    h->first_language = h->sot + 1;
    h->n_languages = shape->multilingual ? (size_t)(find(t, "<|translate|>") - h->first_language) : 0;
    h->jitter = malloc(HASHED_JITTER * sizeof *h->jitter);
    for (uint32_t i = 0; i < HASHED_JITTER; i++)
        h->jitter[i] = (float)(mixed(i * 0x9E3779B9u + 12345) & 0x7FFFFF) / 0x800000;
}

void hashed_close(hashed_model *h)
{
    fed_close(&h->fed);
    free(h->jitter);
}
