#include "text/steps/charsmap.h"

#include "text/chars/base64.h"
#include "text/chars/utf8.h"

#include "base/alloc.h"
#include "base/error.h"

#include <utf8proc.h>

/* Max bytes of a cluster that is looked up; longer ones are taken character by character. */
#define MAX_CLUSTER 5

/* ---- Units ----------------------------------------------------------------------------------------- */

#define UNIT_LEAF  (UINT32_C(1) << 8)  /* a string ends here; its value is at the child for byte 0 */
#define UNIT_VALUE (UINT32_C(1) << 31) /* the unit is a value, not a node */

static inline uint32_t unit_offset(uint32_t unit)
{
    return unit >> 10 << ((unit & UINT32_C(1) << 9) >> 6);
}

static inline uint32_t unit_label(uint32_t unit)
{
    return unit & (UNIT_VALUE | 0xFF);
}

static inline uint32_t unit_value(uint32_t unit)
{
    return unit & ~UNIT_VALUE;
}

/* Returns the offset of the text for the shortest prefix of s in the map after its first *length bytes, which it
   updates as it does *place, a node of the trie; -1 where there is none. */
static int64_t next_prefix(const charsmap *m, sib_str s, uint32_t *place, size_t *length)
{
    while (*length < s.length && s.data[*length]) {
        uint8_t byte = (uint8_t)s.data[(*length)++];
        *place ^= byte;
        if (*place >= m->n_units || unit_label(m->units[*place]) != byte)
            return -1;
        uint32_t unit = m->units[*place];
        *place ^= unit_offset(unit);
        if (unit & UNIT_LEAF) /* charsmap_take has checked that it is there */
            return unit_value(m->units[*place]);
    }
    return -1;
}

/* The same of the shortest prefix of all. */
static int64_t find(const charsmap *m, sib_str s)
{
    uint32_t place = unit_offset(m->units[0]);
    size_t length = 0;
    return next_prefix(m, s, &place, &length);
}

/* ---- Opening --------------------------------------------------------------------------------------- */

/* Returns what is wrong with the units, or NULL. */
static const char *check_units(const charsmap *m)
{
    for (size_t i = 0; i < m->n_units; i++) {
        uint32_t unit = m->units[i];
        if (unit & UNIT_VALUE || !(unit & UNIT_LEAF))
            continue;
        uint32_t place = (uint32_t)i ^ unit_offset(unit);
        if (place >= m->n_units)
            return "the map's trie has an index out of range";
        uint32_t value = unit_value(m->units[place]);
        if (value > m->n_texts || (value < m->n_texts && utf8_follows((uint8_t)m->texts[value])))
            return "the map's trie points outside the texts";
    }
    return NULL;
}

static const char *check_texts(const charsmap *m)
{
    for (size_t at = 0, length; at < m->n_texts; at += length)
        if (utf8_next(m->texts + at, m->n_texts - at, &length) == UTF8_BROKEN)
            return "the texts of the map are not UTF-8";
    return NULL;
}

sib_code charsmap_take(charsmap *m, sib_str map, const char **words, sib_error *err)
{
    const uint8_t *bytes = (const uint8_t *)map.data;
    size_t size = map.length;
    *words = NULL;
    uint32_t trie =
        size < 4 ? 0
                 : bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    if (trie < 4 || trie % 4 || trie > size - 4) {
        *words = "the size of the map's trie is invalid";
        return SIB_OK;
    }
    m->n_units = trie / 4;
    m->n_texts = size - 4 - trie;
    m->units = mem_alloc(m->n_units, sizeof *m->units);
    m->texts = mem_alloc(m->n_texts + 1, 1);
    if (!m->units || !m->texts)
        return err_memory(err, size, "a map of characters");
    for (size_t i = 0; i < m->n_units; i++) {
        const uint8_t *b = bytes + 4 + 4 * i;
        m->units[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    memcpy(m->texts, bytes + 4 + trie, m->n_texts);
    m->texts[m->n_texts] = '\0'; /* terminates the last text too */
    *words = check_texts(m);
    if (!*words)
        *words = check_units(m);
    return SIB_OK;
}

sib_code charsmap_open(charsmap *m, const json_part *p, const char *key, sib_error *err)
{
    json_part at = json_part_at(p, key);
    sib_str base64 = {0};
    const char *words = NULL;
    size_t size;
    sib_code code = json_part_string(p, key, &base64, err);
    if (code == SIB_OK && !base64.data)
        return json_part_bad(&at, SIB_ERR_FORMAT, err, "is missing");
    if (code != SIB_OK)
        return code;
    char *bytes = mem_alloc(base64.length / 4 * 3 + 3, 1);
    if (!bytes)
        return err_memory(err, base64.length, "a map of characters");
    if (base64_bytes(base64, bytes, &size))
        code = charsmap_take(m, (sib_str){bytes, size}, &words, err);
    else
        words = "is not base64";
    mem_free(bytes);
    return code == SIB_OK && words ? json_part_bad(&at, SIB_ERR_FORMAT, err, words) : code;
}

void charsmap_free(charsmap *m)
{
    mem_free(m->units);
    mem_free(m->texts);
    *m = (charsmap){0};
}

bool charsmap_longest(const charsmap *m, sib_str s, size_t *length, sib_str *text)
{
    uint32_t place = unit_offset(m->units[0]);
    int64_t at, found = -1;
    for (size_t n = 0; (at = next_prefix(m, s, &place, &n)) >= 0;) {
        found = at;
        *length = n;
    }
    if (found >= 0)
        *text = str_of(m->texts + found);
    return found >= 0;
}

/* ---- Running --------------------------------------------------------------------------------------- */

/* Returns the end of the grapheme cluster that begins at `at`. */
static size_t cluster_end(sib_str text, size_t at)
{
    utf8proc_int32_t state = 0;
    size_t length;
    uint32_t before = utf8_next(text.data + at, text.length - at, &length);
    for (at += length; at < text.length && before != UTF8_BROKEN; at += length) {
        uint32_t c = utf8_next(text.data + at, text.length - at, &length);
        if (c == UTF8_BROKEN ||
            utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)c, &state))
            break;
        before = c;
    }
    return at;
}

/* Appends the replacement of the shortest prefix of s. Returns false where the map has none. */
static bool put(const charsmap *m, sib_str s, byte_buffer *out, sib_error *err)
{
    int64_t at = find(m, s);
    if (at >= 0)
        buf_add(out, m->texts + at, strlen(m->texts + at), err);
    return at >= 0;
}

sib_code charsmap_run(const charsmap *m, sib_str text, byte_buffer *out, sib_error *err)
{
    for (size_t at = 0, end; at < text.length && out->code == SIB_OK; at = end) {
        end = cluster_end(text, at);
        sib_str cluster = {text.data + at, end - at};
        if (cluster.length <= MAX_CLUSTER && put(m, cluster, out, err))
            continue;
        for (size_t length; at < end; at += length) {
            utf8_next(text.data + at, end - at, &length);
            sib_str character = {text.data + at, length};
            if (!put(m, character, out, err))
                buf_add(out, character.data, length, err);
        }
    }
    return out->code;
}
