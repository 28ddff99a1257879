/* Operators of com.microsoft that are older or narrower forms of ai.onnx ones. */
#include "ops/lower/elem.h"
#include "ops/lower/lower.h"

#include <math.h>

/* A copy of the node with another opset. */
static node of_version(const node *n, int64_t version)
{
    node other = *n;
    other.version = version;
    return other;
}

/* ONNX GridSample-16. com.microsoft GridSample-1. */
void lower_MS_GridSample(lowering *l, const node *n)
{
    node as = of_version(n, 16);
    lower_ONNX_GridSample(l, &as);
}

/* ONNX Pad-13. com.microsoft Pad-1. */
void lower_MS_Pad(lowering *l, const node *n)
{
    node as = of_version(n, 13);
    lower_ONNX_Pad(l, &as);
}

/* ONNX Trilu-14. com.microsoft Trilu-1. */
void lower_MS_Trilu(lowering *l, const node *n)
{
    node as = of_version(n, 14);
    lower_ONNX_Trilu(l, &as);
}

/* ONNX Range-11, with delta 1 by default. com.microsoft Range-1. */
void lower_MS_Range(lowering *l, const node *n)
{
    if (l_has(l, 2)) {
        lower_ONNX_Range(l, n);
        return;
    }
    mval start = l_in(l, 0), limit = l_in(l, 1);
    dim from = DIM_NONE, to = DIM_NONE, zero = d_const(l, 0), unknown = DIM_NONE;
    l_declare(l, 0, m_dtype(l, start), 1, &unknown);
    start = elem_scalar(l, start, "start");
    limit = elem_scalar(l, limit, "limit");
    if (m_is(l, start, SIB_KIND_FLOAT)) {
        double count = ceil(m_float(l, limit) - m_float(l, start));
        if (l_ok(l) && !(count < 9e15)) {
            l_fail(l, SIB_ERR_ARGUMENT, "a range of %g elements", count);
            return;
        }
        from = zero;
        to = d_const(l, l_ok(l) && count > 0 ? (int64_t)count : 0);
    } else {
        m_elements(l, start, &from, 1);
        m_elements(l, limit, &to, 1);
    }
    sib_dtype wide = m_is(l, start, SIB_KIND_FLOAT) ? SIB_F64 : m_dtype(l, start);
    mval steps = m_iota(l, wide, d_max(l, zero, d_sub(l, to, from)));
    l_out(l, 0, m_cast_like(l, m_add(l, steps, m_cast(l, start, wide)), start));
}

/* The distinct elements of x [n] in order of first appearance, the index of each element of x among them, and
   their counts. com.microsoft Unique-1. */
void lower_MS_Unique(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0), out[4];
    if (l_ok(l) && m_rank(l, x) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "x has rank %d, expected 1", m_rank(l, x));
    m_unique(l, x, 0, true, false, out);
    l_out(l, 0, out[0]);
    l_out(l, 1, out[2]);
    l_out(l, 2, out[3]);
}
