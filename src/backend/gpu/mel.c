/* The log-mel front end of a node, as gpu/front_end.h plans it. */
#include "backend/gpu/gpu.h"
#include "gpu/front_end.h"

static bool read_task(const node_view *n, front_end_task *t)
{
    gpu_tensor x, y;
    const mel_spec given = spec_mel(n->node);
    if (!gpu_tensor_of(n->graph, n->in[0], &x) || !gpu_tensor_of(n->graph, n->out[0], &y) ||
        x.dtype != SIB_F32 || y.dtype != SIB_F32 || x.wide || y.wide || !x.rank || y.rank < 2)
        return false;
    const size_t samples = (size_t)x.dims[x.rank - 1];
    *t = (front_end_task){.spec = spec_front_end(&given),
                          .recordings = x.count / samples,
                          .samples = samples,
                          .total = samples,
                          .rows = (size_t)y.dims[y.rank - 2],
                          .columns = (size_t)y.dims[y.rank - 1]};
    return gpu_front_end_takes(t);
}

static bool claims(const node_view *n)
{
    front_end_task t;
    return read_task(n, &t);
}

static sib_code add_tables(const sib_mel_spec *spec, gpu_step *s, gpu_operand *out, sib_error *err)
{
    sib_mel *mel = NULL;
    uint32_t *words = NULL;
    size_t n = 0;
    sib_code code = sib_mel_create(spec, NULL, &mel, err);
    if (code == SIB_OK)
        code = gpu_front_end_tables(mel, &words, &n, err);
    if (code == SIB_OK)
        code = gpu_words(s, words, n, out, err);
    mem_free(words);
    sib_mel_free(&mel);
    return code;
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    front_end_task t;
    front_end f;
    gpu_operand of[FRONT_BUFFERS] = {[FRONT_SAMPLES] = {GPU_IN, 0, 0}, [FRONT_FEATURES] = {GPU_OUT, 0, 0}};
    read_task(n, &t);
    gpu_front_end_plan(&t, &f);
    sib_code code = add_tables(&t.spec, s, &of[FRONT_TABLES], err);
    for (int b = FRONT_VALUES; b < FRONT_BUFFERS && code == SIB_OK; b++)
        of[b] = gpu_scratch(s, f.words[b]);
    for (size_t k = 0; k < f.n_launches && code == SIB_OK; k++) {
        const front_end_launch *l = &f.launches[k];
        gpu_operand operands[GPU_BUFFERS];
        for (size_t i = 0; i < l->n; i++)
            operands[i] = of[l->buffers[i]];
        code = gpu_add_line(s, l->kernel, l->n, operands, l->args, l->groups, err);
    }
    return code;
}

const gpu_op gpu_log_mel = {.claims = claims, .plan = plan};
