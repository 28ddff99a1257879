#include "import/model/scan.h"

#include <string.h>

void build_scan_begin(build *b, build_scan *s)
{
    s->body = build_enter(b);
    for (size_t i = 0; i < s->n_states; i++)
        s->state[i] = build_input(b, build_text(b, "%s.state_%zu_%u", b->scope, i, b->n_names++), SIB_F32,
                                  "%s", s->state_dims);
    for (size_t i = 0; i < s->n_rows; i++)
        s->row[i] = build_input(b, build_text(b, "%s.row_%zu_%u", b->scope, i, b->n_names++), SIB_F32, "%s",
                                s->row_dims[i]);
}

void build_scan_end(build *b, build_scan *s)
{
    value_id in[9], out[4];
    build_attributes a = build_no_attributes();
    for (size_t i = 0; i < s->n_states; i++)
        build_output(b, s->next_state[i], build_text(b, "%s.next_%zu_%u", b->scope, i, b->n_names++), SIB_F32,
                     "%s", s->state_dims);
    build_output(b, s->gives, build_text(b, "%s.gives_%u", b->scope, b->n_names++), SIB_F32, "%s",
                 s->gives_dims);
    build_leave(b, s->body);
    build_set_graph(&a, "body", s->body);
    build_set_int(&a, "num_scan_inputs", (int64_t)s->n_rows);
    memcpy(in, s->states, s->n_states * sizeof *in);
    memcpy(in + s->n_states, s->rows, s->n_rows * sizeof *in);
    build_node(b, "Scan", &a, s->n_states + s->n_rows, in, s->n_states + 1, out);
    memcpy(s->out_states, out, s->n_states * sizeof *out);
    s->out = out[s->n_states];
}
