#include "server/runs/live_frame.h"

#include "server/values/cbor.h"
#include "server/values/json.h"
#include "server/values/slice.h"

#include <stdio.h>
#include <stdlib.h>

/* Bytes of elements in a message, which must find room in the queue of a connection. */
#define MAX_ELEMENTS ((UINT64_C(4) << 20) - (UINT64_C(64) << 10))

static void add_text(buffer *b, const char *key, const char *text)
{
    json_t *repaired = text_json(text, MAX_NAME);
    const char *value = json_string_value(repaired);
    cbor_text(b, key);
    cbor_text(b, value ? value : "");
    json_decref(repaired);
}

static void add_number(buffer *b, const char *key, uint64_t n)
{
    cbor_text(b, key);
    cbor_number(b, n);
}

static void add_real(buffer *b, const char *key, double value)
{
    cbor_text(b, key);
    cbor_real(b, value);
}

#define COMMON_KEYS 11

/* What headers of every kind begin with. t: NULL for what is no tensor. */
static void add_common(buffer *b, const live_session *at, subscription *s, const sib_tap_event *e,
                       const sib_tensor *t)
{
    const live_run *l = at->of;
    char id[32];
    snprintf(id, sizeof id, "r%llu", (unsigned long long)l->run->number);
    cbor_text(b, "op");
    cbor_text(b, s->what == LIVE_VALUE ? "value" : "digest");
    add_number(b, "id", s->id);
    add_number(b, "number", atomic_fetch_add(&s->sent, 1) + 1);
    cbor_text(b, "run");
    cbor_text(b, id);
    add_text(b, "call", at->call ? at->call : "");
    add_text(b, "name", e->name);
    add_text(b, "node", e->node);
    add_text(b, "op_type", e->op_type);
    cbor_text(b, "dtype");
    cbor_text(b, sib_dtype_name(t ? sib_tensor_dtype(t) : 0));
    cbor_text(b, "shape");
    cbor_array(b, t ? sib_tensor_rank(t) : 0);
    for (size_t k = 0; t && k < sib_tensor_rank(t); k++)
        cbor_number(b, (uint64_t)sib_tensor_dims(t)[k]);
    add_real(b, "time", (double)(e->time_ns - l->began) / 1e9);
}

/* The header is what follows the first four bytes of b. */
static void finish_header(buffer *b)
{
    size_t n = b->size - 4;
    for (unsigned i = 0; i < 4 && !b->failed; i++)
        b->data[i] = (char)(n >> (8 * i) & 0xff);
}

/* ---- Digests ---- */

/* The digest of the event's value, made once for all subscriptions. */
static const sib_digest *digest_of(live_run *l, const sib_tap_event *e)
{
    if (l->digested == e->value && l->digested_at == e->time_ns)
        return &l->digest;
    l->digested = sib_digest_of(e->value, NULL, &l->digest, NULL) == SIB_OK ? e->value : NULL;
    l->digested_at = e->time_ns;
    return l->digested ? &l->digest : NULL;
}

static void add_digest(buffer *b, const sib_digest *d)
{
    add_number(b, "count", d->count);
    add_number(b, "nan", d->n_nan);
    add_number(b, "plus_inf", d->n_plus_inf);
    add_number(b, "minus_inf", d->n_minus_inf);
    add_number(b, "zero", d->n_zero);
    add_real(b, "min", d->min);
    add_real(b, "max", d->max);
    add_real(b, "mean", d->mean);
    add_real(b, "std", d->std);
    add_number(b, "n_histogram", d->n_histogram);
    cbor_text(b, "histogram");
    cbor_array(b, SIB_DIGEST_BINS);
    for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
        cbor_number(b, d->histogram[i]);
    add_number(b, "rows", d->rows);
    add_number(b, "columns", d->columns);
    cbor_text(b, "not_finite");
    cbor_array(b, d->rows);
    for (uint32_t r = 0; r < d->rows; r++)
        cbor_number(b, d->not_finite[r]);
}

static void make_digest(buffer *b, live_session *at, subscription *s, const sib_tap_event *e)
{
    const sib_digest *d = digest_of(at->of, e);
    if (!d) {
        atomic_fetch_add(&s->sent, 1);
        b->failed = true;
        return;
    }
    cbor_map(b, COMMON_KEYS + 14);
    add_common(b, at, s, e, sib_value_tensor(e->value));
    add_digest(b, d);
    finish_header(b);
    for (uint32_t r = 0; r < d->rows; r++)
        buffer_add(b, d->cells[r], d->columns * sizeof d->cells[r][0]);
}

/* ---- Values ---- */

/* Why the elements are not in the message; NULL where they are in *out, which may be a view. */
static const char *take_elements(const subscription *s, const sib_tensor *t, sib_tensor **out, sib_error *err)
{
    if (!t)
        return "it is no tensor";
    if (sib_tensor_dtype(t) == SIB_STRING)
        return "strings have no raw form";
    if (slice_take(t, s->slice, true, MAX_ELEMENTS, out, err) != SIB_OK)
        return err->message;
    uint64_t bits = sib_tensor_count(*out) * sib_dtype_bits(sib_tensor_dtype(*out));
    return bits / 8 > MAX_ELEMENTS ? "it is larger than a message: ask for a slice" : NULL;
}

static void make_value(buffer *b, live_session *at, subscription *s, const sib_tap_event *e)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *taken = NULL;
    const char *missing = take_elements(s, sib_value_tensor(e->value), &taken, &err);
    const sib_tensor *t = taken ? taken : sib_value_tensor(e->value);
    size_t bytes = 0;
    if (!missing)
        bytes = (size_t)((sib_tensor_count(t) * sib_dtype_bits(sib_tensor_dtype(t)) + 7) / 8);
    cbor_map(b, COMMON_KEYS + (missing ? 2 : 1));
    add_common(b, at, s, e, t);
    add_number(b, "bytes", bytes);
    if (missing)
        add_text(b, "missing", missing);
    finish_header(b);
    if (bytes)
        buffer_add(b, sib_tensor_bytes(t), bytes);
    sib_tensor_free(&taken);
}

void live_frame_send(live_session *at, subscription *s, const sib_tap_event *e)
{
    buffer b = {0};
    buffer_add(&b, "\0\0\0\0", 4);
    if (s->what == LIVE_VALUE)
        make_value(&b, at, s, e);
    else
        make_digest(&b, at, s, e);
    if (!b.failed)
        peer_send(s->peer, true, PEER_DROPPABLE, b.data, b.size);
    buffer_free(&b);
}
