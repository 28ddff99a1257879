#include "fed_model.h"

#include "check.h"

#include "base/error.h"

static sib_code called(fed_model *m, size_t *counter, sib_error *err)
{
    (*counter)++;
    size_t calls = m->n_encodes + m->n_rewinds + m->n_steps + m->n_reorders + m->n_aligns;
    return calls == m->fails_at ? err_set(err, SIB_ERR_IO, "the model was told to fail") : SIB_OK;
}

static void forget(fed_model *m)
{
    m->beams = 1;
    m->n_fed = 0;
}

static sib_code fed_encode(void *self, const float *mel, sib_error *err)
{
    fed_model *m = self;
    const size_t window = 2 * m->model.n_audio_ctx;
    m->seek = mel[0] > 0 ? (uint32_t)mel[0] : 0;
    m->size = 0;
    for (size_t i = 0; i < window; i++)
        m->size += mel[window + i] == 1;
    for (size_t i = m->size; i < window && mel[window] == 1; i++)
        assert_true(mel[i] == 0 && mel[window + i] == 0); /* silence after the content */
    forget(m);
    return called(m, &m->n_encodes, err);
}

static sib_code fed_step(void *self, size_t beams, size_t n, const int32_t *tokens, size_t n_at,
                         const size_t *at, float *logits, sib_error *err)
{
    fed_model *m = self;
    const size_t room = m->model.n_text_ctx;
    assert_int_equal(beams, m->beams);
    assert_true(m->n_fed + n <= room);
    for (size_t b = 0; b < beams; b++) {
        int32_t *fed = m->fed + b * room;
        memcpy(fed + m->n_fed, tokens + b * n, n * sizeof *fed);
        for (size_t i = 0; i < n_at; i++) {
            assert_true(at[i] < n && (i == 0 || at[i] > at[i - 1]));
            m->fill(m, fed, m->n_fed + at[i] + 1, logits + (b * n_at + i) * m->model.n_vocab);
        }
    }
    m->n_fed += n;
    return called(m, &m->n_steps, err);
}

static sib_code fed_reorder(void *self, size_t beams, const size_t *from, sib_error *err)
{
    fed_model *m = self;
    const size_t room = m->model.n_text_ctx;
    int32_t *fed = malloc(beams * room * sizeof *fed);
    assert_true(m->n_fed > 0);
    for (size_t b = 0; b < beams; b++) {
        assert_true(from[b] < m->beams);
        memcpy(fed + b * room, m->fed + from[b] * room, m->n_fed * sizeof *fed);
    }
    free(m->fed);
    m->fed = fed;
    m->beams = beams;
    return called(m, &m->n_reorders, err);
}

static sib_code fed_rewind(void *self, sib_error *err)
{
    fed_model *m = self;
    assert_true(m->n_encodes > 0);
    forget(m);
    return called(m, &m->n_rewinds, err);
}

static sib_code fed_align(void *self, size_t n, const int32_t *tokens, size_t n_heads,
                          const int32_t (*heads)[2], float *scores, float *logits, sib_error *err)
{
    fed_model *m = self;
    const size_t n_audio = m->model.n_audio_ctx;
    assert_true(n <= m->model.n_text_ctx);
    for (size_t i = 0; i < n; i++)
        m->fill(m, tokens, i + 1, logits + i * m->model.n_vocab);
    for (size_t h = 0; h < n_heads; h++)
        for (size_t i = 0; i < n; i++)
            for (size_t f = 0; f < n_audio; f++)
                scores[(h * n + i) * n_audio + f] = m->attend ? m->attend(m, heads[h], i, f) : 0;
    forget(m);
    return called(m, &m->n_aligns, err);
}

void fed_open(fed_model *m, const whisper_model *shape)
{
    *m = (fed_model){.model = *shape, .beams = 1};
    m->model.self = m;
    m->model.encode = fed_encode;
    m->model.step = fed_step;
    m->model.reorder = fed_reorder;
    m->model.rewind = fed_rewind;
    m->model.align = fed_align;
    m->fed = malloc(shape->n_text_ctx * sizeof *m->fed);
}

void fed_close(fed_model *m)
{
    free(m->fed);
}

float *fed_features(const whisper_model *shape, size_t content, size_t *n_frames)
{
    *n_frames = content + 2 * shape->n_audio_ctx;
    float *mel = calloc(shape->n_mels * *n_frames, sizeof *mel);
    for (size_t f = 0; f < *n_frames; f++) {
        mel[f] = (float)f;
        mel[*n_frames + f] = 1;
    }
    return mel;
}
