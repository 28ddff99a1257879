#include "server/http/folders.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct folders {
    pthread_mutex_t lock;
    char **names; /* each ends with "/" */
    size_t n;
};

folders *folders_create(void)
{
    folders *f = calloc(1, sizeof *f);
    if (f)
        pthread_mutex_init(&f->lock, NULL);
    return f;
}

void folders_free(folders **f)
{
    if (!*f)
        return;
    for (size_t i = 0; i < (*f)->n; i++)
        free((*f)->names[i]);
    free((*f)->names);
    pthread_mutex_destroy(&(*f)->lock);
    free(*f);
    *f = NULL;
}

/* Whether a listed folder is this one or holds it. */
static bool covered(const folders *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strncmp(name, f->names[i], strlen(f->names[i])))
            return true;
    return false;
}

/* Adds the first (size) bytes of text as a folder. */
static bool add(folders *f, const char *text, size_t size)
{
    while (size && text[size - 1] == '/')
        size--;
    if (!size)
        return true; /* "/" itself tells nothing */
    char *name = malloc(size + 2);
    if (!name)
        return false;
    memcpy(name, text, size);
    memcpy(name + size, "/", 2);
    pthread_mutex_lock(&f->lock);
    bool done = covered(f, name);
    char **names = done ? NULL : realloc(f->names, (f->n + 1) * sizeof *names);
    if (names) {
        f->names = names;
        f->names[f->n++] = name;
        name = NULL;
        done = true;
    }
    pthread_mutex_unlock(&f->lock);
    free(name);
    return done;
}

/* A relative name tells nothing, what it stands for does. */
static bool add_both(folders *f, const char *text, size_t size)
{
    char *given = strndup(text, size);
    if (!given)
        return false;
    char *target = realpath(given, NULL);
    bool done = (*given != '/' || add(f, given, size)) && (!target || add(f, target, strlen(target)));
    free(target);
    free(given);
    return done;
}

bool folders_add(folders *f, const char *folder)
{
    return add_both(f, folder, strlen(folder));
}

bool folders_add_of(folders *f, const char *file)
{
    const char *slash = strrchr(file, '/');
    return !slash || add_both(f, file, (size_t)(slash - file));
}

void folders_cut(folders *f, char *message)
{
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        size_t size = strlen(f->names[i]);
        for (char *at = message; (at = strstr(at, f->names[i]));) {
            if (at == message || strchr(" '\"(:=", at[-1]))
                memmove(at, at + size, strlen(at + size) + 1);
            else
                at++; /* within a longer path */
        }
    }
    pthread_mutex_unlock(&f->lock);
}
