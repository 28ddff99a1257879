/* ONNX NonMaxSuppression-11. */
#include "backend/ref/elements.h"
#include "backend/ref/kernel.h"

#include "base/array.h"

#include <math.h>
#include <stdlib.h>

typedef struct box {
    double y1, x1, y2, x2;
} box;

typedef struct candidate {
    double score;
    int64_t at;
} candidate;

/* Highest score first; equal scores in order of index. */
static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

typedef struct nms {
    size_t batches, classes, boxes;
    int64_t max;
    double overlap, min;
    bool center, narrow; /* narrow: overlaps are rounded to float32 before they are compared */
    box *corners;        /* (boxes) of one batch */
    double *scores;      /* (boxes) of one class */
    candidate *list;     /* (boxes) */
    int64_t *found;      /* (n, 3) of batch, class and box */
    size_t n, capacity;
} nms;

static box corners_of(const double v[4], bool center)
{
    if (center)
        return (box){v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2};
    return (box){fmin(v[0], v[2]), fmin(v[1], v[3]), fmax(v[0], v[2]), fmax(v[1], v[3])};
}

/* Whether the intersection over union of two boxes exceeds the limit. */
static bool overlaps(const nms *s, const box *a, const box *b)
{
    double height = fmin(a->y2, b->y2) - fmax(a->y1, b->y1), width = fmin(a->x2, b->x2) - fmax(a->x1, b->x1);
    if (!(height > 0) || !(width > 0))
        return false;
    double both = height * width,
           all = (a->y2 - a->y1) * (a->x2 - a->x1) + (b->y2 - b->y1) * (b->x2 - b->x1) - both;
    double share = both / all;
    return (s->narrow ? (double)(float)share : share) > s->overlap;
}

static sib_code add_found(const ref_call *c, nms *s, size_t batch, size_t class_, int64_t at)
{
    if (ARRAY_RESERVE(s->found, s->capacity, 3 * (s->n + 1), "boxes", NULL) != SIB_OK)
        return ref_no_memory(c, 3 * (s->n + 1) * sizeof *s->found);
    int64_t *row = s->found + 3 * s->n++;
    row[0] = (int64_t)batch;
    row[1] = (int64_t)class_;
    row[2] = at;
    return SIB_OK;
}

/* Keeps boxes of one class of one batch; moves them to the front of the list. */
static sib_code keep_boxes(const ref_call *c, nms *s, size_t batch, size_t class_)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < s->boxes; i++)
        if (s->scores[i] >= s->min)
            s->list[n++] = (candidate){s->scores[i], (int64_t)i};
    if (n)
        qsort(s->list, n, sizeof *s->list, compare_candidates);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && (int64_t)kept < s->max && code == SIB_OK; i++) {
        bool free_ = true;
        code = ref_cancelled(c);
        for (size_t k = 0; k < kept && free_; k++)
            free_ = !overlaps(s, &s->corners[s->list[i].at], &s->corners[s->list[k].at]);
        if (!free_ || code != SIB_OK)
            continue;
        s->list[kept++] = s->list[i];
        code = add_found(c, s, batch, class_, s->list[i].at);
    }
    return code;
}

static sib_code run_nms(const ref_call *c, nms *s, const sib_tensor *boxes, const sib_tensor *scores)
{
    sib_code code = SIB_OK;
    for (size_t b = 0; b < s->batches && code == SIB_OK; b++) {
        for (size_t i = 0; i < s->boxes; i++) {
            double v[4];
            ref_load_doubles(boxes->dtype, boxes->data, (b * s->boxes + i) * 4, 4, v);
            s->corners[i] = corners_of(v, s->center);
        }
        for (size_t k = 0; k < s->classes && code == SIB_OK; k++) {
            ref_load_doubles(scores->dtype, scores->data, (b * s->classes + k) * s->boxes, s->boxes,
                             s->scores);
            code = keep_boxes(c, s, b, k);
        }
    }
    return code;
}

/* Element 0 of input i, `missing` where it is omitted or empty. */
static double number_in(const ref_call *c, size_t i, double missing)
{
    const sib_tensor *t = ref_in(c, i);
    double x = missing;
    if (t && t->count > 0)
        ref_load_doubles(t->dtype, t->data, 0, 1, &x);
    return x;
}

sib_code ref_non_max_suppression(const ref_call *c)
{
    const sib_tensor *boxes = ref_in(c, 0), *scores = ref_in(c, 1);
    sib_tensor *out = NULL;
    if (boxes->rank != 3 || scores->rank != 3 || boxes->dims[2] != 4 || boxes->dims[0] != scores->dims[0] ||
        boxes->dims[1] != scores->dims[2])
        return ref_fail(
            c, SIB_ERR_VALUE,
            "expected boxes [batches, n, 4] and scores [batches, classes, n], found rank %zu and %zu",
            boxes->rank, scores->rank);
    nms s = {.batches = (size_t)scores->dims[0],
             .classes = (size_t)scores->dims[1],
             .boxes = (size_t)scores->dims[2],
             .overlap = number_in(c, 3, 0),
             .min = number_in(c, 4, -INFINITY),
             .center = spec_nms(c->node).center_point_box,
             .narrow = boxes->dtype != SIB_F64};
    double max = number_in(c, 2, 0);
    s.max = max >= 9e18 ? INT64_MAX : (int64_t)max;
    s.corners = mem_alloc(s.boxes, sizeof *s.corners);
    s.scores = mem_alloc(s.boxes, sizeof *s.scores);
    s.list = mem_alloc(s.boxes, sizeof *s.list);
    sib_code code = s.corners && s.scores && s.list ? SIB_OK : ref_no_memory(c, s.boxes * sizeof *s.corners);
    if (code == SIB_OK)
        code = run_nms(c, &s, boxes, scores);
    if (code == SIB_OK)
        code = ref_make(c, 0, SIB_I64, 2, (int64_t[]){(int64_t)s.n, 3}, &out);
    for (size_t i = 0; out && code == SIB_OK && i < 3 * s.n; i++)
        ((int64_t *)out->data)[i] = s.found[i];
    mem_free(s.corners);
    mem_free(s.scores);
    mem_free(s.list);
    mem_free(s.found);
    return code;
}
