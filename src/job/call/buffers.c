#include "job/call/buffers.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/size.h"

#include <string.h>

enum { POSITIONS, BEGINS, ENDS };
enum { BATCH, HEADS, ROWS, SIZE, RANK }; /* axes of a cache */

/* Rows of the first buffers. */
#define MIN_ROOM 64

/* ---- The form ------------------------------------------------------------------------------------------ */

static bool gives(const port_list *l, const char *value)
{
    size_t i = 0;
    while (i < l->n && strcmp(l->items[i].value, value))
        i++;
    return i < l->n;
}

/* Whether all states are caches that begin without rows, and that nobody else is given. */
static bool begins_empty(const call_plan *p)
{
    bool empty = p->state.n > 0 && !p->call->count.of;
    for (size_t i = 0; i < p->state.n; i++) {
        const call_port *s = &p->state.items[i];
        empty = empty && !s->pair->n_dims && s->info.ranked && s->info.rank == RANK &&
                s->info.dims[ROWS] < 0 && !gives(&p->outputs, s->value) && !gives(&p->held, s->value);
    }
    return empty;
}

sib_code call_buffers_open(call_plan *p, const sib_session_options *options, sib_error *err)
{
    const size_t n = p->state.n;
    sib_error why = SIB_ERROR_INIT;
    if (!begins_empty(p))
        return SIB_OK;
    const char **names = mem_alloc(2 * n, sizeof *names);
    if (!names)
        return err_memory(err, 2 * n * sizeof *names, "a call");
    for (size_t i = 0; i < n; i++) {
        names[i] = p->state.items[i].port;
        names[n + i] = p->state.items[i].value;
    }
    const buffered_source source = {.model = p->model,
                                    .n = n,
                                    .past = names,
                                    .present = names + n,
                                    .n_outputs = p->outputs.n + n + p->held.n,
                                    .outputs = p->names};
    sib_code code = buffered_make(&source, &p->form, &why);
    mem_free(names);
    if (code == SIB_ERR_UNSUPPORTED && options && log_wants(&options->log, SIB_LOG_INFO))
        log_write(&options->log, SIB_LOG_INFO, "call '%s': its caches grow by copies, since %s",
                  p->call->name, why.message);
    if (code == SIB_ERR_UNSUPPORTED)
        return SIB_OK;
    if (code == SIB_OK)
        code = sib_session_create(p->form.model, options, &p->buffered, &why);
    return code == SIB_OK ? code : err_set(err, code, "%s", why.message);
}

/* ---- Rows ---------------------------------------------------------------------------------------------- */

static size_t row_bytes(const sib_tensor *t)
{
    return (size_t)sib_tensor_dims(t)[SIZE] * (sib_dtype_bits(sib_tensor_dtype(t)) / 8);
}

/* Copies `length` rows of each head of sequence `from` of one cache to sequence `to` of another. */
static void copy_rows(const sib_tensor *source, size_t from, sib_tensor *target, size_t to, size_t length)
{
    const size_t heads = (size_t)sib_tensor_dims(source)[HEADS], row = row_bytes(source),
                 had = (size_t)sib_tensor_dims(source)[ROWS] * row,
                 has = (size_t)sib_tensor_dims(target)[ROWS] * row;
    const char *data = sib_tensor_data(source);
    char *made = sib_tensor_data(target);
    for (size_t h = 0; h < heads && length > 0; h++)
        memcpy(made + (to * heads + h) * has, data + (from * heads + h) * had, length * row);
}

/* A cache like t with `room` rows, of sequences from[i] (n; NULL: those of t) and `length` rows of theirs; the others
   are 0, since what is multiplied by weights of 0 must be finite. */
static sib_code like(const sib_tensor *t, size_t n, const size_t *from, size_t room, size_t length,
                     sib_value **out, sib_error *err)
{
    int64_t dims[RANK];
    memcpy(dims, sib_tensor_dims(t), sizeof dims);
    dims[BATCH] = (int64_t)n;
    dims[ROWS] = (int64_t)room;
    sib_tensor *made;
    sib_code code = sib_tensor_create(sib_tensor_dtype(t), RANK, dims, &made, err);
    if (code != SIB_OK)
        return code;
    for (size_t b = 0; b < n; b++)
        copy_rows(t, from ? from[b] : b, made, b, length);
    code = sib_value_from_tensor(made, out, err);
    sib_tensor_free(&made);
    return code;
}

static sib_code replace(sib_value **state, size_t room, size_t length, sib_error *err)
{
    sib_value *made = NULL;
    sib_code code = sib_value_fetch(*state, err);
    if (code != SIB_OK)
        return code;
    const sib_tensor *t = sib_value_tensor(*state);
    code = like(t, (size_t)sib_tensor_dims(t)[BATCH], NULL, room, length, &made, err);
    if (code == SIB_OK) {
        sib_value_free(state);
        *state = made;
    }
    return code;
}

/* Room for `rows`, twice what was there before. */
static sib_code reserve(const call_buffers *b, const call_plan *p, sib_value **state, size_t rows,
                        sib_error *err)
{
    size_t room = MIN_ROOM;
    sib_code code = SIB_OK;
    while (room < rows && code == SIB_OK)
        code = size_mul(room, 2, &room) ? SIB_OK : err_set(err, SIB_ERR_SIZE, "a cache of %zu rows", rows);
    for (size_t i = 0; i < p->state.n && code == SIB_OK; i++)
        if ((size_t)sib_tensor_dims(sib_value_tensor(state[i]))[ROWS] < rows)
            code = replace(&state[i], room, b->length, err);
    return code;
}

