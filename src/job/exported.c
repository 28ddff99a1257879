/* Decoders of text as other programs export them (Optimum, onnxruntime-genai, plain exports of tokens to logits): what
   their inputs are is found by their names and shapes, and said in the document. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/document/pattern.h"
#include "job/exported_files.h"
#include "job/standard_inner.h"

#include <stdio.h>
#include <string.h>

/* Inputs that are made of how many tokens there are. */
static const struct {
    const char *name, *kind;
} counted[] = {{"attention_mask", "ones"},         {"position_ids", "positions"},
               {"cache_position", "positions"},    {"token_type_ids", "zeros"},
               {"use_cache_branch", "begun"},      {"seqlens_k", "last"},
               {"total_sequence_length", "all"},   {"total_seq_len", "all"},
               {"past_sequence_length", "before"}, {"past_seq_len", "before"}};

/* Inputs and outputs of caches. */
static const char *const caches[][2] = {{"past_key_values.*", "present.*"},
                                        {"past_key_values.*", "present_key_values.*"},
                                        {"past*", "present*"},
                                        {"cache_*", "new_cache_*"},
                                        {"*_in", "*_out"},
                                        {"in_*", "out_*"}};

/* How many logits are computed: of the last tokens; 0: of all. */
static const char *const kept[] = {"num_logits_to_keep", "logits_to_keep"};

static const char *const token_names[] = {"input_ids", "tokens", "token_ids", "input", "ids", "x", "idx"};

/* A decoder while its document is made. */
typedef struct exported {
    const maker *k;
    exported_files files;
    const char *tokens, *logits; /* names of the model */
    json_t *call;                /* in the document, borrowed */
} exported;

/* ---- What there is ------------------------------------------------------------------------------------- */

