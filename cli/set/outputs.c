#include "set/outputs.h"

#include "files.h"
#include "messages.h"
#include "set/checksum.h"
#include "set/tar.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fails(const char *path)
{
    return !cli_fail("%s: cannot be written: %s", path, strerror(errno));
}

/* ---- The folder for work ---- */

static void empty(const char *folder)
{
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0); /* folders, as . and .., stay */
    if (d)
        closedir(d);
}

bool set_outputs_begin(set_outputs *o, const char *folder, const set_shard *shard, uint64_t limit)
{
    *o = (set_outputs){.folder = folder, .shard = shard, .limit = limit};
    o->work = cli_format("%s/.shard-%05ld-of-%05ld", folder, shard->index, shard->count);
    o->made = file_join(o->work, "item");
    if (mkdir(o->work, 0777) != 0 && errno != EEXIST)
        return fails(o->work);
    empty(o->work);
    return true;
}

void set_outputs_end(set_outputs *o)
{
    if (o->tar)
        fclose(o->tar);
    if (o->work) {
        empty(o->work);
        rmdir(o->work);
    }
    free(o->work);
    free(o->made);
    free(o->tar_name);
    *o = (set_outputs){0};
}

/* ---- What there is ---- */

static bool is_there(const set_outputs *o, const json_t *file, const char *tar)
{
    const char *name = json_string_value(json_object_get(file, "name")),
               *sum = json_string_value(json_object_get(file, "sha256"));
    const json_int_t at = json_integer_value(json_object_get(file, "offset")),
                     bytes = json_integer_value(json_object_get(file, "bytes"));
    char now[SIB_SHA256_TEXT];
    if (!name || !sum || at < 0 || bytes < 0)
        return false;
    char *path = file_join(o->folder, tar ? tar : name);
    const bool there = file_bytes(path) >= (uint64_t)at + (uint64_t)bytes &&
                       (tar || file_bytes(path) == (uint64_t)bytes) &&
                       set_part_checksum(path, (uint64_t)at, (uint64_t)bytes, now) && !strcmp(now, sum);
    free(path);
    return there;
}

bool set_outputs_has(const set_outputs *o, const json_t *record)
{
    const char *tar = json_string_value(json_object_get(record, "tar"));
    const json_t *files = json_object_get(record, "files"), *file;
    size_t i;
    bool there = json_array_size(files) && (tar != NULL) == (o->limit != 0);
    json_array_foreach(files, i, file) there = there && is_there(o, file, tar);
    return there;
}

void set_outputs_number(set_outputs *o, const json_t *record)
{
    const char *tar = json_string_value(json_object_get(record, "tar")),
               *last = tar ? strrchr(tar, '-') : NULL;
    const uint64_t n = last ? strtoull(last + 1, NULL, 10) + 1 : 0;
    o->n_tars = n > o->n_tars ? n : o->n_tars;
}

/* ---- Files ---- */

/* The place of an item's files below the folder: its name, in which .. becomes __, and . and the root nothing. */
static char *place_of(const char *item)
{
    char *place = cli_alloc(strlen(item) + 1, 1), *to = place;
    for (const char *part = item; *part;) {
        const size_t n = strcspn(part, "/");
        const bool up = n == 2 && !memcmp(part, "..", 2), here = !n || (n == 1 && *part == '.');
        if (!here) {
            if (to != place)
                *to++ = '/';
            memcpy(to, up ? "__" : part, n);
            to += n;
        }
        part += n + (part[n] == '/');
    }
    return place;
}

/* Makes the folders that a path below the folder lies in. */
static bool make_folders(const set_outputs *o, char *path)
{
    bool done = true;
    for (char *slash = path + strlen(o->folder) + 1; done && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        done = mkdir(path, 0777) == 0 || errno == EEXIST || fails(path);
        *slash = '/';
    }
    return done;
}

static bool place(const set_outputs *o, const char *made, const char *name)
{
    char *path = cli_format("%s/%s", o->folder, name);
    const bool done = make_folders(o, path) && (rename(made, path) == 0 || fails(path));
    free(path);
    return done;
}

/* ---- Tars ---- */

static bool open_tar(set_outputs *o)
{
    char *path = file_join(o->work, "tar");
    free(o->tar_name);
    o->tar_name = cli_format("shard-%05ld-of-%05ld-%06llu.tar", o->shard->index, o->shard->count,
                             (unsigned long long)o->n_tars);
    o->tar = fopen(path, "wb");
    const bool done = o->tar || fails(path);
    free(path);
    return done;
}

static bool append(set_outputs *o, const char *made, const char *name, json_t *file)
{
    FILE *data = fopen(made, "rb");
    uint64_t at = 0;
    const bool done = data && tar_member(o->tar, name, file_bytes(made), data, &at);
    if (!done)
        fails(o->tar_name);
    if (data)
        fclose(data);
    unlink(made);
    json_object_set_new(file, "offset", json_integer((json_int_t)at));
    return done;
}

/* A member with the record as it is so far, for those who read the tar alone. */
static bool append_record(set_outputs *o, const char *stem, const json_t *record)
{
    char *made = cli_format("%s.item.json", o->made), *name = cli_format("%s.item.json", stem);
    char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_t *ignored = json_object();
    const bool done = text && file_put(made, text, strlen(text)) && append(o, made, name, ignored);
    json_decref(ignored);
    free(text);
    free(name);
    free(made);
    return done;
}

bool set_outputs_settled(const set_outputs *o)
{
    return !o->tar;
}

bool set_outputs_settle(set_outputs *o)
{
    if (!o->tar)
        return true;
    char *made = file_join(o->work, "tar");
    bool done = tar_end(o->tar);
    if (fclose(o->tar))
        done = false;
    o->tar = NULL;
    o->n_tars++;
    done = done ? place(o, made, o->tar_name) : fails(o->tar_name);
    free(made);
    return done;
}

/* ---- Either ---- */

static json_t *describe(const char *made, const char *name)
{
    char sum[SIB_SHA256_TEXT];
    const uint64_t bytes = file_bytes(made);
    if (!set_part_checksum(made, 0, bytes, sum)) {
        cli_fail("%s: cannot be read: %s", made, strerror(errno));
        return NULL;
    }
    return json_pack("{s:o, s:I, s:s}", "name", cli_json_text(name), "bytes", (json_int_t)bytes, "sha256",
                     sum);
}

static bool take_one(set_outputs *o, const char *stem, const char *ending, json_t *files)
{
    char *made = cli_format("%s.%s", o->made, ending), *name = cli_format("%s.%s", stem, ending);
    json_t *file = describe(made, name);
    const bool done = file && (o->limit ? append(o, made, name, file) : place(o, made, name));
    if (file)
        json_array_append_new(files, file);
    free(name);
    free(made);
    return done;
}

bool set_outputs_take(set_outputs *o, const char *item, const char *const *endings, json_t *record)
{
    const json_int_t n = json_integer_value(json_object_get(record, "n"));
    char *stem = o->limit ? cli_format("%09lld", (long long)n) : place_of(item);
    json_t *files = json_array();
    bool done = !o->limit || ((o->tar || open_tar(o)) && append_record(o, stem, record));
    for (size_t i = 0; endings[i] && done; i++)
        done = take_one(o, stem, endings[i], files);
    if (o->limit)
        json_object_set_new(record, "tar", json_string(o->tar_name));
    json_object_set_new(record, "files", files);
    free(stem);
    return done && (!o->limit || (uint64_t)ftello(o->tar) < o->limit || set_outputs_settle(o));
}
