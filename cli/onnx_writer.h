/* ONNX files out of nodes and tensors: what the benchmarks' own models are written with. Memory that cannot be had ends the
   program, as in cli_take. */
#ifndef CLI_ONNX_WRITER_H
#define CLI_ONNX_WRITER_H

#include <sibyl/sibyl.h>

/* Bytes that grow. */
typedef struct written {
    char *data;
    size_t n, room;
} written;

/* Start from all zero; nodes, tensors, inputs and outputs may come in any order, nodes in order of use. */
typedef struct onnx_writer {
    written graph;
    size_t n_nodes;
} onnx_writer;

/* inputs, outputs: names with blanks between, "_" for one that is left out. attributes: "axis=-1 epsilon=f:1e-5
   perm=[0,2,1]": an int, a float, ints. */
void onnx_node(onnx_writer *w, const char *type, const char *inputs, const char *outputs,
               const char *attributes);
/* An initializer of dense elements at data. */
void onnx_tensor(onnx_writer *w, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
                 const void *data);
/* dims: (rank), -1 is the symbol "P", -2 the symbol "N". */
void onnx_input(onnx_writer *w, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims);
void onnx_output(onnx_writer *w, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims);

/* Writes the file and frees the writer. False, with a line on stderr, where it cannot be written. */
bool onnx_save(onnx_writer *w, const char *path, int64_t opset);

#endif
