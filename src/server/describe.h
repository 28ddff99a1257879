/* Graphs of models as JSON, in the form that the page reads (web/src/api/types.ts). Numbers of values, nodes and graphs
   are those of sibyl/graph.h; -1 is none. */
#ifndef SIB_SERVER_DESCRIBE_H
#define SIB_SERVER_DESCRIBE_H

#include <jansson.h>
#include <sibyl/sibyl.h>

/* A graph that is described. */
typedef struct described {
    const sib_graph *graph;
    sib_graph_info info;
    unsigned char *marks; /* (n_values) which of them are inputs and outputs */
} described;

/* Returns false where memory fails. described_clear(&d) in both cases. */
bool described_make(const sib_graph *g, described *d);
void described_clear(described *d);

/* Each returns NULL where memory fails. */
json_t *describe_graph(const described *d, bool with_ports);
json_t *describe_value(const described *d, size_t i, const sib_value_info *v);
json_t *describe_node(const described *d, size_t i, const sib_node_info *n);
/* Value i in full, with the nodes that read it. */
json_t *describe_value_detail(const described *d, size_t i);
/* Node i in full. Its costs for given sizes are there where n_dims is not 0. Errors: those of sib_graph_cost. */
sib_code describe_node_detail(const described *d, size_t i, size_t n_dims, const sib_dim *dims, json_t **out,
                              sib_error *err);

/* "tensor"; NULL where it is unknown. */
const char *value_kind_name(sib_value_kind kind);

/* "float32 [2, 3]"; returns text. */
#define TYPE_TEXT (40 + 22 * SIB_MAX_RANK)
const char *tensor_type_text(const sib_tensor *t, char text[TYPE_TEXT]);

/* As `sibyl transcribe` writes them; NULL where memory fails. */
json_t *segments_json(const sib_segment *segments, size_t n);
/* null where JSON has no such number */
json_t *real_json(double value);
/* full: with histogram and cells */
json_t *digest_json(const sib_digest *d, bool full);

/* Text of a model, whose bytes may be anything: what is no UTF-8 is replaced, and it is cut after (max) bytes. */
json_t *text_json(const char *text, size_t max);
/* The same from (size) bytes, which may hold a NUL. */
json_t *text_of_bytes(const char *bytes, size_t size);
/* NULL as null. */
json_t *text_or_null(const char *text, size_t max);

#define MAX_NAME 4096 /* bytes of names and types in answers */
#define MAX_DOC  65536

/* The numbers of a list, -1 for SIB_NONE. */
json_t *numbers_json(const uint32_t *numbers, size_t n);
json_t *number_json(uint32_t number);

#endif
