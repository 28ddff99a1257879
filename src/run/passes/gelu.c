/* Fuses Gelu as exporters write it: x / 2 * (1 + t), with t = erf(x / sqrt 2) or tanh(sqrt(2 / pi) * (x +
   0.044715 x^3)).

   Operations come in many orders. So the pass computes what the nodes are as a polynomial in x and t, and
   compares it with the wanted one. */
#include "run/passes/match.h"
#include "run/passes/passes.h"

#include <math.h>
#include <string.h>

#define DEGREE 3 /* of x; t has at most degree 1 */
#define STEPS  10

typedef struct polynomial {
    double of[DEGREE + 1][2]; /* coefficients of x^i t^j */
} polynomial;

typedef struct reading {
    const matcher *m;
    value_id x, t;
    match_nodes nodes; /* nodes read so far */
} reading;

static bool times(const polynomial *a, const polynomial *b, polynomial *out)
{
    *out = (polynomial){0};
    for (int i = 0; i <= DEGREE; i++)
        for (int k = 0; k <= DEGREE; k++)
            for (int s = 0; s < 2; s++)
                for (int t = 0; t < 2; t++) {
                    double x = a->of[i][s] * b->of[k][t];
                    if (x == 0)
                        continue;
                    if (i + k > DEGREE || s + t > 1)
                        return false;
                    out->of[i + k][s + t] += x;
                }
    return true;
}

static bool read_value(reading *r, value_id v, int depth, polynomial *out);

static bool read_power(const reading *r, const node *n, const polynomial *a, polynomial *out)
{
    double power;
    if (!match_number(r->m, node_in(n, 1), &power) || (power != 1 && power != 2 && power != 3))
        return false;
    polynomial product = *a, next;
    for (int i = 1; i < (int)power; i++) {
        if (!times(&product, a, &next))
            return false;
        product = next;
    }
    *out = product;
    return true;
}

static bool read_node(reading *r, const node *n, int depth, polynomial *out)
{
    polynomial a, b;
    double number;
    bool mul = match_op(n, "Mul"), div = match_op(n, "Div"), add = match_op(n, "Add"),
         sub = match_op(n, "Sub"), pow = match_op(n, "Pow");
    if ((!mul && !div && !add && !sub && !pow) || n->inputs.n != 2)
        return false;
    match_add(&r->nodes, r->m, n);
    if (!read_value(r, n->inputs.ids[0], depth - 1, &a))
        return false;
    if (pow)
        return read_power(r, n, &a, out);
    if (div) {
        if (!match_number(r->m, n->inputs.ids[1], &number) || number == 0)
            return false;
        b = (polynomial){.of[0][0] = 1 / number};
        return times(&a, &b, out);
    }
    if (!read_value(r, n->inputs.ids[1], depth - 1, &b))
        return false;
    if (mul)
        return times(&a, &b, out);
    for (int i = 0; i <= DEGREE; i++)
        for (int s = 0; s < 2; s++)
            out->of[i][s] = a.of[i][s] + (add ? b.of[i][s] : -b.of[i][s]);
    return true;
}

static bool read_value(reading *r, value_id v, int depth, polynomial *out)
{
    double number;
    *out = (polynomial){0};
    if (v == r->x || v == r->t) {
        out->of[v == r->x][v != r->x] = 1;
        return true;
    }
    if (match_number(r->m, v, &number)) {
        out->of[0][0] = number;
        return true;
    }
    const node *n = depth ? match_maker(r->m, v) : NULL;
    return n && read_node(r, n, depth, out);
}

static bool is_close(const polynomial *a, const polynomial *b, double by)
{
    for (int i = 0; i <= DEGREE; i++)
        for (int s = 0; s < 2; s++)
            if (!(fabs(a->of[i][s] - b->of[i][s]) <= by))
                return false;
    return true;
}

/* The polynomial under erf or tanh. */
static polynomial wanted_inside(bool by_tanh)
{
    polynomial p = {.of[1][0] = by_tanh ? 0.79788456080286535588 : 0.70710678118654752440};
    if (by_tanh)
        p.of[3][0] = 0.044715 * 0.79788456080286535588;
    return p;
}

/* Searches v and its producers for an x in which `top` is the wanted polynomial. */
static bool find_x(reading *r, value_id v, value_id top, const polynomial *wanted, int depth)
{
    double number;
    polynomial got;
    if (match_number(r->m, v, &number))
        return false;
    const node *n = depth ? match_maker(r->m, v) : NULL;
    bool arithmetic = n && n->inputs.n == 2 &&
                      (match_op(n, "Mul") || match_op(n, "Div") || match_op(n, "Add") || match_op(n, "Pow"));
    for (uint32_t i = 0; arithmetic && i < 2; i++) /* the deepest one: x may be arithmetic too */
        if (n->inputs.ids[i] != v && find_x(r, n->inputs.ids[i], top, wanted, depth - 1))
            return true;
    r->x = v;
    r->t = NO_VALUE;
    r->nodes.n = 0;
    return v != top && read_value(r, top, STEPS, &got) && is_close(&got, wanted, 2e-4);
}

/* Follows the readers of t up to x / 2 + x t / 2. Returns the last node, or NULL. */
static const node *find_end(reading *r, const node *t)
{
    static const polynomial wanted = {.of[1] = {0.5, 0.5}};
    polynomial got;
    match_nodes before = r->nodes;
    r->t = node_out(t, 0);
    const node *n = match_only_reader(r->m, r->t);
    for (int i = 0; n && i < 4; i++) {
        r->nodes = before;
        if (!read_node(r, n, STEPS, &got))
            return NULL;
        if (is_close(&got, &wanted, 2e-4))
            return n;
        n = match_only_reader(r->m, node_out(n, 0));
    }
    return NULL;
}

static sib_code fuse_at(matcher *m, const node *t)
{
    reading r = {.m = m};
    bool by_tanh = match_op(t, "Tanh");
    polynomial wanted = wanted_inside(by_tanh);
    if ((!by_tanh && !match_op(t, "Erf")) || !find_x(&r, t->inputs.ids[0], t->inputs.ids[0], &wanted, 6))
        return SIB_OK;
    match_add(&r.nodes, m, t);
    const node *end = find_end(&r, t);
    value_id y = end ? node_out(end, 0) : NO_VALUE;
    if (!end || !match_closed(m, &r.nodes, y) || !match_same_rank(m, r.x, y) || !pass_admit(m->run))
        return SIB_OK;
    attribute approximate = match_text("approximate", "tanh");
    node made = match_node("", "Gelu", 20, end);
    made.inputs = (id_list){1, &r.x};
    made.outputs = (id_list){1, &y};
    made.attributes = &approximate;
    made.n_attributes = by_tanh;
    return match_replace(m, &r.nodes, &made);
}

sib_code pass_gelu(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return match_each(g, r, p, fuse_at, err);
}
