/* Weights of recurrent operators, packed into panels. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/recurrent/recurrent.h"

#include <stdio.h>
#include <string.h>

bool recurrent_sizes(const recurrent_call *c, weight_sizes *z)
{
    size_t g = recurrent_gates(c->kind), most = size_max(c->inputs, c->cell.hidden), all;
    if (!size_mul(c->cell.panels * 64 * g, most, &all) || !size_mul(all, 8, &all))
        return false;
    z->w = recurrent_packed(c->cell.hidden, g, c->inputs);
    z->r = recurrent_packed(c->cell.hidden, g, c->cell.hidden);
    z->bias = recurrent_packed(c->cell.hidden, g, 1);
    z->wide = recurrent_packed(c->cell.hidden, 1, 1);
    return true;
}

size_t recurrent_small(const weight_sizes *z)
{
    return z->bias + 4 * z->wide;
}

static void pack_w(const recurrent_weights *k, float *to)
{
    const recurrent_call *c = &k->s->calls[0];
    size_t g = recurrent_gates(c->kind), h = c->cell.hidden;
    for (size_t d = 0; d < k->s->directions; d++)
        recurrent_pack(k->w + d * g * h * c->inputs, h, c->inputs, 0, g, to + d * k->z.w);
}

/* The hidden gate of a GRU is packed separately where the reset gate is applied before the product. */
static void pack_r(const recurrent_weights *k, float *to)
{
    const recurrent_call *c = &k->s->calls[0];
    size_t g = recurrent_gates(c->kind), h = c->cell.hidden, joined = c->cell.r_hidden ? 2 : g;
    for (size_t d = 0; d < k->s->directions; d++, to += k->z.r) {
        const float *r = k->r + d * g * h * h;
        recurrent_pack(r, h, h, 0, joined, to);
        if (joined < g)
            recurrent_pack(r, h, h, joined, 1, to + recurrent_packed(h, joined, h));
    }
}

/* Packs Wb + Rb for the projection. Where a GRU's reset gate is applied after the product, Rb of the hidden
   gate stays separate. */
static void pack_small(const recurrent_weights *k, float *to)
{
    const recurrent_call *c = &k->s->calls[0];
    size_t g = recurrent_gates(c->kind), h = c->cell.hidden;
    size_t lanes = kernel_table_get()->recurrent.lanes;
    bool apart = c->kind == RECURRENT_GRU && !c->cell.r_hidden;
    memset(to, 0, k->s->directions * recurrent_small(&k->z) * sizeof *to);
    for (size_t d = 0; d < k->s->directions; d++, to += recurrent_small(&k->z)) {
        const float *b = k->b ? k->b + d * 2 * g * h : NULL, *p = k->p ? k->p + d * 3 * h : NULL;
        for (size_t gate = 0; b && gate < g; gate++)
            for (size_t i = 0; i < h; i++) {
                bool second = !(apart && gate == 2);
                to[(i / lanes * g + gate) * lanes + i % lanes] =
                    second ? b[gate * h + i] + b[(g + gate) * h + i] : b[gate * h + i];
            }
        if (b && apart)
            memcpy(to + k->z.bias, b + 5 * h, h * sizeof *to);
        for (size_t i = 0; p && i < 3; i++)
            memcpy(to + k->z.bias + (1 + i) * k->z.wide, p + i * h, h * sizeof *to);
    }
}

/* Points the cells to the memory that the three functions above filled. */
static void use_weights(recurrent_call *calls, size_t directions, const recurrent_weights *k, const float *w,
                        const float *r, const float *little)
{
    for (size_t d = 0; d < directions; d++, little += recurrent_small(&k->z)) {
        recurrent_call *c = &calls[d];
        size_t h = c->cell.hidden;
        c->w = w + d * k->z.w;
        c->cell.r = r + d * k->z.r;
        if (c->cell.r_hidden)
            c->cell.r_hidden = c->cell.r + recurrent_packed(h, 2, h);
        c->bias = little;
        c->cell.b_hidden = k->b ? little + k->z.bias : NULL;
        for (size_t i = 0; i < 3; i++)
            c->cell.peep[i] = k->p ? little + k->z.bias + (1 + i) * k->z.wide : NULL;
    }
}

static sib_code fill_w(void *context, const void *elements, void *out, sib_error *err)
{
    recurrent_weights k = *(const recurrent_weights *)context;
    (void)err;
    k.w = elements;
    pack_w(&k, out);
    return SIB_OK;
}

static sib_code fill_r(void *context, const void *elements, void *out, sib_error *err)
{
    recurrent_weights k = *(const recurrent_weights *)context;
    (void)err;
    k.r = elements;
    pack_r(&k, out);
    return SIB_OK;
}

const float *recurrent_constant(const node_view *n, size_t i, bool *all)
{
    const sib_tensor *t = recurrent_has(n, i) ? cpu_constant(n->in[i]) : NULL;
    if (recurrent_has(n, i) && !t)
        *all = false;
    return t ? (const float *)t->data : NULL;
}

sib_code recurrent_pack_constants(const cpu_self *self, const node_view *n, recurrent_state *s,
                                  recurrent_weights *k, sib_error *err)
{
    char how[40];
    const void *w, *r;
    recurrent_kind kind = s->calls[0].kind;
    size_t each = s->directions * sizeof(float), small = each * recurrent_small(&k->z);
    snprintf(how, sizeof how, "recurrent w %d", (int)kind);
    sib_code code = cpu_pack(self, n->in[IN_W], how, each * k->z.w, fill_w, k, &w, &s->owned[0], err);
    if (code != SIB_OK)
        return code;
    snprintf(how, sizeof how, "recurrent r %d %d", (int)kind, s->calls[0].cell.r_hidden != NULL);
    code = cpu_pack(self, n->in[IN_R], how, each * k->z.r, fill_r, k, &r, &s->owned[1], err);
    if (code != SIB_OK)
        return code;
    s->owned[2] = mem_alloc(small, 1);
    if (!s->owned[2])
        return err_memory(err, small, "biases");
    pack_small(k, s->owned[2]);
    use_weights(s->calls, s->directions, k, w, r, s->owned[2]);
    return SIB_OK;
}

void recurrent_pack_now(const cpu_call *c, const recurrent_state *s, recurrent_weights *k,
                        recurrent_call *calls, float *to)
{
    float *r = to + s->directions * k->z.w, *little = r + s->directions * k->z.r;
    k->w = cpu_floats_in(c, IN_W);
    k->r = cpu_floats_in(c, IN_R);
    k->b = cpu_floats_in(c, IN_B);
    k->p = calls[0].kind == RECURRENT_LSTM ? cpu_floats_in(c, IN_P) : NULL;
    pack_w(k, to);
    pack_r(k, r);
    pack_small(k, little);
    use_weights(calls, s->directions, k, to, r, little);
}
