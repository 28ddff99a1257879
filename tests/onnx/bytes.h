/* Protobuf by hand: fields appended one by one, so that tests show the content of a file. Field numbers as in
   onnx.proto. */
#ifndef TESTS_ONNX_BYTES_H
#define TESTS_ONNX_BYTES_H

#include "check.h"
#include "onnx/proto.h"

typedef struct bytes {
    uint8_t *data;
    size_t n, capacity;
} bytes;

static inline void b_append(bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->capacity) {
        b->capacity = 2 * (b->n + n) + 64;
        b->data = realloc(b->data, b->capacity);
        assert_non_null(b->data);
    }
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void b_varint(bytes *b, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        b_append(b, &byte, 1);
        v >>= 7;
    } while (v);
}

static inline void b_int(bytes *b, unsigned field, int64_t v)
{
    b_varint(b, field << 3);
    b_varint(b, (uint64_t)v);
}

static inline void b_float(bytes *b, unsigned field, float v)
{
    b_varint(b, field << 3 | 5);
    b_append(b, &v, 4);
}

static inline void b_double(bytes *b, unsigned field, double v)
{
    b_varint(b, field << 3 | 1);
    b_append(b, &v, 8);
}

static inline void b_raw(bytes *b, unsigned field, const void *data, size_t n)
{
    b_varint(b, field << 3 | 2);
    b_varint(b, n);
    b_append(b, data, n);
}

static inline void b_str(bytes *b, unsigned field, const char *text)
{
    b_raw(b, field, text, strlen(text));
}

static inline void b_free(bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

/* Appends a message and frees it. */
static inline void b_message(bytes *b, unsigned field, bytes inside)
{
    b_raw(b, field, inside.data, inside.n);
    b_free(&inside);
}

static inline bytes b_pair(const char *key, const char *text)
{
    bytes b = {0};
    b_str(&b, PAIR_KEY, key);
    b_str(&b, PAIR_VALUE, text);
    return b;
}

/* A name without a type, or with a tensor's: dims as "2 N ?" of numbers, symbols and unknown dims; NULL for
   no shape. */
static inline bytes b_type(int dtype, const char *dims)
{
    bytes shape = {0}, tensor = {0}, type = {0};
    b_int(&tensor, TENSOR_TYPE_ELEM, dtype);
    for (const char *p = dims; p && *p;) {
        bytes d = {0};
        char word[64];
        int used = 0;
        sscanf(p, " %63s%n", word, &used);
        if (word[0] >= '0' && word[0] <= '9')
            b_int(&d, DIMENSION_VALUE, atoll(word));
        else if (word[0] != '?')
            b_str(&d, DIMENSION_PARAM, word);
        b_message(&shape, SHAPE_DIM, d);
        p += used;
    }
    if (dims)
        b_message(&tensor, TENSOR_TYPE_SHAPE, shape);
    b_message(&type, TYPE_PROTO_TENSOR, tensor);
    return type;
}

static inline bytes b_info(const char *name, bytes type)
{
    bytes b = {0};
    b_str(&b, INFO_NAME, name);
    if (type.n)
        b_message(&b, INFO_TYPE, type);
    return b;
}

static inline void b_words(bytes *b, unsigned field, const char *words)
{
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        bool omitted = n == 1 && *p == '_';
        b_raw(b, field, p, omitted ? 0 : n);
        p += n;
        p += *p == ' ';
    }
}

/* A node: inputs and outputs separated by blanks, "_" for an omitted one. */
static inline bytes b_node(const char *type, const char *name, const char *inputs, const char *outputs)
{
    bytes b = {0};
    b_words(&b, NODE_INPUT, inputs);
    b_words(&b, NODE_OUTPUT, outputs);
    b_str(&b, NODE_NAME, name);
    b_str(&b, NODE_OP_TYPE, type);
    return b;
}

static inline bytes b_attribute(const char *name, int kind)
{
    bytes b = {0};
    b_str(&b, ATTRIBUTE_NAME, name);
    if (kind)
        b_int(&b, ATTRIBUTE_TYPE, kind);
    return b;
}

static inline bytes b_int_attribute(const char *name, int64_t v)
{
    bytes b = b_attribute(name, 2);
    b_int(&b, ATTRIBUTE_I, v);
    return b;
}

static inline bytes b_graph_attribute(const char *name, bytes inside)
{
    bytes b = b_attribute(name, 5);
    b_message(&b, ATTRIBUTE_G, inside);
    return b;
}

/* A float32 tensor of rank 1 in raw_data. */
static inline bytes b_floats(const char *name, size_t n, const float *items)
{
    bytes b = {0};
    b_int(&b, TENSOR_DIMS, (int64_t)n);
    b_int(&b, TENSOR_DATA_TYPE, 1);
    b_str(&b, TENSOR_NAME, name);
    b_raw(&b, TENSOR_RAW_DATA, items, n * sizeof *items);
    return b;
}

static inline bytes b_opset(const char *domain, int64_t version)
{
    bytes b = {0};
    b_str(&b, OPSET_DOMAIN, domain);
    b_int(&b, OPSET_VERSION, version);
    return b;
}

/* A model with a graph; functions and other fields may be appended. */
static inline bytes b_model(int64_t ir, bytes inside)
{
    bytes b = {0};
    b_int(&b, MODEL_IR_VERSION, ir);
    b_message(&b, MODEL_OPSET, b_opset("", 17));
    b_message(&b, MODEL_GRAPH, inside);
    return b;
}

#endif
