#include "server/models/file_hash.h"

#include "server/http/state.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE ((off_t)16 << 20) /* bytes: 50 ms at 300 MB/s */
#define PIECE   ((size_t)1 << 20)

struct file_hash {
    char *path;           /* NULL: of bytes */
    struct stat opened;   /* the file as it was opened */
    pthread_mutex_t lock; /* held while the file is read */
    atomic_bool known;    /* text is there, and stays */
    char text[SIB_SHA256_TEXT];
};

static file_hash *make(const char *path)
{
    file_hash *h = calloc(1, sizeof *h);
    if (h && path && !(h->path = strdup(path))) {
        free(h);
        return NULL;
    }
    if (h)
        pthread_mutex_init(&h->lock, NULL);
    return h;
}

file_hash *file_hash_create(const char *path)
{
    file_hash *h = make(path);
    const char *text;
    if (h && !stat(path, &h->opened) && S_ISREG(h->opened.st_mode) && h->opened.st_size <= AT_ONCE)
        file_hash_get(h, NULL, &text, NULL); /* where it fails, asking for it tells why */
    return h;
}

file_hash *file_hash_of_bytes(const void *data, size_t size)
{
    file_hash *h = make(NULL);
    sib_sha256 sum;
    if (!h)
        return NULL;
    sib_sha256_begin(&sum);
    sib_sha256_add(&sum, data, size);
    sib_sha256_end(&sum, h->text);
    atomic_store(&h->known, true);
    return h;
}

void file_hash_free(file_hash **h)
{
    if (!*h)
        return;
    pthread_mutex_destroy(&(*h)->lock);
    free((*h)->path);
    free(*h);
    *h = NULL;
}

const char *file_hash_known(file_hash *h)
{
    return atomic_load(&h->known) ? h->text : NULL;
}

/* Whether a descriptor is of the file that was opened, as it was. */
static bool unchanged(const file_hash *h, int file)
{
    struct stat now;
    const struct stat *then = &h->opened;
    return !fstat(file, &now) && now.st_dev == then->st_dev && now.st_ino == then->st_ino &&
           now.st_size == then->st_size && now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

/* Reads the file to its end. Returns SIB_OK where all of it could be read. */
static sib_code add_file(int file, const struct exchange *x, sib_sha256 *sum, sib_error *err)
{
    unsigned char *piece = malloc(PIECE);
    sib_code code = piece ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    for (ssize_t n = 1; code == SIB_OK && n > 0;) {
        n = read(file, piece, PIECE);
        if (n < 0)
            code = server_fail(err, SIB_ERR_IO, "the file of the model could not be read");
        else if (x && exchange_cancelled(x))
            code = server_fail(err, SIB_ERR_CANCELLED, "cancelled");
        else
            sib_sha256_add(sum, piece, (size_t)n);
    }
    free(piece);
    return code;
}

/* The lock is held. */
static sib_code read_file(file_hash *h, const struct exchange *x, sib_error *err)
{
    if (S_ISDIR(h->opened.st_mode))
        return server_fail(err, SIB_ERR_UNSUPPORTED, "the model is a folder, which has no hash");
    sib_sha256 sum;
    sib_sha256_begin(&sum);
    int file = open(h->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool same = file >= 0 && unchanged(h, file);
    sib_code code = same ? add_file(file, x, &sum, err) : SIB_OK;
    if (code == SIB_OK && !(same && unchanged(h, file)))
        code = server_fail(err, SIB_ERR_IO,
                           "the file of the model is not what it was when it was opened: open it again");
    if (file >= 0)
        close(file);
    if (code != SIB_OK)
        return code;
    sib_sha256_end(&sum, h->text);
    atomic_store(&h->known, true);
    return SIB_OK;
}

sib_code file_hash_get(file_hash *h, const struct exchange *x, const char **out, sib_error *err)
{
    pthread_mutex_lock(&h->lock);
    sib_code code = atomic_load(&h->known) ? SIB_OK : read_file(h, x, err);
    pthread_mutex_unlock(&h->lock);
    *out = h->text;
    return code;
}
