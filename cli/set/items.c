#include "set/items.h"

#include "files.h"
#include "messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE ((size_t)1 << 20)

bool set_line(FILE *f, char *line, size_t max, size_t *length, bool *ended)
{
    int c;
    *length = 0;
    while ((c = getc_unlocked(f)) != EOF && c != '\n') {
        if (*length < max)
            line[*length] = (char)c;
        if (*length <= max)
            ++*length;
    }
    if (ended)
        *ended = c == '\n';
    if (*length <= max && *length && line[*length - 1] == '\r')
        --*length;
    line[*length < max ? *length : max] = '\0';
    return c != EOF || *length;
}

static bool open_at(set_items *s)
{
    const char *path = s->manifests->items[s->at];
    s->n_line = 0;
    s->file = file_is_folder(path) ? NULL : fopen(path, "rb");
    return s->file || !cli_fail("%s: the manifest cannot be read: %s", path,
                                file_is_folder(path) ? "it is a folder" : strerror(errno));
}

bool set_items_begin(set_items *s, const cli_list *manifests)
{
    *s = (set_items){.manifests = manifests, .line = cli_alloc(MAX_LINE + 1, 1)};
    for (size_t i = 0; i < manifests->n; i++)
        if (access(manifests->items[i], R_OK) != 0)
            return !cli_fail("%s: the manifest cannot be read: %s", manifests->items[i], strerror(errno));
    return open_at(s);
}

/* Of a JSON object: the item's file, or NULL with the error. */
static char *file_of(set_items *s)
{
    json_error_t why;
    json_t *o = json_loads(s->line, JSON_REJECT_DUPLICATES, &why);
    const char *name = json_string_value(json_object_get(o, "audio_filepath"));
    const char *file = name ? name : json_string_value(json_object_get(o, "file"));
    char *copy = NULL;
    if (!o)
        snprintf(s->error, sizeof s->error, "is not JSON: %.200s", why.text);
    else if (!file || !*file)
        snprintf(s->error, sizeof s->error, "has no \"audio_filepath\" or \"file\" with a name");
    else if (json_number_value(json_object_get(o, "offset")) > 0)
        snprintf(s->error, sizeof s->error,
                 "has an \"offset\": parts of recordings are not read, cut them into files before");
    else
        copy = cli_format("%s", file);
    json_decref(o);
    return copy;
}

/* Where the item is: a name that leads nowhere is looked for beside the manifest. */
static char *find(const set_items *s, const char *name)
{
    if (*name == '/' || access(name, F_OK) == 0)
        return cli_format("%s", name);
    char *folder = file_folder(s->manifests->items[s->at]), *beside = file_join(folder, name);
    if (access(beside, F_OK) != 0) {
        free(beside);
        beside = cli_format("%s", name);
    }
    free(folder);
    return beside;
}

static void read_item(set_items *s, size_t length)
{
    const char *first = s->line + strspn(s->line, " \t");
    free(s->name);
    free(s->path);
    s->path = s->name = NULL;
    if (length > MAX_LINE)
        snprintf(s->error, sizeof s->error, "has more than %zu bytes", MAX_LINE);
    else if (strlen(s->line) != length)
        snprintf(s->error, sizeof s->error, "has a zero byte");
    else if (*first == '{')
        s->name = file_of(s);
    else
        s->name = cli_format("%s", s->line);
    if (s->name)
        s->path = find(s, s->name);
    else
        s->name = cli_format("line %llu of %s", (unsigned long long)s->n_line, s->manifests->items[s->at]);
}

bool set_items_next(set_items *s, uint64_t skip, bool *failed)
{
    for (;;) {
        size_t length;
        if (!s->file)
            return false;
        if (!set_line(s->file, s->line, MAX_LINE, &length, NULL)) {
            *failed = ferror(s->file) &&
                      cli_fail("%s: cannot be read: %s", s->manifests->items[s->at], strerror(errno));
            fclose(s->file);
            s->file = NULL;
            if (*failed || ++s->at == s->manifests->n)
                return false;
            if ((*failed = !open_at(s)))
                return false;
            continue;
        }
        s->n_line++;
        if (!length || (length <= MAX_LINE && strspn(s->line, " \t") == length))
            continue;
        if (skip) {
            skip--;
            continue;
        }
        read_item(s, length);
        return true;
    }
}

void set_items_end(set_items *s)
{
    if (s->file)
        fclose(s->file);
    free(s->line);
    free(s->name);
    free(s->path);
    *s = (set_items){0};
}
