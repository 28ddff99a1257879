/* The parts of `sibyl inspect`: what is shown, as text, as JSON, for Graphviz and as a drawing. */
#ifndef CLI_MODEL_INSPECT_PARTS_H
#define CLI_MODEL_INSPECT_PARTS_H

#include "messages.h"
#include "shared_options.h"

/* What is shown of a model. */
typedef struct inspected {
    const sib_model *m;
    const char *path;
    const sib_graph *milli; /* the milli-ops of a node, instead of the model; or NULL */
    uint32_t graph;         /* one graph alone; SIB_NONE: all */
    bool nodes;
} inspected;

void inspect_text(const inspected *s);
json_t *inspect_json(const inspected *s);
/* One graph in the DOT language. */
void inspect_dot(const sib_graph *g);
/* One graph as an SVG drawing. Returns an exit code: CLI_FAILED, with a line on stderr, where it is too large. */
int inspect_svg(const sib_graph *g);
/* The same into a document, of any number of nodes. */
void graph_drawing(FILE *f, const sib_graph *g);

/* The plan that a run with these inputs makes. Returns an exit code. */
int inspect_plan(sib_model *m, const char *backends, const input_settings *settings, sib_logger log,
                 bool json);

/* ---- Shared by the forms --------------------------------------------------------------------------- */

/* How often an operator stands in all graphs of a model. */
typedef struct op_count {
    const char *domain, *type;
    bool known;
    size_t n;
} op_count;
/* The most frequent first. Release with free. */
op_count *inspect_operators(const sib_model *m, size_t *n);

/* "If", "my.domain:Block"; and the name of a value, or "%12" where it has none. Release with free. */
char *inspect_type(const char *domain, const char *type);
char *inspect_value(const sib_graph *g, uint32_t id);

/* Prints a row of text, cut with "..." where the terminal is narrower. Takes text over. */
void inspect_row(char *text);
/* Appends to a text that cli_format made. */
void inspect_add(char **text, const char *format, ...) CLI_PRINTF(2, 3);

#endif
