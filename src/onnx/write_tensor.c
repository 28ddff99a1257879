/* Encodes a sib_tensor as TensorProto: raw_data, string_data, or a position in the external file. */
#include "onnx/writer.h"

#include "base/size.h"
#include "tensor/dtype.h"

#include <inttypes.h>
#include <string.h>

bool writer_is_external(const writer *w, const sib_tensor *t, external_place *place)
{
    uint32_t i;
    if (w->n_places == 0 || !name_map_find(&w->place_of, (sib_str){(const char *)&t, sizeof t}, &i))
        return false;
    *place = w->places[i];
    return true;
}

static void put_strings(writer *w, const sib_tensor *dense)
{
    const sib_str *items = sib_tensor_data(dense);
    for (uint64_t i = 0; i < sib_tensor_count(dense); i++)
        put_string(w, TENSOR_STRING_DATA, items[i]);
}

static void put_elements(writer *w, const sib_tensor *t)
{
    sib_tensor *copy = NULL;
    size_t bytes = 0;
    bool strings = sib_tensor_dtype(t) == SIB_STRING;
    /* Counting bytes needs no elements, except strings. */
    bool dense = sib_tensor_is_dense(t) || (w->counts && !strings);
    if (!dense && sib_tensor_copy(t, &copy, w->err) != SIB_OK) {
        w->code = SIB_ERR_MEMORY;
        return;
    }
    if (strings) {
        put_strings(w, copy ? copy : t);
    } else if (dtype_bytes(sib_tensor_dtype(t), sib_tensor_count(t), &bytes)) {
        put_string(w, TENSOR_RAW_DATA, (sib_str){sib_tensor_data(copy ? copy : t), bytes});
    }
    sib_tensor_free(&copy);
}

static void put_place(writer *w, const external_place *place)
{
    char offset[24], length[24];
    snprintf(offset, sizeof offset, "%" PRIu64, place->offset);
    snprintf(length, sizeof length, "%" PRIu64, place->bytes);
    const string_pair pairs[] = {{str_of("location"), str_of(w->external)},
                                 {str_of("offset"), str_of(offset)},
                                 {str_of("length"), str_of(length)}};
    put_pairs(w, TENSOR_EXTERNAL, 3, pairs);
    put_int(w, TENSOR_LOCATION, 1);
}

void put_tensor(writer *w, const void *what)
{
    const tensor_out *o = what;
    const sib_tensor *t = o->tensor;
    external_place place;
    bool external = writer_is_external(w, t, &place);
    put_unpacked(w, TENSOR_DIMS, sib_tensor_rank(t), sib_tensor_dims(t));
    put_int(w, TENSOR_DATA_TYPE, sib_tensor_dtype(t));
    put_text(w, TENSOR_NAME, o->name);
    if (!external)
        put_elements(w, t);
    put_text(w, TENSOR_DOC, o->doc);
    if (external)
        put_place(w, &place);
    if (o->g)
        put_props(w, TENSOR_METADATA, ONNX_PROPS_TENSOR, o->g, o->value);
}

void put_sparse(writer *w, const void *what)
{
    const sib_tensor *const *parts = what;
    put_message(w, SPARSE_VALUES, put_tensor, &(tensor_out){.tensor = parts[0]});
    put_message(w, SPARSE_INDICES, put_tensor, &(tensor_out){.tensor = parts[1]});
    put_unpacked(w, SPARSE_DIMS, (size_t)sib_tensor_count(parts[2]), sib_tensor_data(parts[2]));
}
