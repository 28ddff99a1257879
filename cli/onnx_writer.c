#include "onnx_writer.h"

#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fields of the protobuf messages, and of what kind they are on the wire. */
enum { WIRE_NUMBER = 0, WIRE_BYTES = 2, WIRE_FLOAT = 5 };
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 };
enum { TENSOR_DIM = 1, TENSOR_DTYPE = 2, TENSOR_NAME = 8, TENSOR_DATA = 9 };
enum {
    VALUE_NAME = 1,
    VALUE_TYPE = 2,
    OF_TENSOR = 1,
    ELEMENT = 1,
    SHAPE = 2,
    DIM = 1,
    DIM_VALUE = 1,
    DIM_NAME = 2
};

#define IR_VERSION 11

static void put(written *w, const void *data, size_t n)
{
    if (w->n + n > w->room) {
        w->room = 2 * w->room + n + 64;
        w->data = realloc(w->data, w->room);
        if (!w->data)
            exit(cli_fail("memory for %zu bytes of a model could not be had", w->room));
    }
    if (n)
        memcpy(w->data + w->n, data, n);
    w->n += n;
}

static void put_varint(written *w, uint64_t x)
{
    do {
        uint8_t byte = (uint8_t)((x & 0x7F) | (x > 0x7F ? 0x80 : 0));
        put(w, &byte, 1);
        x >>= 7;
    } while (x);
}

static void put_key(written *w, int field, int wire)
{
    put_varint(w, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_number(written *w, int field, int64_t x)
{
    put_key(w, field, WIRE_NUMBER);
    put_varint(w, (uint64_t)x);
}

static void put_bytes(written *w, int field, const void *data, size_t n)
{
    put_key(w, field, WIRE_BYTES);
    put_varint(w, n);
    put(w, data, n);
}

static void put_text(written *w, int field, const char *text)
{
    put_bytes(w, field, text, strlen(text));
}

/* Moves a finished message into the one around it. */
static void put_message(written *w, int field, written *inner)
{
    put_bytes(w, field, inner->data, inner->n);
    free(inner->data);
    *inner = (written){0};
}

/* ---- Nodes ---------------------------------------------------------------------------------------------- */

static void put_names(written *w, int field, const char *names)
{
    char *copy = cli_format("%s", names), *state = NULL;
    for (char *name = strtok_r(copy, " ", &state); name; name = strtok_r(NULL, " ", &state))
        put_text(w, field, strcmp(name, "_") ? name : "");
    free(copy);
}

/* word: "name=value" */
static void put_attribute(written *node, char *word)
{
    written a = {0};
    char *value = strchr(word, '=');
    *value++ = '\0';
    put_text(&a, ATTRIBUTE_NAME, word);
    if (value[0] == '[') {
        for (char *at = value; *at && *at != ']'; at += strcspn(at, ",]"))
            put_number(&a, ATTRIBUTE_INTS, strtoll(at + 1, &at, 10));
        put_number(&a, ATTRIBUTE_TYPE, TYPE_INTS);
    } else if (value[0] == 'f') {
        float f = strtof(value + 2, NULL);
        put_key(&a, ATTRIBUTE_F, WIRE_FLOAT);
        put(&a, &f, sizeof f); /* little-endian, as the machines are that this runs on */
        put_number(&a, ATTRIBUTE_TYPE, TYPE_FLOAT);
    } else {
        put_number(&a, ATTRIBUTE_I, strtoll(value, NULL, 10));
        put_number(&a, ATTRIBUTE_TYPE, TYPE_INT);
    }
    put_message(node, NODE_ATTRIBUTE, &a);
}

void onnx_node(onnx_writer *w, const char *type, const char *inputs, const char *outputs,
               const char *attributes)
{
    written node = {0};
    char name[64], *copy = cli_format("%s", attributes), *state = NULL;
    snprintf(name, sizeof name, "%s_%zu", type, w->n_nodes++);
    put_names(&node, NODE_INPUT, inputs);
    put_names(&node, NODE_OUTPUT, outputs);
    put_text(&node, NODE_NAME, name);
    put_text(&node, NODE_TYPE, type);
    for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state))
        put_attribute(&node, word);
    free(copy);
    put_message(&w->graph, GRAPH_NODE, &node);
}

/* ---- Values --------------------------------------------------------------------------------------------- */

void onnx_tensor(onnx_writer *w, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
                 const void *data)
{
    written head = {0}, sized = {0};
    size_t n = sib_dtype_bits(dtype);
    for (size_t i = 0; i < rank; i++) {
        put_number(&head, TENSOR_DIM, dims[i]);
        n *= (size_t)dims[i];
    }
    n = (n + 7) / 8;
    put_number(&head, TENSOR_DTYPE, dtype);
    put_text(&head, TENSOR_NAME, name);
    put_key(&head, TENSOR_DATA, WIRE_BYTES);
    put_varint(&head, n);
    put_key(&sized, GRAPH_TENSOR, WIRE_BYTES);
    put_varint(&sized, head.n + n);
    put(&w->graph, sized.data, sized.n);
    put(&w->graph, head.data, head.n);
    put(&w->graph, data, n);
    free(sized.data);
    free(head.data);
}

static void put_value(onnx_writer *w, int field, const char *name, sib_dtype dtype, size_t rank,
                      const int64_t *dims)
{
    written shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (size_t i = 0; i < rank; i++) {
        written d = {0};
        if (dims[i] < 0)
            put_text(&d, DIM_NAME, dims[i] == -1 ? "P" : "N");
        else
            put_number(&d, DIM_VALUE, dims[i]);
        put_message(&shape, DIM, &d);
    }
    put_number(&tensor, ELEMENT, dtype);
    put_message(&tensor, SHAPE, &shape);
    put_message(&type, OF_TENSOR, &tensor);
    put_text(&value, VALUE_NAME, name);
    put_message(&value, VALUE_TYPE, &type);
    put_message(&w->graph, field, &value);
}

void onnx_input(onnx_writer *w, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    put_value(w, GRAPH_INPUT, name, dtype, rank, dims);
}

void onnx_output(onnx_writer *w, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    put_value(w, GRAPH_OUTPUT, name, dtype, rank, dims);
}

/* ---- Files ---------------------------------------------------------------------------------------------- */

bool onnx_save(onnx_writer *w, const char *path, int64_t opset)
{
    written head = {0}, import = {0};
    put_text(&w->graph, GRAPH_NAME, "bench");
    put_number(&head, MODEL_IR, IR_VERSION);
    put_text(&head, MODEL_PRODUCER, "sibyl bench");
    put_number(&import, OPSET_VERSION, opset);
    put_message(&head, MODEL_OPSET, &import);
    put_key(&head, MODEL_GRAPH, WIRE_BYTES);
    put_varint(&head, w->graph.n);
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(head.data, 1, head.n, f) == head.n &&
              fwrite(w->graph.data, 1, w->graph.n, f) == w->graph.n;
    ok = (!f || fclose(f) == 0) && ok;
    if (!ok)
        cli_fail("%s: cannot be written: %s", path, strerror(errno));
    free(head.data);
    free(w->graph.data);
    *w = (onnx_writer){0};
    return ok;
}
