#include "bench/peer_ort.h"

#include "bench/peer_ort_api.h"
#include "messages.h"
#include "peer_python.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Prints the folder of the package without importing it. */
static const char where_script[] = "import importlib.util as u\n"
                                   "s = u.find_spec('onnxruntime')\n"
                                   "print(s.submodule_search_locations[0] if s else '')\n";

struct peer_ort {
    void *library;
    const ort_api *api;
    char version[64];
    ort_env *env;
    ort_memory_info *memory;
    ort_allocator *allocator;
};

struct peer_ort_session {
    peer_ort *ort;
    ort_session *session;
    size_t n_inputs, n_outputs;
    char **input_names; /* (n_inputs) */
    ort_value **inputs; /* (n_inputs) */
    char **output_names;
    ort_value **outputs; /* (n_outputs), NULL between runs */
};

/* ---- Finding the library ------------------------------------------------------------------------------- */

/* Gets the first line that `python -c script` prints. Returns false if it cannot be run or prints none. */
static bool ask(const char *python, const char *script, char *line, size_t bytes)
{
    int out[2];
    pid_t pid;
    char *const argv[] = {(char *)python, (char *)"-c", (char *)script, NULL};
    posix_spawn_file_actions_t actions;
    if (pipe2(out, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool started = posix_spawnp(&pid, python, &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    FILE *answer = fdopen(out[0], "r");
    bool answered = answer && started && fgets(line, (int)bytes, answer);
    if (answer)
        fclose(answer);
    if (started)
        waitpid(pid, NULL, 0);
    if (answered)
        line[strcspn(line, "\n")] = '\0';
    return answered && *line;
}

static bool load(peer_ort *p, const char *path, char *why, size_t bytes)
{
    p->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->library) {
        snprintf(why, bytes, "%s", dlerror());
        return false;
    }
    const ort_api_base *(*base)(void);
    *(void **)&base = dlsym(p->library, "OrtGetApiBase");
    p->api = base ? base()->get_api(ORT_API_WANTED) : NULL;
    if (!p->api) {
        snprintf(why, bytes, "%s has no C interface of version %d", path, ORT_API_WANTED);
        dlclose(p->library);
        p->library = NULL;
        return false;
    }
    snprintf(p->version, sizeof p->version, "%s", base()->version());
    return true;
}

/* Finds the library in the package of this Python. */
static bool load_from_python(peer_ort *p, const char *python, char *why, size_t bytes)
{
    char folder[3000];
    glob_t found = {0};
    if (!ask(python, where_script, folder, sizeof folder)) {
        snprintf(why, bytes, "%s has no onnxruntime", python);
        return false;
    }
    char *pattern = cli_format("%s/capi/libonnxruntime.so*", folder);
    bool ok = glob(pattern, 0, NULL, &found) == 0 && load(p, found.gl_pathv[0], why, bytes);
    if (!found.gl_pathc)
        snprintf(why, bytes, "%s holds no libonnxruntime.so", folder);
    globfree(&found);
    free(pattern);
    return ok;
}

static bool find(peer_ort *p, char *why, size_t bytes)
{
    const char *named = getenv("SIBYL_ONNXRUNTIME");
    char *paths[PEER_PYTHONS];
    if (named)
        return load(p, named, why, bytes);
    size_t n = peer_pythons(paths);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        found = found || load_from_python(p, paths[i], why, bytes);
        free(paths[i]);
    }
    return found;
}

/* ---- Opening
   --------------------------------------------------------------------------------------------- */

/* Returns true if status is no error, else copies its message to why. */
static bool fine(const peer_ort *p, ort_status *status, char *why, size_t bytes)
{
    if (!status)
        return true;
    snprintf(why, bytes, "%s", p->api->get_error_message(status));
    p->api->release_status(status);
    return false;
}

peer_ort *peer_ort_open(char *why, size_t bytes)
{
    peer_ort *p = cli_alloc(1, sizeof *p);
    if (find(p, why, bytes) &&
        fine(p, p->api->create_env(ORT_LOG_FATAL, "sibyl bench", &p->env), why, bytes) &&
        fine(p, p->api->create_cpu_memory_info(ORT_DEVICE_ALLOCATOR, ORT_MEMORY_DEFAULT, &p->memory), why,
             bytes) &&
        fine(p, p->api->get_default_allocator(&p->allocator), why, bytes))
        return p;
    peer_ort_close(p);
    return NULL;
}

/* The library stays loaded: its own threads and tables do not always survive dlclose. */
void peer_ort_close(peer_ort *p)
{
    if (p && p->api && p->memory)
        p->api->release_memory_info(p->memory);
    if (p && p->api && p->env)
        p->api->release_env(p->env);
    free(p);
}

const char *peer_ort_version(const peer_ort *p)
{
    return p->version;
}

/* ---- Sessions
   -------------------------------------------------------------------------------------------- */

static bool create(peer_ort_session *s, const char *path, unsigned threads, char *why, size_t bytes)
{
    peer_ort *p = s->ort;
    ort_session_options *options = NULL;
    bool ok = fine(p, p->api->create_session_options(&options), why, bytes) &&
              fine(p, p->api->set_log_severity(options, ORT_LOG_FATAL), why, bytes) &&
              fine(p, p->api->set_intra_threads(options, (int)threads), why, bytes) &&
              fine(p, p->api->set_inter_threads(options, 1), why, bytes) &&
              fine(p, p->api->create_session(p->env, path, options, &s->session), why, bytes);
    if (options)
        p->api->release_session_options(options);
    return ok;
}

static bool name_outputs(peer_ort_session *s, char *why, size_t bytes)
{
    peer_ort *p = s->ort;
    if (!fine(p, p->api->session_output_count(s->session, &s->n_outputs), why, bytes))
        return false;
    s->output_names = cli_alloc(s->n_outputs, sizeof *s->output_names);
    s->outputs = cli_alloc(s->n_outputs, sizeof *s->outputs);
    for (size_t i = 0; i < s->n_outputs; i++)
        if (!fine(p, p->api->session_output_name(s->session, i, p->allocator, &s->output_names[i]), why,
                  bytes))
            return false;
    return true;
}

peer_ort_session *peer_ort_session_open(peer_ort *p, const char *path, unsigned threads, char *why,
                                        size_t bytes)
{
    peer_ort_session *s = cli_alloc(1, sizeof *s);
    s->ort = p;
    if (create(s, path, threads, why, bytes) && name_outputs(s, why, bytes))
        return s;
    peer_ort_session_close(s);
    return NULL;
}

static void drop_outputs(peer_ort_session *s)
{
    for (size_t i = 0; i < s->n_outputs; i++) {
        if (s->outputs[i])
            s->ort->api->release_value(s->outputs[i]);
        s->outputs[i] = NULL;
    }
}

void peer_ort_session_close(peer_ort_session *s)
{
    if (!s)
        return;
    const ort_api *api = s->ort->api;
    for (size_t i = 0; i < s->n_inputs; i++) {
        free(s->input_names[i]);
        if (s->inputs[i])
            api->release_value(s->inputs[i]);
    }
    for (size_t i = 0; s->output_names && i < s->n_outputs; i++)
        if (s->output_names[i])
            (void)api->allocator_free(s->ort->allocator, s->output_names[i]);
    if (s->session)
        api->release_session(s->session);
    free(s->input_names);
    free(s->inputs);
    free(s->output_names);
    free(s->outputs);
    free(s);
}

/* ---- Inputs
   ---------------------------------------------------------------------------------------------- */

static bool bind_strings(peer_ort *p, const sib_tensor *t, ort_value **out, char *why, size_t bytes)
{
    size_t n = sib_tensor_count(t);
    const sib_str *elements = sib_tensor_data((sib_tensor *)t); /* (n) */
    char **texts = cli_alloc(n, sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = cli_format("%.*s", (int)elements[i].length, elements[i].data ? elements[i].data : "");
    bool ok =
        fine(p, p->api->create_tensor(p->allocator, sib_tensor_dims(t), sib_tensor_rank(t), SIB_STRING, out),
             why, bytes) &&
        fine(p, p->api->fill_strings(*out, (const char *const *)texts, n), why, bytes);
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
    return ok;
}

static bool bind_one(peer_ort *p, const sib_named_value *in, ort_value **out, char *why, size_t bytes)
{
    const sib_tensor *t = sib_value_tensor(in->value);
    if (!t) {
        snprintf(why, bytes, "input '%s' is no tensor", in->name);
        return false;
    }
    if (sib_tensor_dtype(t) == SIB_STRING)
        return bind_strings(p, t, out, why, bytes);
    size_t size = (sib_tensor_count(t) * sib_dtype_bits(sib_tensor_dtype(t)) + 7) / 8;
    static char nothing; /* address for the elements of an empty tensor */
    void *data = size ? sib_tensor_data((sib_tensor *)t) : &nothing;
    /* its element types have ONNX's numbers, like ours */
    return fine(p,
                p->api->create_tensor_over(p->memory, data, size, sib_tensor_dims(t), sib_tensor_rank(t),
                                           (int)sib_tensor_dtype(t), out),
                why, bytes);
}

bool peer_ort_bind(peer_ort_session *s, size_t n, const sib_named_value *inputs, char *why, size_t bytes)
{
    s->input_names = cli_alloc(n, sizeof *s->input_names);
    s->inputs = cli_alloc(n, sizeof *s->inputs);
    s->n_inputs = n;
    for (size_t i = 0; i < n; i++)
        s->input_names[i] = cli_format("%s", inputs[i].name);
    for (size_t i = 0; i < n; i++)
        if (!bind_one(s->ort, &inputs[i], &s->inputs[i], why, bytes))
            return false;
    return true;
}

/* ---- Runs
   ------------------------------------------------------------------------------------------------ */

static bool run(peer_ort_session *s, char *why, size_t bytes)
{
    return fine(s->ort,
                s->ort->api->run(s->session, NULL, (const char *const *)s->input_names,
                                 (const ort_value *const *)s->inputs, s->n_inputs,
                                 (const char *const *)s->output_names, s->n_outputs, s->outputs),
                why, bytes);
}

bool peer_ort_run(peer_ort_session *s, char *why, size_t bytes)
{
    bool ok = run(s, why, bytes);
    drop_outputs(s);
    return ok;
}

/* Returns a copy of a tensor; NULL for strings and packed types. */
static sib_value *copy_of(const peer_ort *p, const ort_value *v)
{
    ort_shape *shape = NULL;
    int64_t dims[SIB_MAX_RANK];
    int is_tensor = 0, element = 0;
    size_t rank = 0;
    void *data = NULL;
    char why[8];
    sib_tensor *wrapped = NULL;
    sib_value *seen = NULL, *out = NULL;
    bool ok =
        v && fine(p, p->api->is_tensor(v, &is_tensor), why, sizeof why) && is_tensor &&
        fine(p, p->api->tensor_shape(v, &shape), why, sizeof why) &&
        fine(p, p->api->shape_element(shape, &element), why, sizeof why) &&
        fine(p, p->api->shape_rank(shape, &rank), why, sizeof why) && rank <= SIB_MAX_RANK &&
        element != SIB_STRING && fine(p, p->api->shape_dims(shape, dims, rank), why, sizeof why) &&
        fine(p, p->api->tensor_data((ort_value *)v, &data), why, sizeof why) &&
        sib_tensor_wrap((sib_dtype)element, rank, dims, NULL, data, NULL, NULL, &wrapped, NULL) == SIB_OK &&
        sib_value_from_tensor(wrapped, &seen, NULL) == SIB_OK;
    if (ok && sib_value_clone(seen, &out, NULL) != SIB_OK)
        out = NULL;
    if (shape)
        p->api->release_shape(shape);
    sib_value_free(&seen);
    sib_tensor_free(&wrapped);
    return out;
}

bool peer_ort_run_values(peer_ort_session *s, sib_value **out, char *why, size_t bytes)
{
    bool ok = run(s, why, bytes);
    for (size_t i = 0; i < s->n_outputs; i++)
        out[i] = ok ? copy_of(s->ort, s->outputs[i]) : NULL;
    drop_outputs(s);
    return ok;
}
