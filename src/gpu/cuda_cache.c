#include "gpu/cuda_cache.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_MAX   256
#define BYTES_MAX (64 << 20) /* of an image */

/* A file: this, the key's characters, the image. In the byte order of the machine, whose cache it is. */
typedef struct head {
    char magic[8];
    uint64_t key_bytes, bytes, hash; /* hash: of the key and the image */
} head;
static const char magic[8] = "sibcuda1";

uint64_t cuda_cache_hash(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The cache's folder, made where it is missing. */
static char *folder(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *base = cache && *cache == '/' ? path_join(NULL, cache)
                 : home && *home == '/' ? path_join(home, ".cache")
                                        : NULL;
    char *made = base ? path_join(base, "sibyl") : NULL;
    if (made) {
        mkdir(base, 0700); /* what fails here fails again where the file is opened */
        mkdir(made, 0700);
    }
    mem_free(base);
    return made;
}

char *cuda_cache_path(const char *key)
{
    char name[40];
    char *in = folder();
    snprintf(name, sizeof name, "cuda-%016llx",
             (unsigned long long)cuda_cache_hash(CUDA_CACHE_SEED, key, strlen(key)));
    char *path = in ? path_join(in, name) : NULL;
    mem_free(in);
    return path;
}

static uint64_t hash_of(const char *key, const cuda_image *image)
{
    return cuda_cache_hash(cuda_cache_hash(CUDA_CACHE_SEED, key, strlen(key)), image->bytes, image->n);
}

static bool read_image(FILE *f, const char *key, cuda_image *out)
{
    head h;
    char named[KEY_MAX];
    const size_t length = strlen(key);
    if (fread(&h, sizeof h, 1, f) != 1 || memcmp(h.magic, magic, sizeof magic) || h.key_bytes != length ||
        length > sizeof named || !h.bytes || h.bytes > BYTES_MAX)
        return false;
    out->n = (size_t)h.bytes;
    out->bytes = mem_calloc(out->n + 1, 1);
    return out->bytes && fread(named, 1, length, f) == length && !memcmp(named, key, length) &&
           fread(out->bytes, 1, out->n, f) == out->n && fgetc(f) == EOF && h.hash == hash_of(key, out);
}

bool cuda_cache_read(const char *path, const char *key, cuda_image *out)
{
    *out = (cuda_image){0};
    FILE *f = fopen(path, "rb");
    const bool good = f && read_image(f, key, out);
    if (f)
        fclose(f);
    if (good)
        return true;
    mem_free(out->bytes);
    *out = (cuda_image){0};
    return false;
}

void cuda_cache_write(const char *path, const char *key, const cuda_image *image)
{
    outfile f;
    head h = {.key_bytes = strlen(key), .bytes = image->n, .hash = hash_of(key, image)};
    memcpy(h.magic, magic, sizeof magic);
    if (outfile_begin(&f, path, NULL) != SIB_OK)
        return;
    fwrite(&h, sizeof h, 1, f.stream);
    fwrite(key, 1, strlen(key), f.stream);
    fwrite(image->bytes, 1, image->n, f.stream);
    outfile_commit(&f, NULL); /* which sees what failed before */
}
