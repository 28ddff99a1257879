/* Arrays in the bytes of a .npy file, without one. */
#include "base/alloc.h"
#include "base/error.h"
#include "tensor/npy.h"

#include <sibyl/npy_file.h>

struct sib_npy_image {
    npy_image image;
};

sib_code sib_npy_image_create(const sib_tensor *t, sib_npy_image **out, sib_error *err)
{
    if (!t || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", t ? "out" : "the tensor");
    *out = NULL;
    sib_npy_image *made = mem_calloc(1, sizeof *made);
    if (!made)
        return err_memory(err, sizeof *made, "an array");
    sib_code code = npy_image_make(t, "the array", &made->image, err);
    if (code != SIB_OK)
        sib_npy_image_free(&made);
    *out = made;
    return code;
}

const void *sib_npy_image_header(const sib_npy_image *i, size_t *bytes)
{
    *bytes = i->image.header_bytes;
    return i->image.header;
}

const void *sib_npy_image_data(const sib_npy_image *i, size_t *bytes)
{
    *bytes = i->image.data_bytes;
    return i->image.data;
}

void sib_npy_image_free(sib_npy_image **i)
{
    if (!i || !*i)
        return;
    npy_image_free(&(*i)->image);
    mem_free(*i);
    *i = NULL;
}
