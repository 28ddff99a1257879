/* Messages out: each is gone through twice, to count its bytes and to write them. */
#ifndef ONNX_WRITER_H
#define ONNX_WRITER_H

#include "base/names.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"

#include <stdio.h>

/* What readers of protobuf take as one message. */
#define WRITER_MOST_BYTES INT32_MAX

/* Where a tensor stands in the external file. */
typedef struct external_place {
    const sib_tensor *tensor;
    uint64_t offset, bytes;
} external_place;

typedef struct writer {
    FILE *stream;
    bool counts;                   /* bytes are counted and not written */
    size_t size;                   /* bytes so far */
    const char *path;              /* for messages */
    const onnx_model *m;           /* NULL for single values */
    const char *external;          /* name of the external file, or NULL */
    const onnx_elements *elements; /* of what stands there, or NULL */
    size_t n_places;
    external_place *places;   /* (n_places) */
    name_map place_of;        /* the bytes of a tensor's pointer to its number in places */
    const onnx_props **props; /* (m->n_props) by graph, what and id */
    sib_code code;            /* of the first failure */
    sib_error *err;
} writer;

/* Writes the fields of a message; what: the thing that the message is of. */
typedef void (*writer_body)(writer *w, const void *what);

/* Fields by number. Without effect after a failure; fields that are empty or 0 are written all the same. */
void put_int(writer *w, uint32_t field, int64_t number);
void put_float(writer *w, uint32_t field, float number);
void put_string(writer *w, uint32_t field, sib_str s);
void put_text(writer *w, uint32_t field, sib_str s); /* not where it is empty */
void put_message(writer *w, uint32_t field, writer_body body, const void *what);
void put_floats(writer *w, uint32_t field, size_t n, const float *items); /* each with a tag */
void put_unpacked(writer *w, uint32_t field, size_t n,
                  const int64_t *items); /* each with a tag, as ONNX has ints */
void put_pairs(writer *w, uint32_t field, size_t n, const string_pair *pairs);
sib_code writer_fail(writer *w, sib_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Bytes of a message, and the message into w->stream. */
size_t writer_size(writer *w, writer_body body, const void *what);
void writer_emit(writer *w, writer_body body, const void *what);

/* What stands in a TensorProto beside the elements. */
typedef struct tensor_out {
    const sib_tensor *tensor;
    sib_str name, doc;
    const graph *g; /* and value: whose metadata it has; g NULL for none */
    value_id value;
} tensor_out;
void put_tensor(writer *w, const void *tensor_out_);
void put_type(writer *w, const void *value_type_);
void put_attribute(writer *w, const void *attribute_);
void put_graph(writer *w, const void *graph_);
/* A SparseTensorProto of values, indices and dims. */
void put_sparse(writer *w, const void *tensors);
/* Metadata of a node or value into a field. */
void put_props(writer *w, uint32_t field, onnx_props_of of, const graph *g, uint32_t id);
/* True where elements of a tensor go to the external file; *place tells where. */
bool writer_is_external(const writer *w, const sib_tensor *t, external_place *place);

#endif
