#include "big.h"

#include "bytes.h"

#include <unistd.h>

static size_t varint_size(uint64_t v)
{
    size_t n = 1;
    for (; v > 0x7F; v >>= 7)
        n++;
    return n;
}

/* An initializer without its content; a doc string of `pad` bytes shifts the content to its place. */
static bytes tensor_head(unsigned i, uint64_t count, size_t pad)
{
    char name[16];
    static const char spaces[64] = "                                                               ";
    bytes t = {0};
    snprintf(name, sizeof name, "w%u", i);
    b_int(&t, TENSOR_DIMS, (int64_t)count);
    b_int(&t, TENSOR_DATA_TYPE, 1);
    b_str(&t, TENSOR_NAME, name);
    b_raw(&t, TENSOR_DOC, spaces, pad);
    b_varint(&t, TENSOR_RAW_DATA << 3 | 2);
    b_varint(&t, count * 4);
    return t;
}

/* The tag, length and head of the initializer, in a file at `offset`. */
static bytes initializer(unsigned i, uint64_t count, uint64_t offset, unsigned shift)
{
    bytes out = {0};
    for (size_t pad = 0; pad < 64; pad++) {
        bytes head = tensor_head(i, count, pad);
        uint64_t size = head.n + count * 4;
        if ((offset + 1 + varint_size(size) + head.n) % 64 == shift || pad == 63) {
            b_varint(&out, GRAPH_INITIALIZER << 3 | 2);
            b_varint(&out, size);
            b_append(&out, head.data, head.n);
            b_free(&head);
            break;
        }
        b_free(&head);
    }
    return out;
}

/* Inputs, outputs and nodes. */
static bytes rest_of_graph(unsigned n, uint64_t count)
{
    bytes g = {0};
    char in[16], out[16], name[16], dims[32], both[40];
    snprintf(dims, sizeof dims, "%llu", (unsigned long long)count);
    b_message(&g, GRAPH_INPUT, b_info("x0", b_type(1, dims)));
    for (unsigned i = 0; i < n; i++) {
        snprintf(in, sizeof in, "x%u", i);
        snprintf(out, sizeof out, "x%u", i + 1);
        snprintf(name, sizeof name, "add%u", i);
        snprintf(both, sizeof both, "%s w%u", in, i);
        b_message(&g, GRAPH_NODE, b_node("Add", name, both, out));
    }
    snprintf(out, sizeof out, "x%u", n);
    b_message(&g, GRAPH_OUTPUT, b_info(out, b_type(1, dims)));
    return g;
}

/* Heads of all initializers of a graph that begins at `begin`; *end: where the graph's last weight ends. If
   there is a file, they are written to it. */
static int lay_out(FILE *f, unsigned n, uint64_t count, uint64_t begin, unsigned shift, uint64_t *end)
{
    uint64_t at = begin;
    int failed = 0;
    for (unsigned i = 0; i < n; i++) {
        bytes head = initializer(i, count, at, shift);
        float one = (float)i;
        if (f && (fseeko(f, (off_t)at, SEEK_SET) != 0 || fwrite(head.data, 1, head.n, f) != head.n ||
                  fwrite(&one, sizeof one, 1, f) != 1))
            failed = -1;
        at += head.n + count * 4;
        b_free(&head);
    }
    *end = at;
    return failed;
}

int big_model_write(const char *path, uint64_t size, unsigned n, unsigned shift)
{
    uint64_t count = size / n / 4, end = 0;
    bytes front = {0}, rest = rest_of_graph(n, count);
    FILE *f = fopen(path, "wb");
    if (!f)
        return -1;
    b_int(&front, MODEL_IR_VERSION, 8);
    b_message(&front, MODEL_OPSET, b_opset("", 17));
    b_varint(&front, MODEL_GRAPH << 3 | 2);
    uint64_t begin = front.n + 5; /* the graph's length takes five bytes, padded with zeros */
    lay_out(NULL, n, count, begin, shift, &end);
    uint64_t length = end - begin + rest.n;
    for (int i = 0; i < 5; i++) {
        uint8_t byte = (uint8_t)((length >> (7 * i) & 0x7F) | (i < 4 ? 0x80 : 0));
        b_append(&front, &byte, 1);
    }
    int failed = fwrite(front.data, 1, front.n, f) != front.n ||
                 lay_out(f, n, count, begin, shift, &end) != 0 || fseeko(f, (off_t)end, SEEK_SET) != 0 ||
                 fwrite(rest.data, 1, rest.n, f) != rest.n;
    failed |= fclose(f) != 0;
    b_free(&front);
    b_free(&rest);
    return failed ? -1 : 0;
}
