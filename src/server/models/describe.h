/* Graphs of models as JSON, in the form that the page reads (web/src/api/types.ts). Numbers of values, nodes and graphs
   are those of sibyl/graph.h; -1 is none. */
#ifndef SIB_SERVER_DESCRIBE_H
#define SIB_SERVER_DESCRIBE_H

#include "server/models/catalog.h"
#include "server/values/json.h"

#include <jansson.h>
#include <sibyl/sibyl.h>

#define MAX_ITEMS 4096 /* of an attribute that are listed; longer ones are there as text alone */

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
/* Of the main graph's values those that `numbers` names. */
json_t *describe_values(const described *d, const uint32_t *numbers, size_t n);
/* The attributes of node i. */
json_t *describe_attributes(const described *d, size_t i);

/* Each writes an object as text, since graphs have thousands of these. A failure stays in b. */
void write_value(buffer *b, const described *d, size_t i, const sib_value_info *v);
void write_node(buffer *b, const described *d, size_t i, const sib_node_info *n, bool attributes);
/* Value i in full, with the nodes that read it. */
void write_value_detail(buffer *b, const described *d, size_t i);
/* Node i in full. Its costs for given sizes are there where n_dims is not 0. Errors: those of sib_graph_cost. */
sib_code write_node_detail(buffer *b, const described *d, size_t i, size_t n_dims, const sib_dim *dims,
                           sib_error *err);

json_t *describe_port(const sib_job_port *p);
/* The inputs or outputs of a job; none where j is NULL. */
json_t *describe_ports(const sib_job *j, bool (*get)(const sib_job *j, size_t i, sib_job_port *out));

/* JOB of the API (api_job.c). Takes the document. */
json_t *job_json(const sib_job *j, json_t *document);
/* MODEL of the API (api_models.c). */
json_t *model_json(served *v);

/* "tensor"; NULL where it is unknown. */
const char *value_kind_name(sib_value_kind kind);

/* "float32 [2, 3]"; returns text. */
#define TYPE_TEXT (40 + 22 * SIB_MAX_RANK)
const char *tensor_type_text(const sib_tensor *t, char text[TYPE_TEXT]);

#endif
