#include "import/tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/mapping.h"
#include "base/path.h"
#include "import/cache.h"
#include "import/read/beside.h"
#include "import/sentencepiece.h"
#include <sibyl/text.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Suffix of the file name per kind, appended to the model's name. */
static const struct {
    const char *kind, *ending;
} endings[] = {{"whisper", ".tiktoken"},
               {"gpt2", ".tiktoken"},
               {"tokenizer.json", ".tokenizer.json"},
               {"rwkv-world", ".vocab.txt"},
               {"pieces", ".pieces.json"}};

static sib_code begin_file(import_tokenizer *t, const char *out, sib_error *err)
{
    size_t i = 0;
    while (strcmp(endings[i].kind, t->kind))
        i++;
    char *path = path_with_extension(out, endings[i].ending);
    if (!path)
        return err_memory(err, strlen(out), "a file name");
    sib_code code = outfile_begin(&t->file, path, err);
    t->begun = code == SIB_OK;
    mem_free(path);
    return code;
}

/* ---- Copies -------------------------------------------------------------------------------------------- */

static sib_code copy_bytes(import_tokenizer *t, const char *from, sib_error *err)
{
    mapping *m;
    sib_code code = mapping_open(from, &m, err);
    if (code != SIB_OK)
        return code;
    if (fwrite(m->bytes.data, 1, m->bytes.size, t->file.stream) != m->bytes.size)
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written", t->file.path);
    mapping_release(m);
    return code;
}

/* Writes a tokenizer.json for a file of SentencePiece. */
static sib_code take_pieces(import_tokenizer *t, const build *b, const char *from, const char *out,
                            sib_error *err)
{
    byte_buffer document = {0};
    sib_tokenizer *opened = NULL;
    sib_tokenizer_options options = {.n_vocab = (size_t)build_metadata_int(b, "n_vocab", 0)};
    sib_code code = sentencepiece_document(b, from, &document, err);
    if (code == SIB_OK)
        code = sib_tokenizer_open_bytes(from, document.data, document.n, &options, &opened, err);
    sib_tokenizer_free(&opened);
    t->kind = "tokenizer.json";
    if (code == SIB_OK && out)
        code = begin_file(t, out, err);
    if (code == SIB_OK && out && fwrite(document.data, 1, document.n, t->file.stream) != document.n)
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written", t->file.path);
    buf_free(&document);
    return code;
}

/* Recognises the kind by the file's bytes; *t->kind points to the table. */
static sib_code take_file(import_tokenizer *t, const build *b, const char *from, const char *out,
                          sib_error *err)
{
    sib_tokenizer *opened;
    sib_tokenizer_info info;
    sib_tokenizer_options options = {.n_vocab = (size_t)build_metadata_int(b, "n_vocab", 0)};
    sib_code code = sib_tokenizer_open(from, &options, &opened, err);
    if (code != SIB_OK)
        return code;
    sib_tokenizer_get_info(opened, &info);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (!strcmp(endings[i].kind, info.kind))
            t->kind = endings[i].kind;
    const bool pieces = !strcmp(info.kind, "sentencepiece");
    sib_tokenizer_free(&opened);
    if (pieces)
        return take_pieces(t, b, from, out, err);
    if (!t->kind)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: a tokenizer of this kind cannot be stored with a model",
                       from);
    code = out ? begin_file(t, out, err) : SIB_OK;
    return code == SIB_OK && out ? copy_bytes(t, from, err) : code;
}

/* ---- From the checkpoint ------------------------------------------------------------------------------- */

/* Writes whisper.cpp's vocabulary by rank, in lines "base64 rank" as in tiktoken's files. */
static sib_code write_ranks(import_tokenizer *t, const fact *words, sib_error *err)
{
    byte_buffer text = {0};
    for (size_t i = 0; i < words->n && text.code == SIB_OK; i++) {
        base64_add(&text, words->strings[i], err);
        buf_printf(&text, err, " %zu\n", i);
    }
    sib_code code = text.code;
    if (code == SIB_OK && text.n && fwrite(text.data, 1, text.n, t->file.stream) != text.n)
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written", t->file.path);
    buf_free(&text);
    return code;
}

static json_t *strings_json(const fact *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->n; i++) {
        json_t *s = json_stringn(f->strings[i].data, f->strings[i].length);
        if (!s || json_array_append_new(list, s)) {
            json_decref(list);
            return NULL; /* invalid UTF-8, or no memory */
        }
    }
    return list;
}

