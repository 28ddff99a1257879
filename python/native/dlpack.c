/* Reading DLPack capsules. The structures are those of the DLPack standard, version 0.8 and earlier, which
   every producer hands out when it is asked for no version. */
#include "ext.h"

enum { DL_CPU = 1, DL_CUDA_HOST = 3 }; /* DLDeviceType; pinned memory is the CPU's too */
enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_BFLOAT = 4 }; /* DLDataTypeCode */

typedef struct dl_tensor {
    void *data;
    struct {
        int32_t type, id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape;   /* (ndim) */
    int64_t *strides; /* (ndim) in elements, or NULL for dense row-major */
    uint64_t byte_offset;
} dl_tensor; /* the first member of a DLManagedTensor */

static const struct {
    uint8_t code, bits;
    sib_dtype dtype;
} TYPES[] = {
    {DL_FLOAT, 32, SIB_F32},   {DL_FLOAT, 64, SIB_F64}, {DL_FLOAT, 16, SIB_F16},
    {DL_BFLOAT, 16, SIB_BF16}, {DL_INT, 8, SIB_I8},     {DL_INT, 16, SIB_I16},
    {DL_INT, 32, SIB_I32},     {DL_INT, 64, SIB_I64},   {DL_UINT, 8, SIB_U8},
};

static sib_dtype dtype_of(const dl_tensor *t)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (t->dtype.lanes == 1 && t->dtype.code == TYPES[i].code && t->dtype.bits == TYPES[i].bits)
            return TYPES[i].dtype;
    return SIB_DTYPE_UNKNOWN;
}

/* Row-major without gaps; the stride of a dimension of size 1 means nothing. */
static bool is_dense(const dl_tensor *t, size_t count)
{
    int64_t expected = 1;
    if (!t->strides || count == 0)
        return true;
    for (int32_t i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->strides[i] != expected)
            return false;
        expected *= t->shape[i];
    }
    return true;
}

bool dlpack_read(PyObject *capsule, const char *name, ext_array *out)
{
    const dl_tensor *t = PyCapsule_GetPointer(capsule, "dltensor");
    if (!t)
        return false;
    if (t->device.type != DL_CPU && t->device.type != DL_CUDA_HOST) {
        PyErr_Format(PyExc_ValueError, "%s is on another device, expected memory of the CPU", name);
        return false;
    }
    if (t->ndim < 0 || t->ndim > SIB_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "%s has %d dimensions, expected at most %d", name, (int)t->ndim,
                     SIB_MAX_RANK);
        return false;
    }
    out->dtype = dtype_of(t);
    if (out->dtype == SIB_DTYPE_UNKNOWN) {
        PyErr_Format(PyExc_TypeError,
                     "%s has elements of DLPack type %d with %d bits, which is not supported", name,
                     t->dtype.code, t->dtype.bits);
        return false;
    }
    out->rank = (size_t)t->ndim;
    out->count = 1;
    for (int32_t i = 0; i < t->ndim; i++) {
        out->shape[i] = t->shape[i];
        out->count *= (size_t)t->shape[i]; /* of memory that exists, so it cannot overflow */
    }
    if (!is_dense(t, out->count)) {
        PyErr_Format(PyExc_ValueError, "%s must be C-contiguous memory", name);
        return false;
    }
    out->data = t->data ? (char *)t->data + t->byte_offset : NULL;
    return true;
}
