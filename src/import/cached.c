/* sib_import_cached: a checkpoint becomes a model once. A model's folder in the cache is named by a hash of all that the
   import reads, so that neither a new name nor a new date makes another; a link, named by the names, sizes and dates of
   those files, saves reading them the next time. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/mapping.h"
#include "base/outfile.h"
#include "base/path.h"
#include "import/cache.h"
#include "import/read/folder.h"
#include "import/read/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sibyl/import.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Changes where what is made of the same files does. */
#define CACHE_FORMAT "1"
#define PIECE        ((size_t)16 << 20)

/* ---- What is a checkpoint ------------------------------------------------------------------------------ */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool folder_has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool has = path && !access(path, F_OK);
    mem_free(path);
    return has;
}

bool sib_import_takes(const char *path)
{
    folder_files files = {0};
    mapping *map = NULL;
    bool takes = false;
    if (!path || ends_with(path, ".onnx") || ends_with(path, ".json"))
        return false;
    if (is_folder(path)) {
        takes = !folder_has(path, "job.json") && folder_list(path, &files, NULL) == SIB_OK && files.n;
        folder_clear(&files);
    } else if (mapping_open(path, &map, NULL) == SIB_OK) {
        takes = checkpoint_recognises(map->bytes);
        mapping_release(map);
    }
    return takes;
}

/* ---- What it is made of -------------------------------------------------------------------------------- */

/* Files next to a checkpoint that an import reads. */
static const char *const beside[] = {"config.json",
                                     "generation_config.json",
                                     "tokenizer.json",
                                     "tokenizer_config.json",
                                     "chat_template.jinja",
                                     "vocab.json",
                                     "special_tokens_map.json",
                                     "added_tokens.json",
                                     "tokenizer.model",
                                     "spiece.model",
                                     "sentencepiece.bpe.model",
                                     "spm.model",
                                     "source.spm",
                                     "modules.json",
                                     "sentence_bert_config.json",
                                     "config_sentence_transformers.json",
                                     "1_Pooling/config.json",
                                     "2_Dense/config.json",
                                     "2_Dense/model.safetensors",
                                     "processor_config.json",
                                     "preprocessor_config.json",
                                     "spm_char.model",
                                     "vocoder/config.json",
                                     "vocoder/model.safetensors",
                                     "vocoder/pytorch_model.bin",
                                     "speecht5_hifigan/config.json",
                                     "speecht5_hifigan/model.safetensors",
                                     "speecht5_hifigan/pytorch_model.bin",
                                     "../speecht5_hifigan/config.json",
                                     "../speecht5_hifigan/model.safetensors",
                                     "../speecht5_hifigan/pytorch_model.bin"};
static const char *const ranks[] = {"multilingual.tiktoken", "gpt2.tiktoken"};

/* The checkpoint: the file, with the config.json of a Hugging Face folder that it is in, or the folder. */
typedef struct cached_source {
    const char *paths[2];
    size_t n;
    char *config;       /* paths[1], or NULL */
    folder_files files; /* all that are read */
    char stamp[SIB_SHA256_TEXT], key[SIB_SHA256_TEXT];
} cached_source;

/* Takes path over. */
static sib_code add_file(cached_source *s, char *path, sib_error *err)
{
    folder_files *f = &s->files;
    if (!path)
        return err_memory(err, 1, "a path");
    if (access(path, F_OK) || ARRAY_RESERVE(f->paths, f->capacity, f->n + 1, "files", err) != SIB_OK)
        mem_free(path);
    else
        f->paths[f->n++] = path;
    return SIB_OK;
}

static sib_code add_ranks(cached_source *s, const char *folder, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks && code == SIB_OK; i++)
        code = add_file(s, path_join(folder, ranks[i]), err);
    return code;
}