/* ---- Feeding ------------------------------------------------------------------------------------------- */

/* (n) numbers from `first` on, `by` apart, in *v where it has as many, else as a new value. */
static sib_code count(sib_value **v, size_t n, size_t first, size_t by, sib_error *err)
{
    const int64_t size = (int64_t)n;
    sib_code code = SIB_OK;
    if (!*v || sib_tensor_dims(sib_value_tensor(*v))[0] != size) {
        sib_tensor *t;
        sib_value_free(v);
        code = sib_tensor_create(SIB_I64, 1, &size, &t, err);
        if (code != SIB_OK)
            return code;
        code = sib_value_from_tensor(t, v, err);
        sib_tensor_free(&t);
    }
    int64_t *at = code == SIB_OK ? (int64_t *)sib_tensor_data(sib_value_tensor(*v)) : NULL;
    for (size_t i = 0; at && i < n; i++)
        at[i] = (int64_t)(first + i * by);
    return code;
}

/* Rows of the step: those of the input that says so. */
static size_t rows_of_step(const buffered_model *form, size_t n, const sib_named_value *feeds)
{
    for (size_t i = 0; i < n; i++) {
        const sib_tensor *t = strcmp(feeds[i].name, form->steps) ? NULL : sib_value_tensor(feeds[i].value);
        if (t && sib_tensor_rank(t) > form->steps_axis)
            return (size_t)sib_tensor_dims(t)[form->steps_axis];
    }
    return 0; /* the run refuses it */
}

sib_code call_buffers_feed(call_buffers *b, const call_plan *p, sib_value **state, size_t *n,
                           sib_named_value *feeds, sib_error *err)
{
    static const char *const names[] = {BUFFERED_POSITIONS, BUFFERED_BEGINS, BUFFERED_ENDS};
    b->step = rows_of_step(&p->form, *n, feeds);
    const size_t end = b->length + b->step,
                 batch = (size_t)sib_tensor_dims(sib_value_tensor(state[0]))[BATCH];
    sib_code code = reserve(b, p, state, end, err);
    if (code == SIB_OK)
        code = count(&b->feeds[POSITIONS], b->step, b->length, 1, err);
    if (code == SIB_OK)
        code = count(&b->feeds[BEGINS], batch, b->length, 0, err);
    if (code == SIB_OK)
        code = count(&b->feeds[ENDS], batch, end, 0, err);
    for (size_t i = 0; i < CALL_BUFFERS_FEEDS && code == SIB_OK; i++)
        if (i != POSITIONS || p->form.has_positions)
            feeds[(*n)++] = (sib_named_value){names[i], b->feeds[i]};
    return code;
}

/* ---- Steps --------------------------------------------------------------------------------------------- */

void call_buffers_step(call_buffers *b)
{
    b->length += b->step;
}

void call_buffers_reset(call_buffers *b, const call_plan *p)
{
    b->length = 0;
    b->on = p->buffered != NULL;
}

sib_code call_buffers_leave(call_buffers *b, const call_plan *p, sib_value **state, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->state.n && code == SIB_OK; i++)
        if (state[i] && (size_t)sib_tensor_dims(sib_value_tensor(state[i]))[ROWS] != b->length)
            code = replace(&state[i], b->length, b->length, err);
    b->on = b->on && code != SIB_OK;
    return code;
}

/* Sequences of t, by way of rows alone: `spare` has those that move. */
static void take_within(sib_tensor *t, const size_t *from, size_t length, sib_tensor *spare)
{
    const size_t n = (size_t)sib_tensor_dims(t)[BATCH];
    for (size_t b = 0; b < n; b++)
        if (from[b] != b)
            copy_rows(t, from[b], spare, b, length);
    for (size_t b = 0; b < n; b++)
        if (from[b] != b)
            copy_rows(spare, b, t, b, length);
}

/* within: the buffer may be written, since no device has another copy of it. */
static sib_code take(const call_buffers *b, bool within, sib_value **state, size_t n, const size_t *from,
                     sib_value **spare, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(*state), *has = *spare ? sib_value_tensor(*spare) : NULL;
    sib_value *made = NULL;
    sib_code code = SIB_OK;
    if (!within || (size_t)sib_tensor_dims(t)[BATCH] != n) {
        code = like(t, n, from, (size_t)sib_tensor_dims(t)[ROWS], b->length, &made, err);
        if (code == SIB_OK)
            sib_value_free(state);
        *state = code == SIB_OK ? made : *state;
        return code;
    }
    if (!has || memcmp(sib_tensor_dims(has), sib_tensor_dims(t), RANK * sizeof(int64_t)) ||
        sib_tensor_dtype(has) != sib_tensor_dtype(t)) {
        sib_value_free(spare);
        code = like(t, n, NULL, (size_t)sib_tensor_dims(t)[ROWS], 0, spare, err);
    }
    if (code == SIB_OK)
        take_within((sib_tensor *)t, from, b->length, (sib_tensor *)sib_value_tensor(*spare));
    return code;
}

sib_code call_buffers_take(call_buffers *b, const call_plan *p, sib_value **state, size_t n,
                           const size_t *from, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < p->state.n && code == SIB_OK; i++) {
        code = state[i] ? sib_value_fetch(state[i], err) : SIB_OK;
        if (state[i] && code == SIB_OK)
            code = take(b, !p->rows, &state[i], n, from, &b->spare, err);
    }
    return code;
}

void call_buffers_end(call_buffers *b)
{
    for (size_t i = 0; i < CALL_BUFFERS_FEEDS; i++)
        sib_value_free(&b->feeds[i]);
    sib_value_free(&b->spare);
}
