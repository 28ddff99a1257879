/* Encodes protobuf messages. Each is traversed twice: to count its bytes, then to write them. */
#ifndef ONNX_WRITER_H
#define ONNX_WRITER_H

#include "base/error.h"
#include "base/names.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"

#include <stdio.h>

/* Max size of a message that protobuf readers accept. */
#define WRITER_MAX_BYTES INT32_MAX

/* Position of a tensor in the external file. */
typedef struct external_place {
    const sib_tensor *tensor;
    uint64_t offset, bytes;
} external_place;

typedef struct writer {
    FILE *stream;
    bool counts;                   /* count bytes instead of writing them */
    size_t size;                   /* bytes so far */
    const char *path;              /* for messages */
    const onnx_model *m;           /* NULL for single values */
    const char *external;          /* name of the external file, or NULL */
    const onnx_elements *elements; /* generates its elements; may be NULL */
    size_t n_places;
    external_place *places;   /* (n_places) */
    name_map place_of;        /* from the bytes of a tensor's pointer to its index in places */
    const onnx_props **props; /* (m->n_props) sorted by graph, kind and id */
    sib_code code;            /* of the first failure */
    sib_error *err;
} writer;

/* Writes the fields of a message that represents `what`. */
typedef void (*writer_body)(writer *w, const void *what);

/* Write one field, identified by its number, even where empty or 0. Nothing happens after a failure. */
void put_int(writer *w, uint32_t field, int64_t number);
void put_float(writer *w, uint32_t field, float number);
void put_string(writer *w, uint32_t field, sib_str s);
void put_text(writer *w, uint32_t field, sib_str s); /* omitted where empty */
void put_message(writer *w, uint32_t field, writer_body body, const void *what);
void put_floats(writer *w, uint32_t field, size_t n, const float *items); /* each with a tag */
/* each with a tag, as ONNX stores ints */
void put_unpacked(writer *w, uint32_t field, size_t n, const int64_t *items);
void put_pairs(writer *w, uint32_t field, size_t n, const string_pair *pairs);
sib_code writer_fail(writer *w, sib_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
#if defined(SIBYL_ASSERTIONS)
#define writer_fail(...) err_failed(writer_fail(__VA_ARGS__))
#endif

/* The size of a message; the message, written to w->stream. */
size_t writer_size(writer *w, writer_body body, const void *what);
void writer_emit(writer *w, writer_body body, const void *what);

/* Arguments of put_tensor. */
typedef struct tensor_out {
    const sib_tensor *tensor;
    sib_str name, doc;
    const graph *g; /* with value: whose metadata to write; NULL for none */
    value_id value;
} tensor_out;
void put_tensor(writer *w, const void *what); /* a tensor_out */
void put_type(writer *w, const void *what);   /* a value_type */
void put_attribute(writer *w, const void *what);
void put_graph(writer *w, const void *what);
/* Writes a SparseTensorProto; what: the tensors of values, indices and dims. */
void put_sparse(writer *w, const void *what);
/* Index in w->props of the first entry of a node or value; n_props where there is none. */
size_t writer_find_props(const writer *w, const graph *g, onnx_props_of of, uint32_t id);
/* Writes the metadata of a node or value. */
void put_props(writer *w, uint32_t field, onnx_props_of of, const graph *g, uint32_t id);
/* True where a tensor's elements go to the external file, with their position in *place. */
bool writer_is_external(const writer *w, const sib_tensor *t, external_place *place);

#endif