static sib_code list_files(cached_source *s, const char *path, const char *tokenizer, sib_error *err)
{
    const bool whole = is_folder(path);
    char *folder = whole ? mem_strdup(path) : path_folder(path), *home = NULL;
    sib_code code = folder ? SIB_OK : err_memory(err, strlen(path), "a path");
    s->paths[s->n++] = path;
    if (code == SIB_OK && !whole && (ends_with(path, ".safetensors") || ends_with(path, ".bin")) &&
        folder_has(folder, "config.json") && (s->config = path_join(folder, "config.json")))
        s->paths[s->n++] = s->config;
    if (code == SIB_OK)
        code = whole ? folder_list(path, &s->files, err) : add_file(s, mem_strdup(path), err);
    for (size_t i = 0; i < sizeof beside / sizeof *beside && code == SIB_OK; i++)
        code = add_file(s, path_join(folder, beside[i]), err);
    if (code == SIB_OK)
        code = add_ranks(s, folder, err);
    if (code == SIB_OK && !whole)
        code = add_file(s, path_with_extension(path, ".tiktoken"), err);
    if (code == SIB_OK && cache_path("whisper", &home, NULL) == SIB_OK) /* openai-whisper's */
        code = add_ranks(s, home, err);
    if (code == SIB_OK && tokenizer)
        code = is_folder(tokenizer) ? add_ranks(s, tokenizer, err) : add_file(s, mem_strdup(tokenizer), err);
    mem_free(folder);
    mem_free(home);
    return code;
}

static void hash_text(sib_sha256 *h, const char *text)
{
    sib_sha256_add(h, text, strlen(text) + 1);
}

/* What decides, besides the files, how the model looks. */
static void hash_options(sib_sha256 *h, const sib_import_options *o)
{
    char numbers[80];
    snprintf(numbers, sizeof numbers, "%s %s %d %d %lld", CACHE_FORMAT, sib_version(),
             o->keep ? -1 : (int)o->dtype, o->opset, (long long)o->audio_context);
    hash_text(h, numbers);
    hash_text(h, o->recipe ? o->recipe : "");
}

