#include "audio/cut.h"

#include "audio/ffmpeg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Max elements to examine: ten hours of 20 ms blocks. */
#define CUT_MAX_STEPS 2000000

/* A file read through a small window. */
typedef struct {
    int fd;
    uint64_t size;
    uint64_t start; /* offset of the window */
    size_t filled;
    uint8_t window[4096];
} file;

/* `bytes` at `at`, or NULL where the file lacks some of them. Valid until the next call. */
static const uint8_t *peek(file *f, uint64_t at, size_t bytes)
{
    if (at > f->size || bytes > f->size - at || bytes > sizeof f->window)
        return NULL;
    if (at < f->start || at + bytes > f->start + f->filled) {
        ssize_t got;
        do
            got = pread(f->fd, f->window, sizeof f->window, (off_t)at);
        while (got < 0 && errno == EINTR);
        f->start = at;
        f->filled = got > 0 ? (size_t)got : 0;
    }
    return at + bytes <= f->start + f->filled ? f->window + (at - f->start) : NULL;
}

static uint64_t little(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static uint64_t big(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void set_cut(audio_cut *out, const char *part, uint64_t declared, uint64_t there)
{
    out->is_cut = true;
    snprintf(out->what, sizeof out->what, "its %s declares %" PRIu64 " bytes, %" PRIu64 " are there", part,
             declared, there);
}

/* ---- WAV ----------------------------------------------------------------------------------------- */

/* Lengths that programs write when they stream and cannot return to fill in the true one. */
static bool is_streamed_length(uint64_t bytes)
{
    return bytes == 0 || bytes >= 0xFFFFFF00 || (bytes >= 0x7FFFF000 && bytes <= 0x80000000);
}

static void look_wav(audio_cut *out, file *f)
{
    const uint8_t *head = peek(f, 0, 12);
    if (!head)
        return;
    bool is_big = memcmp(head, "RIFX", 4) == 0, is_64 = memcmp(head, "RIFF", 4) != 0 && !is_big;
    uint64_t at = 12, size_64 = 0;
    for (int step = 0; step < CUT_MAX_STEPS; step++) {
        const uint8_t *p = peek(f, at, 8);
        if (!p)
            return;
        uint64_t size = is_big ? big(p + 4, 4) : little(p + 4, 4);
        bool is_data = memcmp(p, "data", 4) == 0, is_ds64 = memcmp(p, "ds64", 4) == 0;
        if (is_ds64 && (p = peek(f, at + 16, 8)))
            size_64 = little(p, 8);
        if (is_data) {
            uint64_t there = f->size - (at + 8);
            uint64_t declared = is_64 ? size_64 : size;
            if (is_64 ? declared == 0 || declared > INT64_MAX : is_streamed_length(declared))
                return;
            out->payload = declared;
            if (declared > there)
                set_cut(out, "data chunk", declared, there);
            return;
        }
        at += 8 + size + (size & 1);
    }
}

/* ---- Consecutive chunks: AVI, ASF, W64, CAF, FLV, MP4 -------------------------------------------------- */

typedef struct {
    uint32_t id;  /* four characters, big-endian */
    uint64_t end; /* position after it; UINT64_MAX where its length is unknown */
} chunk;

static uint64_t end_at(uint64_t at, uint64_t bytes)
{
    return bytes > UINT64_MAX - 1 - at ? UINT64_MAX - 1 : at + bytes;
}

static bool read_riff(file *f, uint64_t at, chunk *out)
{
    const uint8_t *p = peek(f, at, 8);
    if (!p)
        return false;
    uint64_t size = little(p + 4, 4);
    *out = (chunk){(uint32_t)big(p, 4), is_streamed_length(size) ? UINT64_MAX : at + 8 + size + (size & 1)};
    return true;
}

static bool read_guid(file *f, uint64_t at, chunk *out)
{
    const uint8_t *p = peek(f, at, 24);
    if (!p)
        return false;
    uint64_t size = little(p + 16, 8);
    *out = (chunk){(uint32_t)big(p, 4), size < 24 || size >= INT64_MAX / 2 ? UINT64_MAX : end_at(at, size)};
    return true;
}

static bool read_w64(file *f, uint64_t at, chunk *out)
{
    if (at == 0) { /* riff GUID, size, wave GUID */
        *out = (chunk){0, 40};
        return peek(f, 0, 40) != NULL;
    }
    bool there = read_guid(f, at, out);
    if (there && out->id != 0x64617461 && out->end < INT64_MAX)
        out->end = (out->end + 7) & ~UINT64_C(7);
    return there;
}

static bool read_caf(file *f, uint64_t at, chunk *out)
{
    if (at == 0) { /* "caff", version, flags */
        *out = (chunk){0, 8};
        return peek(f, 0, 8) != NULL;
    }
    const uint8_t *p = peek(f, at, 12);
    if (!p)
        return false;
    uint64_t size = big(p + 4, 8);
    *out = (chunk){(uint32_t)big(p, 4), size > INT64_MAX ? UINT64_MAX : end_at(at + 12, size)};
    return true;
}

static bool read_flv(file *f, uint64_t at, chunk *out)
{
    const uint8_t *p = peek(f, at, 11);
    if (!p)
        return false;
    if (at == 0) { /* "FLV", version, flags, length of the header; then four zero bytes */
        *out = (chunk){0, big(p + 5, 4) + 4};
        return true;
    }
    uint64_t end = at + 11 + big(p + 1, 3);
    /* The tag's length is repeated after it; the last tag may lack it. */
    *out = (chunk){p[0], end <= f->size && end + 4 > f->size ? f->size : end + 4};
    return true;
}

static bool read_box(file *f, uint64_t at, chunk *out)
{
    const uint8_t *p = peek(f, at, 8);
    if (!p)
        return false;
    uint64_t size = big(p, 4), least = 8;
    out->id = (uint32_t)big(p + 4, 4);
    if (size == 1) {
        if (!(p = peek(f, at, 16)))
            return false;
        size = big(p + 8, 8);
        least = 16;
    }
    out->end = size < least || size > INT64_MAX ? UINT64_MAX : end_at(at, size);
    return true;
}

/* Walks chunks from the beginning; the file is cut where one of `ids` (ends with 0) ends beyond the file.
   Returns true where a chunk `mark` was found. */
static bool look_chunks(audio_cut *out, file *f, bool (*read_chunk)(file *, uint64_t, chunk *),
                        const uint32_t *ids, uint32_t mark)
{
    chunk c;
    uint64_t at = 0;
    bool met = false;
    for (int step = 0; step < CUT_MAX_STEPS && read_chunk(f, at, &c); step++) {
        met |= c.id == mark;
        if (c.end == UINT64_MAX)
            break;
        if (c.end > f->size) {
            for (; *ids && *ids != c.id; ids++)
                ;
            if (*ids)
                set_cut(out, "last part", c.end - at, f->size - at);
            break;
        }
        at = c.end;
    }
    return met;
}

static void look_avi(audio_cut *out, file *f)
{
    static const uint32_t ids[] = {0x52494646 /* RIFF */, 0};
    out->no_length = true; /* libavformat scales the duration by the bytes that exist */
    look_chunks(out, f, read_riff, ids, 0);
}

static void look_asf(audio_cut *out, file *f)
{
    static const uint32_t ids[] = {0x3626B275 /* the data object's GUID in the file's byte order */, 0};
    look_chunks(out, f, read_guid, ids, 0);
}

static void look_w64(audio_cut *out, file *f)
{
    static const uint32_t ids[] = {0x64617461 /* data */, 0};
    look_chunks(out, f, read_w64, ids, 0);
}

static void look_caf(audio_cut *out, file *f)
{
    static const uint32_t ids[] = {0x64617461 /* data */, 0};
    look_chunks(out, f, read_caf, ids, 0);
}

static void look_flv(audio_cut *out, file *f)
{
    static const uint32_t ids[] = {8 /* audio */, 9 /* video */, 18 /* script */, 0};
    look_chunks(out, f, read_flv, ids, 0);
}

static void look_mp4(audio_cut *out, file *f)
{
    static const uint32_t ids[] = {0x6D646174 /* mdat */, 0x6D6F6F66 /* moof */, 0x6D6F6F76 /* moov */, 0};
    out->no_length = look_chunks(out, f, read_box, ids, 0x6D6F6F66);
}

/* ---- Matroska ------------------------------------------------------------------------------------ */

#define MATROSKA_SEGMENT 0x18538067
#define MATROSKA_CLUSTER 0x1F43B675

/* Reads an id (with its length marker) or a size (without it) of 1 to 8 bytes. Returns its length in bytes; 0
   where it is missing or invalid. An unknown size gives UINT64_MAX. */
static int read_vint(file *f, uint64_t at, bool is_id, uint64_t *out)
{
    const uint8_t *p = peek(f, at, 1);
    if (!p || *p == 0)
        return 0;
    int bytes = __builtin_clz(*p) - 24 + 1;
    if (!(p = peek(f, at, (size_t)bytes)))
        return 0;
    uint64_t ones = (UINT64_C(1) << 7 * bytes) - 1, v = big(p, bytes);
    *out = is_id ? v : (v & ones) == ones ? UINT64_MAX : v & ones;
    return bytes;
}

static void look_matroska(audio_cut *out, file *f)
{
    uint64_t at = 0, id, size;
    for (int step = 0; step < CUT_MAX_STEPS && at < f->size; step++) {
        int id_bytes = read_vint(f, at, true, &id);
        int size_bytes = id_bytes ? read_vint(f, at + (uint64_t)id_bytes, false, &size) : 0;
        if (!size_bytes)
            return;
        at += (uint64_t)(id_bytes + size_bytes);
        bool holds_elements = id == MATROSKA_SEGMENT || id == MATROSKA_CLUSTER;
        if (size == UINT64_MAX && !holds_elements)
            return;
        if (size == UINT64_MAX)
            continue; /* its elements follow */
        if (size > f->size - at) {
            set_cut(out, id == MATROSKA_SEGMENT ? "segment" : "last element", size, f->size - at);
            return;
        }
        at += size;
    }
}

/* ---- Ogg ----------------------------------------------------------------------------------------- */

#define OGG_HEAD     27
#define OGG_MAX_PAGE 65307

/* Length of the page that begins at `at`, 0 where none does. */
static uint64_t ogg_page(file *f, uint64_t at)
{
    const uint8_t *p = peek(f, at, OGG_HEAD);
    if (!p || memcmp(p, "OggS\0", 5) != 0)
        return 0;
    size_t segments = p[26];
    uint64_t bytes = OGG_HEAD + segments;
    if (!(p = peek(f, at + OGG_HEAD, segments)))
        return bytes; /* more than the file has: the page's header is cut */
    for (size_t i = 0; i < segments; i++)
        bytes += p[i];
    return bytes;
}

/* A page found near the end counts if another page, or the end of the file, follows where its length says;
   from there pages are followed to the last one. */
static void look_ogg(audio_cut *out, file *f)
{
    uint64_t at = f->size > 3 * OGG_MAX_PAGE ? f->size - 3 * OGG_MAX_PAGE : 0, bytes = 0;
    for (; at < f->size; at++) {
        bytes = ogg_page(f, at);
        if (bytes && (at + bytes == f->size || ogg_page(f, at + bytes) || at == 0))
            break;
    }
    for (; at < f->size; at += bytes) {
        bytes = ogg_page(f, at);
        uint64_t there = f->size - at;
        if (bytes > there)
            set_cut(out, "last page", bytes, there);
        const uint8_t *p = peek(f, at, there < 4 ? there : 4);
        if (!bytes && there < OGG_HEAD && p && memcmp(p, "OggS", there < 4 ? there : 4) == 0)
            set_cut(out, "last page", OGG_HEAD, there);
        if (!bytes || bytes > there)
            return;
    }
}

/* ---- By format ----------------------------------------------------------------------------------- */

static const struct {
    const char *format; /* libavformat's name */
    void (*look)(audio_cut *, file *);
} looks[] = {
    {"wav", look_wav}, {"avi", look_avi}, {"asf", look_asf},           {"w64", look_w64}, {"caf", look_caf},
    {"flv", look_flv}, {"mov", look_mp4}, {"matroska", look_matroska}, {"ogg", look_ogg},
};

void audio_cut_look(audio_cut *out, int fd, uint64_t size, const char *format)
{
    memset(out, 0, sizeof *out);
    file f = {.fd = fd, .size = size};
    for (size_t i = 0; size > 0 && i < sizeof looks / sizeof *looks; i++)
        if (ffmpeg.av_match_name(looks[i].format, format))
            looks[i].look(out, &f);
}

void audio_cut_look_at_index(audio_cut *out, AVStream *stream, uint64_t size, const char *format)
{
    if (out->is_cut || size == 0 || !ffmpeg.av_match_name("mov", format))
        return;
    int entries = ffmpeg.avformat_index_get_entries_count(stream), beyond = 0;
    for (int i = 0; i < entries; i++) {
        const AVIndexEntry *e = ffmpeg.avformat_index_get_entry(stream, i);
        beyond += e->pos >= 0 && (uint64_t)e->pos + (uint64_t)e->size > size;
    }
    if (beyond > 0) {
        out->is_cut = true;
        snprintf(out->what, sizeof out->what, "%d of its %d packets are past its end", beyond, entries);
    }
}