static json_t *numbers_json(const fact *f)
{
    json_t *list = json_array();
    for (size_t i = 0; f && i < f->n; i++)
        json_array_append_new(list, f->kind == FACT_INT ? json_integer(f->ints[i]) : json_real(f->floats[i]));
    return list;
}

/* A fact of a certain kind and number of items; 0: any number. */
static const fact *list_fact(const checkpoint *c, const char *key, fact_kind kind, size_t n)
{
    const fact *f = checkpoint_fact(c, key);
    return f && f->list && f->kind == kind && (!n || f->n == n) ? f : NULL;
}

static const char *text_fact(const checkpoint *c, const char *key, char *out, size_t size)
{
    const fact *f = checkpoint_fact(c, key);
    if (!f || f->list || f->kind != FACT_STRING || f->strings[0].length >= size)
        return NULL;
    memcpy(out, f->strings[0].data, f->strings[0].length);
    out[f->strings[0].length] = 0;
    return out;
}

static bool flag_fact(const checkpoint *c, const char *key, bool otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    return f && !f->list && f->kind == FACT_BOOL ? f->bools[0] : otherwise;
}

/* The name in "pieces" for GGUF's tokenizer model. */
static const char *model_of_pieces(const checkpoint *c)
{
    static const char *const models[][2] = {{"llama", "bpe"}, {"t5", "unigram"}, {"gpt2", "gpt2"}};
    char name[32];
    if (text_fact(c, "tokenizer.ggml.model", name, sizeof name))
        for (size_t i = 0; i < sizeof models / sizeof *models; i++)
            if (!strcmp(models[i][0], name))
                return models[i][1];
    return NULL;
}

/* The document of kind "pieces"; see src/text/pieces/document.c. */
static json_t *pieces_json(const checkpoint *c, const fact *tokens)
{
    char pre[64];
    const char *model = model_of_pieces(c);
    const fact *scores = list_fact(c, "tokenizer.ggml.scores", FACT_FLOAT, tokens->n),
               *types = list_fact(c, "tokenizer.ggml.token_type", FACT_INT, tokens->n),
               *merges = list_fact(c, "tokenizer.ggml.merges", FACT_STRING, 0);
    json_t *pieces = strings_json(tokens), *joined = merges ? strings_json(merges) : NULL;
    if (!pieces || (merges && !joined)) {
        json_decref(pieces);
        return NULL;
    }
    json_t *doc = json_pack("{s:s, s:s, s:o}", "kind", "pieces", "model", model, "pieces", pieces);
    if (scores)
        json_object_set_new(doc, "scores", numbers_json(scores));
    if (types)
        json_object_set_new(doc, "types", numbers_json(types));
    if (joined)
        json_object_set_new(doc, "merges", joined);
    if (text_fact(c, "tokenizer.ggml.pre", pre, sizeof pre))
        json_object_set_new(doc, "pre", json_string(pre));
    json_object_set_new(doc, "add_space_prefix",
                        json_boolean(flag_fact(c, "tokenizer.ggml.add_space_prefix", !strcmp(model, "bpe"))));
    json_object_set_new(doc, "remove_extra_whitespaces",
                        json_boolean(flag_fact(c, "tokenizer.ggml.remove_extra_whitespaces", false)));
    return doc;
}