static sib_code make_stamp(cached_source *s, const sib_import_options *o, sib_error *err)
{
    sib_sha256 h;
    struct stat st;
    char line[200];
    sib_sha256_begin(&h);
    hash_options(&h, o);
    for (size_t i = 0; i < s->files.n; i++) {
        char *real = NULL;
        sib_code code = path_resolve(s->files.paths[i], &real, err);
        if (code != SIB_OK)
            return code;
        hash_text(&h, real);
        if (stat(real, &st))
            memset(&st, 0, sizeof st);
        mem_free(real);
        snprintf(line, sizeof line, "%llu %llu %lld %lld.%09ld %lld.%09ld", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                 st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
        hash_text(&h, line);
    }
    sib_sha256_end(&h, s->stamp);
    return SIB_OK;
}

static sib_code hash_file(const char *path, const sib_import_options *o, char text[SIB_SHA256_TEXT],
                          sib_error *err)
{
    sib_sha256 h;
    mapping *m;
    sib_code code = mapping_open(path, &m, err);
    if (code != SIB_OK)
        return code;
    sib_sha256_begin(&h);
    for (size_t at = 0; at < m->bytes.size && code == SIB_OK; at += PIECE) {
        sib_sha256_add(&h, m->bytes.data + at, m->bytes.size - at < PIECE ? m->bytes.size - at : PIECE);
        if (cancel_is_set(o->cancel))
            code = err_set(err, SIB_ERR_CANCELLED, "%s: its import was cancelled", path);
    }
    sib_sha256_end(&h, text);
    mapping_release(m);
    return code;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Of the files' hashes, each once and in order: a folder and the file in it are the same. */
static sib_code make_key(cached_source *s, const sib_import_options *o, sib_error *err)
{
    sib_sha256 h;
    sib_code code = SIB_OK;
    char(*hashes)[SIB_SHA256_TEXT] = mem_calloc(s->files.n + 1, sizeof *hashes);
    if (!hashes)
        return err_memory(err, s->files.n * sizeof *hashes, "hashes of files");
    for (size_t i = 0; i < s->files.n && code == SIB_OK; i++)
        code = hash_file(s->files.paths[i], o, hashes[i], err);
    if (code == SIB_OK) {
        qsort(hashes, s->files.n, sizeof *hashes, by_text);
        sib_sha256_begin(&h);
        hash_options(&h, o);
        for (size_t i = 0; i < s->files.n; i++)
            if (!i || strcmp(hashes[i - 1], hashes[i]) != 0)
                hash_text(&h, hashes[i]);
        sib_sha256_end(&h, s->key);
    }
    mem_free(hashes);
    return code;
}

/* ---- The cache ----------------------------------------------------------------------------------------- */

/* Makes a folder with those above it. */
static sib_code make_folders(char *path, sib_error *err)
{
    for (char *at = path + 1;; at++)
        if (*at == '/' || !*at) {
            const char end = *at;
            *at = 0;
            bool made = !mkdir(path, 0777) || errno == EEXIST;
            if (!made)
                err_set(err, SIB_ERR_IO, "%s: cannot be made: %s; XDG_CACHE_HOME names another place", path,
                        strerror(errno));
            *at = end;
            if (!made || !end)
                return made ? SIB_OK : SIB_ERR_IO;
        }
}

/* The model in FOLDER/name, if it is there: used now. Release with mem_free. */
static char *find_model(const char *folder, const char *name)
{
    char *own = path_join(folder, name), *model = own ? path_join(own, "model.onnx") : NULL;
    if (model && access(model, R_OK)) {
        mem_free(model);
        model = NULL;
    }
    if (model)
        utimensat(AT_FDCWD, own, NULL, 0);
    mem_free(own);
    return model;
}

/* Links the names, sizes and dates of the files to the model. Where it fails, they are read again the next time. */
static void link_stamp(const char *folder, const cached_source *s)
{
    char name[SIB_SHA256_TEXT + 8];
    snprintf(name, sizeof name, "seen-%s", s->stamp);
    char *path = path_join(folder, name);
    if (path && symlink(s->key, path) && errno == EEXIST) {
        unlink(path);
        if (symlink(s->key, path))
            unlink(path);
    }
    mem_free(path);
}

static char *find_seen(const char *folder, const cached_source *s)
{
    char name[SIB_SHA256_TEXT + 8];
    snprintf(name, sizeof name, "seen-%s", s->stamp);
    return find_model(folder, name);
}

/* Imports into a folder of its own and gives that its name: what is there under a model's name is complete. */
static sib_code make_model(const char *folder, const cached_source *s, const sib_import_options *o,
                           sib_import_report **report, sib_error *err)
{
    char *aside = path_join(folder, "making-XXXXXX"), *final = path_join(folder, s->key), *model = NULL;
    sib_code code = aside && final ? SIB_OK : err_memory(err, strlen(folder), "a path");
    bool made = code == SIB_OK && mkdtemp(aside);
    const int held = made ? open(aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (code == SIB_OK && (held < 0 || aside_lock(held, aside) == ASIDE_LOST))
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", folder, strerror(errno));
    if (made && !(model = path_join(aside, "model.onnx")))
        code = err_memory(err, strlen(folder), "a path");
    if (code == SIB_OK)
        code = sib_import(s->paths, s->n, model, o, report, err);
    if (code == SIB_OK && rename(aside, final) && errno != EEXIST && errno != ENOTEMPTY)
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", final, strerror(errno));
    if (made)
        cache_remove(aside); /* gone where it was renamed; where another process was first, ours goes */
    if (held >= 0)
        close(held);
    mem_free(model);
    mem_free(aside);
    mem_free(final);
    return code;
}

static sib_code find_or_make(char *folder, cached_source *s, const sib_import_options *o, char **model,
                             sib_import_report **report, sib_error *err)
{
    uint64_t limit;
    sib_code code = cache_limit(&limit, err);
    if (code == SIB_OK)
        code = make_stamp(s, o, err);
    if (code == SIB_OK && (*model = find_seen(folder, s)))
        return SIB_OK;
    if (code == SIB_OK)
        code = make_key(s, o, err);
    if (code == SIB_OK)
        *model = find_model(folder, s->key);
    if (code == SIB_OK && !*model && (code = make_folders(folder, err)) == SIB_OK &&
        (code = make_model(folder, s, o, report, err)) == SIB_OK) {
        cache_trim(folder, limit, s->key);
        *model = find_model(folder, s->key);
    }
    if (code == SIB_OK && !*model)
        code = err_set(err, SIB_ERR_IO, "%s: the model that was imported is gone again", folder);
    if (code == SIB_OK)
        link_stamp(folder, s);
    return code;
}

sib_code sib_import_cached(const char *path, const sib_import_options *options, char **model,
                           sib_import_report **report, sib_error *err)
{
    sib_import_options o = options ? *options : (sib_import_options){0};
    cached_source s = {0};
    char *folder = NULL;
    if (report)
        *report = NULL;
    if (!path || !model)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "model" : "path");
    *model = NULL;
    if (o.lora || o.vocoder)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: models with %s are not kept: import it to a file", path,
                       o.lora ? "an adapter" : "a vocoder that is named");
    o.need_tokenizer = true;
    sib_code code = cache_path("sibyl/models", &folder, err);
    if (code == SIB_OK)
        code = list_files(&s, path, o.tokenizer, err);
    if (code == SIB_OK)
        code = find_or_make(folder, &s, &o, model, report, err);
    folder_clear(&s.files);
    mem_free(s.config);
    mem_free(folder);
    return code;
}
