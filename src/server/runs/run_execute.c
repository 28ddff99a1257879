#include "server/runs/run_execute.h"

#include "server/http/folders.h"
#include "server/http/state.h"
#include "server/runs/live.h"
#include "server/runs/run_job.h"
#include "server/runs/runs.h"

#include <stdlib.h>

static sib_code on_value(void *context, const sib_tap_event *e, sib_error *err)
{
    run *r = context;
    (void)err;
    run_keep(r, e, false);
    return SIB_OK;
}

/* Runs with the outputs of (n) names, and keeps these. */
static sib_code run_session(run *r, sib_session *session, sib_error *err)
{
    sib_model_info info;
    sib_model_get_info(sib_session_model(session), &info);
    size_t n = r->outputs.n ? r->outputs.n : info.n_outputs;
    sib_value **out = calloc(n + 1, sizeof(sib_value *));
    if (!out)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    sib_run_options o = {.tap = r->keep.n ? on_value : NULL,
                         .tap_context = r,
                         .tap_names = (const char *const *)r->keep.items,
                         .n_taps = r->keep.n,
                         .tap_inside = r->inside,
                         .profile = r->profile,
                         .cancel = r->cancel};
    live_run *l = live_begin(r->server->live, r, session);
    sib_code code = sib_session_run(session, r->n_inputs, r->inputs, r->outputs.n,
                                    (const char *const *)r->outputs.items, out, &o, err);
    live_end(&l);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        sib_value_info v = {.name = ""};
        sib_model_output(sib_session_model(session), i, &v);
        sib_tap_event e = {
            .name = r->outputs.n ? r->outputs.items[i] : v.name, .node = "", .op_type = "", .value = out[i]};
        run_keep(r, &e, true);
    }
    for (size_t i = 0; i < n; i++)
        sib_value_free(&out[i]);
    free(out);
    return code;
}

static sib_code run_graph(run *r, sib_error *err)
{
    sib_session *session;
    sib_code code = served_session(r->model, r->call, r->backends, r->oracle, &session, err);
    return code == SIB_OK ? run_session(r, session, err) : code;
}

static void execute(void *item)
{
    run *r = item;
    sib_error err = SIB_ERROR_INIT;
    pthread_mutex_lock(&r->lock);
    r->started = run_clock();
    r->state = RUN_RUNNING;
    pthread_mutex_unlock(&r->lock);
    live_state(r->server->live, r);
    uint64_t taken = run_begin_profile(r);
    sib_code code = r->is_job ? run_job(r, &err) : run_graph(r, &err);
    run_end_profile(r, taken);
    if (code == SIB_ERR_CANCELLED && atomic_load(&r->timed_out)) {
        err = (sib_error)SIB_ERROR_INIT;
        server_fail(&err, SIB_ERR_VALUE, "the run took longer than %g s", r->server->options.time_limit);
        code = err.code;
    }
    folders_cut(r->server->folders, err.message);
    run_free_inputs(r);
    pthread_mutex_lock(&r->lock);
    r->state = code == SIB_OK ? RUN_DONE : code == SIB_ERR_CANCELLED ? RUN_CANCELLED : RUN_FAILED;
    r->error = err;
    r->ended = run_clock();
    pthread_mutex_unlock(&r->lock);
    live_state(r->server->live, r);
    run_release(r);
}

static void wait_by(run *r, const struct exchange *by)
{
    pthread_mutex_lock(&r->lock);
    r->by = by;
    pthread_mutex_unlock(&r->lock);
}

sib_code run_wait(run *r, const struct exchange *by, bool *busy, sib_error *err)
{
    *busy = runs_add(r->server->runs, r, err) != SIB_OK;
    if (*busy)
        return SIB_ERR_SIZE;
    wait_by(r, by);
    execute(run_hold(r));
    wait_by(r, NULL);
    if (r->state == RUN_DONE) /* nothing changes it any more */
        return SIB_OK;
    if (err)
        *err = r->error;
    return r->error.code;
}

sib_code run_start(run *r, sib_error *err)
{
    struct server *s = r->server;
    sib_code code = runs_add(s->runs, r, err);
    if (code != SIB_OK)
        return code;
    if (!work_add(s->work, LANE_WRITE, execute, run_hold(r))) {
        run_release(r);
        runs_forget(s->runs, r);
        return server_fail(err, SIB_ERR_SIZE, "the server has as many requests as it takes; try again soon");
    }
    live_state(s->live, r);
    return SIB_OK;
}
