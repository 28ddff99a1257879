#include "set/checksum.h"

#include "files.h"
#include "messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK ((size_t)1 << 16)

/* Options that change nothing of what is made from an item. */
static const char *const without[] = {"out",     "manifest", "shard", "tar",    "threads",
                                      "verbose", "quiet",    "json",  "memory", "open-memory"};

typedef struct walk {
    sib_sha256 *h;
    const char *settings;
    bool done;
} walk;

static void add_text(sib_sha256 *h, const char *text)
{
    sib_sha256_add(h, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* Adds at most max bytes from where the file is; *got of them. Returns false if it cannot be read. */
static bool add_stream(sib_sha256 *h, FILE *f, uint64_t max, uint64_t *got)
{
    unsigned char block[BLOCK];
    size_t n = 1;
    for (*got = 0; *got < max && n; *got += n) {
        n = fread(block, 1, max - *got < BLOCK ? (size_t)(max - *got) : BLOCK, f);
        sib_sha256_add(h, block, n);
    }
    return !ferror(f);
}

static bool add_file(sib_sha256 *h, const char *path)
{
    uint64_t got;
    FILE *f = file_is_folder(path) ? NULL : fopen(path, "rb");
    if (file_is_folder(path))
        errno = EISDIR;
    bool done = f && add_stream(h, f, UINT64_MAX, &got);
    if (!done)
        cli_fail("%s: cannot be read: %s", path, strerror(errno));
    if (f)
        fclose(f);
    return done;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A file by its content, another text as it is. */
static bool add_named(sib_sha256 *h, const char *text)
{
    if (text && is_file(text))
        return add_file(h, text);
    add_text(h, text);
    return true;
}

static bool add_list(sib_sha256 *h, const cli_list *list)
{
    bool done = true;
    for (size_t i = 0; i < list->n && done; i++) {
        const char *equals = strchr(list->items[i], '=');
        add_text(h, list->items[i]);
        done = add_named(h, equals ? equals + 1 : list->items[i]);
    }
    return done;
}

static void add_option(const cli_option *o, void *context)
{
    walk *w = context;
    const void *field = w->settings + o->field;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(o->name, without[i]) == 0)
            return;
    if (o == &cli_option_help || o->kind >= CLI_ALIAS || !w->done)
        return;
    add_text(w->h, o->name);
    switch (o->kind) {
    case CLI_FLAG:
        sib_sha256_add(w->h, field, sizeof(bool));
        break;
    case CLI_TEXT:
    case CLI_FOLDER:
        add_text(w->h, *(const char *const *)field);
        break;
    case CLI_FILE:
        w->done = add_named(w->h, *(const char *const *)field);
        break;
    case CLI_INTEGER:
        sib_sha256_add(w->h, field, sizeof(long));
        break;
    case CLI_NUMBER:
        sib_sha256_add(w->h, field, sizeof(double));
        break;
    case CLI_CHOICE:
    case CLI_OPTIONAL:
        sib_sha256_add(w->h, field, sizeof(int));
        break;
    case CLI_LIST:
        w->done = add_list(w->h, field);
        break;
    case CLI_ALIAS:
    case CLI_NOTHING:
    case CLI_UNBUILT:
        break;
    }
}

bool set_options_checksum(const cli_command *c, const void *settings, const char *model,
                          char text[SIB_SHA256_TEXT])
{
    sib_sha256 h;
    sib_sha256_begin(&h);
    walk w = {&h, settings, true};
    add_text(&h, c->name);
    cli_options_each(c, add_option, &w);
    cli_names_each(c, add_option, &w);
    w.done = w.done && (!model || add_named(&h, model));
    sib_sha256_end(&h, text);
    return w.done;
}

bool set_item_checksum(const char *options, const char *path, char text[SIB_SHA256_TEXT])
{
    sib_sha256 h;
    sib_sha256_begin(&h);
    add_text(&h, options);
    bool done = add_file(&h, path);
    sib_sha256_end(&h, text);
    return done;
}

bool set_part_checksum(const char *path, uint64_t at, uint64_t bytes, char text[SIB_SHA256_TEXT])
{
    sib_sha256 h;
    uint64_t got = 0;
    FILE *f = fopen(path, "rb");
    sib_sha256_begin(&h);
    bool done = f && fseeko(f, (off_t)at, SEEK_SET) == 0 && add_stream(&h, f, bytes, &got) && got == bytes;
    sib_sha256_end(&h, text);
    if (f)
        fclose(f);
    return done;
}