static sib_code write_pieces(import_tokenizer *t, const checkpoint *c, const fact *tokens, sib_error *err)
{
    json_t *doc = pieces_json(c, tokens);
    if (!doc)
        return err_set(err, SIB_ERR_FORMAT, "%s: tokenizer.ggml.tokens or merges are not UTF-8",
                       checkpoint_file(c, 0));
    bool done = !json_dumpf(doc, t->file.stream, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(doc);
    return done ? SIB_OK : err_set(err, SIB_ERR_IO, "%s: cannot be written", t->file.path);
}

/* ---- Tokens that end a text ---------------------------------------------------------------------------- */

#define MAX_END_TOKENS 32

/* Ids, each once, and the same as text: "1, 2". */
typedef struct end_tokens {
    int64_t ids[MAX_END_TOKENS]; /* (n) */
    size_t n, used;
    char text[MAX_END_TOKENS * 12];
} end_tokens;

/* Negative ids say that there is none. */
static void end_tokens_add(end_tokens *all, int64_t id)
{
    bool known = id < 0 || id > INT32_MAX || all->n == MAX_END_TOKENS;
    for (size_t i = 0; i < all->n; i++)
        known = known || all->ids[i] == id;
    if (known)
        return;
    all->used += (size_t)snprintf(all->text + all->used, sizeof all->text - all->used, "%s%d",
                                  all->n ? ", " : "", (int)id);
    all->ids[all->n++] = id;
}

static void take_ids(end_tokens *all, const fact *f)
{
    for (size_t i = 0; f && f->kind == FACT_INT && i < f->n; i++)
        end_tokens_add(all, f->ints[i]);
}

/* Adds those of a generation_config.json next to the checkpoint. Chats often end with one that is listed there alone. */
static sib_code take_generation(end_tokens *all, const checkpoint *c, sib_error *err)
{
    char *path;
    json_t *config = NULL;
    sib_code code = beside_path(c, "generation_config.json", &path, err);
    if (path)
        code = beside_json(path, &config, err);
    const json_t *given = json_object_get(config, "eos_token_id");
    size_t n = json_is_array(given) ? json_array_size(given) : given && !json_is_null(given);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const json_t *id = json_is_array(given) ? json_array_get(given, i) : given;
        if (!json_is_integer(id))
            code = err_set(err, SIB_ERR_FORMAT, "%s: eos_token_id is neither a token id nor a list of them",
                           path);
        else
            end_tokens_add(all, json_integer_value(id));
    }
    json_decref(config);
    mem_free(path);
    return code;
}

/* Adds the tokens that begin and end a text or a turn of a chat to the metadata. A tokenizer.json begins texts by its
   template. */
