/* Plans of a session, as dicts. */
#include "ext.h"

#include <sibyl/plan.h>

/* Each of these returns a new reference, or NULL with an exception; "N" of Py_BuildValue takes both. */
static PyObject *number_or_none(uint32_t id)
{
    return id == SIB_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(id);
}

static PyObject *id_list(size_t n, const uint32_t *ids)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++)
        list_take(&list, number_or_none(ids[i]));
    return list;
}

static PyObject *step_dict(const sib_plan_step *s)
{
    PyObject *members = PyList_New(0);
    for (size_t i = 0; members && i < s->n_members; i++)
        list_take(&members, text_or_none(s->members[i]));
    return Py_BuildValue("{sI sN sN ss sN sN sN sN sN sK sK}", "node", (unsigned)s->node, "type",
                         text_or_none(s->op_type), "milli", PyBool_FromLong(s->milli), "backend", s->backend,
                         "kernel", text_or_none(s->kernel), "inputs", id_list(s->n_inputs, s->inputs),
                         "outputs", id_list(s->n_outputs, s->outputs), "packed",
                         id_list(s->n_packed, s->packed), "members", members, "bytes_in",
                         (unsigned long long)s->bytes_in, "bytes_out", (unsigned long long)s->bytes_out);
}

static PyObject *place_dict(const sib_plan_place *p)
{
    return Py_BuildValue("{sN sN ss sN sK sK sN sN}", "name", text_or_none(p->name), "type",
                         text_or_none(p->type), "kind", sib_place_kind_name(p->kind), "viewed",
                         number_or_none(p->viewed), "offset", (unsigned long long)p->offset, "bytes",
                         (unsigned long long)p->bytes, "first_step", number_or_none(p->first_step),
                         "last_step", number_or_none(p->last_step));
}

static PyObject *segment_dict(const sib_plan *p, size_t i, const sib_plan_segment *s)
{
    sib_plan_step step;
    sib_plan_place place;
    PyObject *steps = PyList_New(0), *places = PyList_New(0);
    for (size_t k = 0; steps && sib_plan_get_step(p, i, k, &step); k++)
        list_take(&steps, step_dict(&step));
    for (size_t k = 0; places && sib_plan_get_place(p, i, k, &place); k++)
        list_take(&places, place_dict(&place));
    return Py_BuildValue("{sN sN sI sI sN sN sK sK sK sN sN}", "graph", number_or_none(s->graph), "of_file",
                         PyBool_FromLong(s->of_file), "begin", (unsigned)s->begin, "end", (unsigned)s->end,
                         "runs_graphs", PyBool_FromLong(s->runs_graphs), "facts", text_or_none(s->facts),
                         "arena_bytes", (unsigned long long)s->arena_bytes, "own_bytes",
                         (unsigned long long)s->own_bytes, "plan_bytes", (unsigned long long)s->plan_bytes,
                         "steps", steps, "places", places);
}

PyObject *plan_list(sib_session *session)
{
    sib_plan *p = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (sib_session_plan(session, &p, &err) != SIB_OK)
        return error_raise(&err, NULL);
    sib_plan_segment segment;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && sib_plan_get_segment(p, i, &segment); i++)
        list_take(&list, segment_dict(p, i, &segment));
    sib_plan_free(&p);
    return list;
}

static PyObject *node_list(size_t n, const sib_edit_node *nodes)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < n; i++)
        list_take(&list, Py_BuildValue("{sN sN}", "type", text_or_none(nodes[i].type), "name",
                                       text_or_none(nodes[i].name)));
    return list;
}

static PyObject *edit_dict(const sib_edit *e)
{
    PyObject *rewired = PyList_New(0);
    for (size_t i = 0; rewired && i < e->n_rewired; i++)
        list_take(&rewired, Py_BuildValue("{sN sN}", "from", text_or_none(e->rewired[i].from), "to",
                                          text_or_none(e->rewired[i].to)));
    return Py_BuildValue("{ss sN sN sN sN}", "pass", e->pass, "graph", number_or_none(e->graph), "removed",
                         node_list(e->n_removed, e->removed), "added", node_list(e->n_added, e->added),
                         "rewired", rewired);
}

PyObject *edit_list(sib_session *session)
{
    sib_edit e;
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && sib_session_edit(session, i, &e); i++)
        list_take(&list, edit_dict(&e));
    return list;
}
