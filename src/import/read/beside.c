#include "import/read/beside.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/mapping.h"
#include "base/path.h"

#include <jansson.h>
#include <unistd.h>

#define MAX_JSON ((size_t)64 << 20)

sib_code readable_path(char *path, char **out, sib_error *err)
{
    *out = path;
    if (!path)
        return err_memory(err, 1, "the name of a file");
    if (access(path, R_OK)) {
        mem_free(path);
        *out = NULL;
    }
    return SIB_OK;
}

sib_code beside_path(const checkpoint *c, const char *name, char **out, sib_error *err)
{
    char *folder = path_folder(checkpoint_file(c, 0));
    sib_code code = readable_path(folder ? path_join(folder, name) : NULL, out, err);
    mem_free(folder);
    return code;
}

/* Tokenizers without a limit have 10^30 as one: the numbers of a file with such an integer are all read as reals. */
static json_t *load(const mapping *m, json_error_t *why)
{
    const char *text = (const char *)m->bytes.data;
    json_t *out = json_loadb(text, m->bytes.size, 0, why);
    if (!out && json_error_code(why) == json_error_numeric_overflow)
        out = json_loadb(text, m->bytes.size, JSON_DECODE_INT_AS_REAL, why);
    return out;
}

sib_code beside_json(const char *path, json_t **out, sib_error *err)
{
    mapping *m;
    json_error_t why;
    *out = NULL;
    sib_code code = mapping_open(path, &m, err);
    if (code != SIB_OK)
        return code;
    if (m->bytes.size > MAX_JSON)
        code = err_set(err, SIB_ERR_SIZE, "%s: has more than %zu MiB", path, MAX_JSON >> 20);
    else if (!(*out = load(m, &why)))
        code = err_set_at(err, SIB_ERR_FORMAT, (uint64_t)why.position, "%s: line %d: %s", path, why.line,
                          why.text);
    mapping_release(m);
    return code;
}