static sib_code add_end_tokens(build *b, const char *kind, sib_error *err)
{
    static const char *const stops[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id", "eos_token_id"};
    end_tokens all = {0};
    bool gguf = model_of_pieces(b->c) != NULL;
    bool begins =
        flag_fact(b->c, "tokenizer.ggml.add_bos_token", gguf && !strcmp(model_of_pieces(b->c), "bpe"));
    int64_t first = checkpoint_int(b->c, "tokenizer.ggml.bos_token_id", -1);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        take_ids(&all, checkpoint_fact(b->c, stops[i]));
    sib_code code = gguf ? SIB_OK : take_generation(&all, b->c, err);
    if (code != SIB_OK)
        return code;
    if (all.n)
        build_add_metadata(b, "stop_tokens", "[%s]", all.text);
    if (begins && kind && !strcmp(kind, "pieces") && first >= 0)
        build_add_metadata(b, "begin_tokens", "[%lld]", (long long)first);
    return b->code;
}

/* ---- Finding ------------------------------------------------------------------------------------------- */

/* Whisper's ranks as openai-whisper names them: by its rule, models of 99 languages have this vocabulary. */
static const char *ranks_name(const build *b)
{
    return build_metadata_int(b, "n_vocab", 0) >= 51865 ? "multilingual.tiktoken" : "gpt2.tiktoken";
}

/* *out: the file of ranks next to a Whisper's checkpoint, or of openai-whisper's cache, or NULL. Release with mem_free. */
static sib_code find_ranks(const build *b, char **out, sib_error *err)
{
    char *home = NULL;
    sib_code code = readable_path(path_with_extension(checkpoint_file(b->c, 0), ".tiktoken"), out, err);
    if (code == SIB_OK && !*out)
        code = beside_path(b->c, ranks_name(b), out, err);
    if (code == SIB_OK && !*out && cache_path("whisper", &home, NULL) == SIB_OK)
        code = readable_path(path_join(home, ranks_name(b)), out, err);
    mem_free(home);
    return code;
}

static sib_code take_own(import_tokenizer *t, build *b, const char *out, sib_error *err)
{
    const fact *words = list_fact(b->c, "vocab", FACT_STRING, 0),
               *tokens = list_fact(b->c, "tokenizer.ggml.tokens", FACT_STRING, 0);
    bool ranks = words && !strcmp(checkpoint_format_name(b->c), "whisper.cpp");
    bool pieces = tokens && model_of_pieces(b->c);
    if (ranks || pieces) {
        t->kind = ranks ? "whisper" : "pieces";
        sib_code code = out ? begin_file(t, out, err) : SIB_OK;
        if (code != SIB_OK || !out)
            return code;
        return ranks ? write_ranks(t, words, err) : write_pieces(t, b->c, tokens, err);
    }
    char *path;
    sib_code code = beside_path(b->c, "tokenizer.json", &path, err);
    if (code == SIB_OK && !path && b->work->options->need_tokenizer && !strcmp(b->report->recipe, "whisper"))
        code = find_ranks(b, &path, err);
    if (path)
        code = take_file(t, b, path, out, err);
    else if (code == SIB_OK)
        code = sentencepiece_find(b, &path, err);
    if (path && code == SIB_OK && !t->kind)
        code = take_pieces(t, b, path, out, err);
    mem_free(path);
    if (!t->kind && build_metadata_int(b, "n_vocab", 0) == 256)
        t->kind = "bytes";
    return code;
}

/* ---- Missing and damaged ------------------------------------------------------------------------------- */

/* What to fetch for the model. */
static void write_advice(const build *b, char *out, size_t size)
{
    const char *recipe = b->report->recipe;
    if (!strcmp(recipe, "rwkv"))
        snprintf(out, size,
                 "fetch rwkv_vocab_v20230424.txt of github.com/BlinkDL/ChatRWKV and name it as tokenizer");
    else if (!strcmp(recipe, "whisper") && strcmp(checkpoint_format_name(b->c), "safetensors") != 0)
        snprintf(out, size, "fetch whisper/assets/%s of github.com/openai/whisper and put it next to it",
                 ranks_name(b));
    else
        snprintf(out, size, "fetch tokenizer.json of the same model and put it next to it");
}

/* Refuses a model without a tokenizer, where one is needed. */
static sib_code check_found(const import_tokenizer *t, const build *b, sib_error *err)
{
    char advice[200];
    if (t->kind || !b->work->options->need_tokenizer)
        return SIB_OK;
    write_advice(b, advice, sizeof advice);
    return err_set(err, SIB_ERR_IO, "%.120s: has no tokenizer: %s", checkpoint_file(b->c, 0), advice);
}

/* Says of a tokenizer that cannot be read what would be one. */
static sib_code damaged(const build *b, const sib_error *why, sib_error *err)
{
    char advice[200];
    write_advice(b, advice, sizeof advice);
    return err_set_at(err, why->code, why->offset, "%.150s: %s", why->message, advice);
}

static sib_code take_given(import_tokenizer *t, build *b, const char *given, const char *out, sib_error *err)
{
    struct stat st;
    const bool folder = !stat(given, &st) && S_ISDIR(st.st_mode);
    char *path = folder ? path_join(given, ranks_name(b)) : NULL;
    sib_code code = path || !folder ? take_file(t, b, path ? path : given, out, err)
                                    : err_memory(err, strlen(given), "a path");
    mem_free(path);
    return code;
}

sib_code tokenizer_begin(import_tokenizer *t, build *b, const char *given, const char *out, sib_error *err)
{
    sib_error why = SIB_ERROR_INIT;
    *t = (import_tokenizer){0};
    if (b->has_texts) {
        t->kind = "vocabulary";
        return given ? err_set(err, SIB_ERR_ARGUMENT, "%s: has texts of its own: it takes no tokenizer",
                               checkpoint_file(b->c, 0))
                     : SIB_OK;
    }
    sib_code code = given ? take_given(t, b, given, out, &why) : take_own(t, b, out, &why);
    if (code == SIB_ERR_FORMAT && !given)
        damaged(b, &why, err);
    else if (code != SIB_OK)
        err_set_at(err, code, why.offset, "%s", why.message);
    else
        code = check_found(t, b, err);
    if (code != SIB_OK) {
        tokenizer_abort(t);
        return code;
    }
    if (t->kind)
        build_add_metadata(b, "tokenizer", "%s", t->kind);
    code = add_end_tokens(b, t->kind, err);
    if (code != SIB_OK)
        tokenizer_abort(t);
    return code;
}

sib_code tokenizer_commit(import_tokenizer *t, sib_error *err)
{
    sib_code code = t->begun ? outfile_commit(&t->file, err) : SIB_OK;
    t->begun = false;
    return code;
}

void tokenizer_abort(import_tokenizer *t)
{
    if (t->begun)
        outfile_abort(&t->file);
    t->begun = false;
}
