#include "server/speech/recordings.h"

#include "server/http/state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct recordings {
    pthread_mutex_t lock;
    uint64_t max_bytes, bytes;
    size_t n;
    recording *items[MAX_RECORDINGS]; /* (n) each held, the one used longest ago first */
};

recordings *recordings_create(uint64_t max_bytes)
{
    recordings *all = calloc(1, sizeof *all);
    if (all) {
        all->max_bytes = max_bytes;
        pthread_mutex_init(&all->lock, NULL);
    }
    return all;
}

void recording_release(recording *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    free(r->file.name);
    free(r->file.file);
    buffer_free(&r->file.data);
    free(r);
}

void recordings_free(recordings **all)
{
    if (!*all)
        return;
    for (size_t i = 0; i < (*all)->n; i++)
        recording_release((*all)->items[i]);
    pthread_mutex_destroy(&(*all)->lock);
    free(*all);
    *all = NULL;
}

/* ---- The list, under the lock ---- */

/* The number of a recording, n where there is none. */
static size_t find(const recordings *all, const char *id)
{
    size_t i = 0;
    while (i < all->n && strcmp(all->items[i]->id, id) != 0)
        i++;
    return i;
}

/* Takes a recording out of the list; the caller has the list's hold on it. */
static recording *take(recordings *all, size_t i)
{
    recording *r = all->items[i];
    all->bytes -= r->file.data.size;
    memmove(all->items + i, all->items + i + 1, (--all->n - i) * sizeof(recording *));
    return r;
}

/* Adds it as the one used last. */
static void put(recordings *all, recording *r)
{
    all->items[all->n++] = r;
    all->bytes += r->file.data.size;
}

static recording *hold(recording *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

/* Forgets recordings that nobody holds until there is room for one of (size) bytes. Returns whether there is. */
static bool make_room(recordings *all, size_t size)
{
    for (size_t i = 0; i < all->n && (all->n == MAX_RECORDINGS || all->bytes + size > all->max_bytes);)
        if (atomic_load(&all->items[i]->refs) == 1)
            recording_release(take(all, i));
        else
            i++;
    return all->n < MAX_RECORDINGS && all->bytes + size <= all->max_bytes;
}

/* ---- For all ---- */

/* Takes the part's name and bytes. NULL: no memory. */
static recording *make(part *file, double seconds)
{
    recording *r = calloc(1, sizeof *r);
    sib_sha256 hash;
    struct timespec now;
    if (!r)
        return NULL;
    sib_sha256_begin(&hash);
    sib_sha256_add(&hash, file->data.data, file->data.size);
    sib_sha256_end(&hash, r->id);
    clock_gettime(CLOCK_REALTIME, &now);
    r->created = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    r->seconds = seconds;
    atomic_init(&r->refs, 1);
    r->file = *file;
    *file = (part){0};
    return r;
}

sib_code recordings_add(recordings *all, part *file, double seconds, recording **out, sib_error *err)
{
    size_t size = file->data.size;
    if (size > all->max_bytes)
        return server_fail(err, SIB_ERR_SIZE, "the recordings may have %llu bytes together",
                           (unsigned long long)all->max_bytes);
    recording *r = make(file, seconds);
    if (!r)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    pthread_mutex_lock(&all->lock);
    size_t i = find(all, r->id);
    bool there = i < all->n, room = there || make_room(all, size);
    if (there) {
        recording_release(r);
        r = take(all, i);
    }
    if (room) {
        put(all, r);
        *out = hold(r);
    }
    pthread_mutex_unlock(&all->lock);
    if (room)
        return SIB_OK;
    recording_release(r);
    return server_fail(err, SIB_ERR_MEMORY, "the recordings that are in use leave no room; try again soon");
}

recording *recordings_hold(recordings *all, const char *id)
{
    pthread_mutex_lock(&all->lock);
    size_t i = find(all, id);
    recording *r = i < all->n ? take(all, i) : NULL;
    if (r)
        put(all, hold(r));
    pthread_mutex_unlock(&all->lock);
    return r;
}

recording *recordings_hold_at(recordings *all, size_t i)
{
    pthread_mutex_lock(&all->lock);
    recording *r = i < all->n ? hold(all->items[i]) : NULL;
    pthread_mutex_unlock(&all->lock);
    return r;
}

bool recordings_forget(recordings *all, const char *id)
{
    pthread_mutex_lock(&all->lock);
    size_t i = find(all, id);
    recording *r = i < all->n ? take(all, i) : NULL;
    pthread_mutex_unlock(&all->lock);
    recording_release(r);
    return r != NULL;
}
