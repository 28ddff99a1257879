/* /api/models/{id}/job: what a model's job is made of. */
#include "server/handlers.h"
#include "server/models/describe.h"
#include "server/models/documents.h"
#include "server/models/exchange_model.h"

/* ---- Nodes and ports ---- */

/* Where a value comes from; null: from nowhere. */
static json_t *source_json(const sib_job_source *s)
{
    switch (s->from) {
    case SIB_JOB_FROM_LITERAL:
        return json_pack("{s:o}", "literal", port_value_json(s->literal));
    case SIB_JOB_FROM_INPUT:
        return json_pack("{s:I}", "input", (json_int_t)s->port);
    case SIB_JOB_FROM_NODE:
        return json_pack("{s:I, s:I}", "node", (json_int_t)s->node, "port", (json_int_t)s->port);
    case SIB_JOB_FROM_LOOP:
        return json_pack("{s:I, s:I}", "loop", (json_int_t)s->node, "port", (json_int_t)s->port);
    default:
        return json_null();
    }
}

static json_t *port_with_source(const sib_job_port *p, const sib_job_source *s)
{
    json_t *port = describe_port(p);
    json_object_set_new(port, "from", source_json(s));
    return port;
}

static json_t *side_json(const sib_job *j, size_t node, sib_job_side side)
{
    json_t *list = json_array();
    sib_job_port p;
    sib_job_source s;
    for (size_t i = 0; sib_job_node_port(j, node, side, i, &p, &s); i++)
        json_array_append_new(list, port_with_source(&p, &s));
    return list;
}

static json_t *calls_json(const sib_job *j, size_t node)
{
    json_t *list = json_array();
    const char *as, *call;
    for (size_t i = 0; (call = sib_job_node_call(j, node, i, &as)); i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "as", as, "call", call));
    return list;
}

static json_t *nodes_json(const sib_job *j)
{
    json_t *list = json_array();
    sib_job_node_info n;
    for (size_t i = 0; sib_job_node(j, i, &n); i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s?, s:I, s:o, s:o, s:o, s:o, s:o}", "name", n.name, "op", n.op,
                            "doc", n.doc, "tokenizer", n.tokenizer, "loop",
                            n.loop == SIB_JOB_NO_NODE ? (json_int_t)-1 : (json_int_t)n.loop, "calls",
                            calls_json(j, i), "takes", side_json(j, i, SIB_JOB_TAKES), "gives",
                            side_json(j, i, SIB_JOB_GIVES), "body_takes", side_json(j, i, SIB_JOB_BODY_TAKES),
                            "body_gives", side_json(j, i, SIB_JOB_BODY_GIVES)));
    return list;
}

static json_t *outputs_json(const sib_job *j)
{
    json_t *list = json_array();
    sib_job_port p;
    sib_job_source s;
    for (size_t i = 0; sib_job_output(j, i, &p) && sib_job_output_source(j, i, &s); i++)
        json_array_append_new(list, port_with_source(&p, &s));
    return list;
}

json_t *job_json(const sib_job *j, json_t *document)
{
    sib_job_info i;
    sib_job_get_info(j, &i);
    return json_pack("{s:s, s:s, s:s?, s:f, s:o, s:o, s:o, s:o}", "kind", i.kind, "name", i.name, "doc",
                     i.doc, "sample_rate", i.sample_rate, "inputs", describe_ports(j, sib_job_input),
                     "outputs", outputs_json(j), "nodes", nodes_json(j), "document", document);
}

void handle_job(exchange *x)
{
    served *v = exchange_model(x);
    if (!v)
        return;
    if (v->job)
        answer_json(x, 200, job_json(v->job, document_json(v)));
    else
        answer_error(x, 404, "model", "the model '%.80s' has no job: it is a graph alone", v->id);
    catalog_release(v);
}