static bool is_integer(sib_dtype d)
{
    return d == SIB_I64 || d == SIB_I32;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static const json_t *genai_decoder(const exported_files *f)
{
    return json_object_get(json_object_get(f->genai, "model"), "decoder");
}

/* A name that genai_config.json gives under inputs or outputs, or NULL. */
static const char *genai_name(const exported_files *f, const char *side, const char *key)
{
    return json_string_value(json_object_get(json_object_get(genai_decoder(f), side), key));
}

/* The input of tokens: the one that the configuration names, the first of a known name, or the only input. */
static const char *find_tokens(const maker *k, const exported_files *f)
{
    const char *named = genai_name(f, "inputs", "input_ids"), *found = NULL;
    sib_value_info info;
    size_t n = 0;
    for (; sib_model_input(k->m, n, &info); n++) {
        const bool tokens = is_integer(info.dtype) && info.ranked && (info.rank == 1 || info.rank == 2);
        const bool known = is_one_of(info.name, token_names, sizeof token_names / sizeof *token_names);
        if (tokens && (named ? !strcmp(info.name, named) : !found && known))
            found = info.name;
    }
    const bool only =
        n == 1 && sib_model_input(k->m, 0, &info) && is_integer(info.dtype) && info.ranked && info.rank == 2;
    return found || !only ? found : info.name;
}

/* The output of logits [..., N, vocabulary]: the one that the configuration names, "logits", or the only such output. */
static const char *find_logits(const maker *k, const exported_files *f)
{
    static const char *const vectors[] = {"last_hidden_state", "token_embeddings", "sentence_embedding"};
    const char *named = genai_name(f, "outputs", "logits"), *found = NULL;
    sib_value_info info;
    size_t n = 0;
    named = named ? named : "logits";
    for (size_t i = 0; sib_model_output(k->m, i, &info); i++) {
        const bool fits = !info.ranked || info.rank == 3;
        if (fits && !strcmp(info.name, named))
            return info.name;
        if (fits && info.ranked && !is_integer(info.dtype) &&
            !is_one_of(info.name, vectors, sizeof vectors / sizeof *vectors)) {
            found = info.name;
            n++;
        }
    }
    return n == 1 ? found : NULL;
}

/* Whether config.json says that the model's logits are not of the next token. */
static bool is_classifier(const exported_files *f)
{
    static const char *const others[] = {"ForMaskedLM", "ForTokenClassification", "ForQuestionAnswering",
                                         "ForSequenceClassification", "ForPreTraining"};
    const char *name = json_string_value(json_array_get(json_object_get(f->config, "architectures"), 0));
    for (size_t i = 0; name && i < sizeof others / sizeof *others; i++)
        if (strstr(name, others[i]))
            return true;
    return false;
}

bool exported_decoder_fits(const maker *k)
{
    exported_files f;
    sib_error unseen = SIB_ERROR_INIT; /* making the document says it */
    if (k->recipe[0])
        return false;
    bool unread = exported_files_read(k->path, &f, &unseen) != SIB_OK;
    bool fits = find_tokens(k, &f) && find_logits(k, &f) && (unread || !is_classifier(&f));
    exported_files_clear(&f);
    return fits;
}

/* ---- Inputs -------------------------------------------------------------------------------------------- */

/* A positive number of the configurations under one of the names; 0: there is none. */
static int64_t config_number(const exported_files *f, const char *const *names, size_t n)
{
    const json_t *const places[] = {genai_decoder(f), f->config, json_object_get(f->config, "text_config")};
    for (size_t p = 0; p < sizeof places / sizeof *places; p++)
        for (size_t i = 0; i < n; i++)
            if (json_integer_value(json_object_get(places[p], names[i])) > 0)
                return json_integer_value(json_object_get(places[p], names[i]));
    return 0;
}

/* Whether the model leaves open how many heads a cache [1, heads, P, size] has, or their size, and the configurations say
   it. */
static bool open_dims(const exported *e, const sib_value_info *in, int64_t *heads, int64_t *size)
{
    static const char *const kv[] = {"num_key_value_heads", "num_attention_heads", "n_head", "num_heads"},
                             *const sizes[] = {"head_size", "head_dim"},
                             *const widths[] = {"hidden_size", "n_embd", "d_model"};
    if (!in->ranked || in->rank != 4 || (in->dims[1] >= 0 && in->dims[3] >= 0))
        return false;
    const int64_t all = config_number(&e->files, kv + 1, 3), width = config_number(&e->files, widths, 3);
    *heads = in->dims[1] >= 0 ? in->dims[1] : config_number(&e->files, kv, 4);
    *size = in->dims[3] >= 0 ? in->dims[3] : config_number(&e->files, sizes, 2);
    *size = *size || !all ? *size : width / all;
    return *heads && *size;
}

/* Puts input and output, names or patterns, into the call's state. */
static sib_code put_state(const exported *e, const char *in, const char *out, const sib_value_info *info)
{
    int64_t heads, size;
    json_t *to = !open_dims(e, info, &heads, &size) ? json_string(out)
                                                    : json_pack("{s:s,s:[i,I,i,I]}", "name", out, "dims", 1,
                                                                (json_int_t)heads, 0, (json_int_t)size);
    return maker_need(e->k, to && !json_object_set_new(json_object_get(e->call, "state"), in, to));
}

/* Whether the names of a cache's pair fit the input and an output of the model. */
static bool pair_fits(const exported *e, const char *in, const char *out, const char *name)
{
    sib_str of_input, of_output;
    sib_value_info info;
    if (!strchr(in, '*') || !strchr(out, '*') || !pattern_fits(in, name, &of_input))
        return false;
    for (size_t i = 0; sib_model_output(e->k->m, i, &info); i++)
        if (pattern_fits(out, info.name, &of_output) && str_same(of_input, of_output))
            return true;
    return false;
}

/* A name of genai_config.json, with a * for its %d. */
static bool genai_pattern(const exported *e, const char *side, const char *key, char *out, size_t size)
{
    const char *name = genai_name(&e->files, side, key), *at = name ? strstr(name, "%d") : NULL;
    return at && (size_t)snprintf(out, size, "%.*s*%s", (int)(at - name), name, at + 2) < size;
}

/* Puts an input that continues by an output into the state; *done: there is such a pair. */
static sib_code find_state(const exported *e, const sib_value_info *in, bool *done)
{
    static const char *const named[][2] = {{"past_key_names", "present_key_names"},
                                           {"past_value_names", "present_value_names"}};
    char from[200], to[200];
    *done = true;
    for (size_t i = 0; i < 2; i++)
        if (genai_pattern(e, "inputs", named[i][0], from, sizeof from) &&
            genai_pattern(e, "outputs", named[i][1], to, sizeof to) && pair_fits(e, from, to, in->name))
            return put_state(e, from, to, in);
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
        if (pair_fits(e, caches[i][0], caches[i][1], in->name))
            return put_state(e, caches[i][0], caches[i][1], in);
    *done = false;
    return SIB_OK;
}

static const char *count_kind(const exported *e, const sib_value_info *in)
{
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        const char *named = genai_name(&e->files, "inputs", counted[i].name);
        if (!strcmp(in->name, named ? named : counted[i].name))
            return in->ranked && in->rank <= 2 ? counted[i].kind : NULL;
    }
    return NULL;
}

static sib_code refuse(const exported *e, const sib_value_info *in)
{
    const char *slash = strrchr(e->k->path, '/');
    return err_set(
        e->k->err, SIB_ERR_UNSUPPORTED,
        "%s: its input '%s' (%s) is neither tokens, a mask or positions of them, nor a cache that an output "
        "continues: write the job %.*s.job.json by hand (docs/jobs.md, 'Calls')",
        e->k->path, in->name, in->type ? in->type : "of unknown type",
        (int)strcspn(slash ? slash + 1 : e->k->path, "."), slash ? slash + 1 : e->k->path);
}

