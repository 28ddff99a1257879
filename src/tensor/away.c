/* Tensors whose elements are on a device. The host has room for them from the start, so that views may point into
   it, which is filled on first use. */
#include "tensor/tensor.h"

#include "base/error.h"
#include "tensor/dtype.h"

#include <string.h>

static bool waits(const tensor_storage *s)
{
    return atomic_load_explicit(&s->waits, memory_order_acquire);
}

/* Where nobody hears of a failure the elements become NaN, or what has all bits set. */
static void fill(void *context)
{
    tensor_storage *s = context;
    pthread_mutex_lock(&s->away->lock);
    if (waits(s) && s->away->fetch(s->away, s->owned, NULL) != SIB_OK) {
        memset(s->owned, 0xff, s->away->bytes);
        s->away->failed = true;
    }
    atomic_store_explicit(&s->waits, false, memory_order_release);
    pthread_mutex_unlock(&s->away->lock);
}

sib_code tensor_fetch(const sib_tensor *t, sib_error *err)
{
    tensor_storage *s = t->storage;
    sib_code code = SIB_OK;
    if (!s->away)
        return SIB_OK;
    pthread_mutex_lock(&s->away->lock);
    if (waits(s) || s->away->failed)
        code = s->away->fetch(s->away, s->owned, err);
    if (code == SIB_OK) {
        s->away->failed = false;
        atomic_store_explicit(&s->waits, false, memory_order_release);
    }
    pthread_mutex_unlock(&s->away->lock);
    return code;
}

sib_code tensor_create_away(sib_dtype dtype, size_t rank, const int64_t *dims, tensor_away *away,
                            sib_tensor **out, sib_error *err)
{
    sib_code code = tensor_create_raw(dtype, rank, dims, out, err);
    if (code == SIB_OK && pthread_mutex_init(&away->lock, NULL) != 0) {
        sib_tensor_free(out);
        code = err_memory(err, sizeof away->lock, "a value");
    }
    if (code != SIB_OK) {
        away->release(away);
        return code;
    }
    tensor_storage *s = (*out)->storage;
    SIB_ASSERT(dtype != SIB_STRING);
    s->away = away;
    s->fill = fill;
    s->context = s;
    s->base = s->owned;
    tensor_send_away(*out);
    return SIB_OK;
}

void tensor_send_away(const sib_tensor *t)
{
    SIB_ASSERT(t->storage->away);
    t->storage->away->failed = false;
    atomic_store_explicit(&t->storage->waits, true, memory_order_release);
}