static sib_code put_input(const exported *e, const sib_value_info *in)
{
    const char *kind = count_kind(e, in);
    bool done;
    if (!strcmp(in->name, e->tokens))
        return SIB_OK;
    if (kind)
        return maker_need(e->k,
                          !json_object_set_new(json_object_get(json_object_get(e->call, "count"), "inputs"),
                                               in->name, json_string(kind)));
    if (is_one_of(in->name, kept, sizeof kept / sizeof *kept))
        return maker_need(
            e->k, maker_put(e->call, "inputs/keep", json_string(in->name)) &&
                      !json_object_set_new(json_object_get(e->call, "fixed"), in->name, json_integer(1)));
    sib_code code = find_state(e, in, &done);
    return code != SIB_OK || done || in->optional_input ? code : refuse(e, in);
}

static sib_code put_call(exported *e)
{
    sib_value_info in;
    json_t *call = json_pack("{s:s,s:{s:s},s:{s:s},s:{},s:{s:s,s:{}},s:{}}", "model", "model", "inputs",
                             "tokens", e->tokens, "outputs", "logits", e->logits, "state", "count", "of",
                             "tokens", "inputs", "fixed");
    e->call = call;
    sib_code code = maker_need(e->k, call && maker_put(e->k->doc, "calls/decoder", call));
    for (size_t i = 0; code == SIB_OK && sib_model_input(e->k->m, i, &in); i++)
        code = put_input(e, &in);
    if (code != SIB_OK)
        return code;
    if (!json_object_size(json_object_get(call, "state"))) { /* without a cache: all tokens each time */
        json_object_del(call, "state");
        code = maker_need(e->k, maker_put(call, "count/history", json_true()));
    }
    if (!json_object_size(json_object_get(call, "fixed")))
        json_object_del(call, "fixed");
    return code;
}

/* ---- Texts --------------------------------------------------------------------------------------------- */

/* Adds the ids of a number or a list. */
static bool add_ids(json_t *all, const json_t *given)
{
    const size_t n = json_is_array(given) ? json_array_size(given) : given != NULL;
    bool done = true;
    for (size_t i = 0; i < n && done; i++) {
        const json_t *id = json_is_array(given) ? json_array_get(given, i) : given;
        bool seen = !json_is_integer(id);
        for (size_t s = 0; s < json_array_size(all); s++)
            seen = seen || json_equal(json_array_get(all, s), id);
        done = seen || !json_array_append_new(all, json_integer(json_integer_value(id)));
    }
    return done;
}

static sib_code put_stops(const exported *e)
{
    const json_t *const places[] = {json_object_get(e->files.genai, "model"), e->files.config,
                                    e->files.generation};
    json_t *all = json_array();
    bool done = all != NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places && done; i++)
        done = add_ids(all, json_object_get(places[i], "eos_token_id"));
    if (done && json_array_size(all))
        done = maker_put(e->k->doc, "inputs/stop_tokens/default", json_incref(all));
    json_decref(all);
    return maker_need(e->k, done);
}

/* A text, or of several named ones the default. */
static const json_t *default_template(const json_t *given)
{
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && !strcmp(name, "default"))
            return json_object_get(one, "template");
    }
    return given;
}

static sib_code put_chat(const exported *e)
{
    static const char *const tokens[] = {"bos_token", "eos_token"};
    const json_t *config = e->files.tokenizer,
                 *text = default_template(json_object_get(config, "chat_template"));
    char file[40];
    if (!e->files.has_template && !json_is_string(text))
        return SIB_OK;
    snprintf(file, sizeof file, "%schat_template.jinja", e->files.above);
    json_t *chat = json_object();
    bool done =
        chat && (e->files.has_template ? maker_put(chat, "file", json_string(file))
                                       : maker_put(chat, "template", json_string(json_string_value(text))));
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens && done; i++) {
        const json_t *token = json_object_get(config, tokens[i]);
        token = json_is_object(token) ? json_object_get(token, "content") : token;
        done = !json_is_string(token) || maker_put(chat, tokens[i], json_string(json_string_value(token)));
    }
    if (done)
        done = maker_put(e->k->doc, "chat", json_incref(chat));
    json_decref(chat);
    return maker_need(e->k, done);
}

sib_code exported_decoder_make(const maker *k)
{
    exported e = {.k = k};
    sib_code code = exported_files_read(k->path, &e.files, k->err);
    e.tokens = code == SIB_OK ? find_tokens(k, &e.files) : NULL;
    e.logits = code == SIB_OK ? find_logits(k, &e.files) : NULL;
    if (code == SIB_OK && (!e.tokens || !e.logits))
        code = err_set(k->err, SIB_ERR_UNSUPPORTED, "%s: has no input of tokens or no output of logits",
                       k->path);
    if (code == SIB_OK)
        code = put_call(&e);
    if (code == SIB_OK)
        code = put_stops(&e);
    if (code == SIB_OK)
        code = put_chat(&e);
    if (code == SIB_OK)
        code = maker_put_tokenizer(k, NULL);
    exported_files_clear(&e.files);
    return code;
}
