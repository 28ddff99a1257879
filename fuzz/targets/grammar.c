/* A grammar in GBNF, or a JSON schema: read, and a text of it made token by token. */
#include "fuzz.h"
#include "text/constrain/constraint.h"

#include <string.h>

#define MAX_STEPS 64

/* Pieces that many tokens begin alike; single bytes are among them. Kept by the process. */
static sib_tokenizer *tokens(void)
{
    static sib_tokenizer *t;
    static const char file[] =
        "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":false,\"vocab\":{\"{\":0,\"}\":1,\"[\":2,\"]\":3,"
        "\"\\\"\":4,\",\":5,"
        "\":\":6,\"a\":7,\"b\":8,\"ab\":9,\"\\\"a\":10,\"0\":11,\"1\":12,\"-\":13,\".\":14,\"e\":15,\"true\":"
        "16,\"null\":17,"
        "\" "
        "\":18,\"\\n\":19,\"{\\\"\":20,\"\\\":\":21,\"\\u00e9\":22,\"\\\\\":23,\"u\":24,\"x\":25,\"T\":26,"
        "\"Z\":27,\"2024\":"
        "28,\"false\":29,\"12\":30,\"}]\":31,\"@\":32,\"/\":33,\"+\":34,\"E\":35},\"merges\":[]}}";
    sib_error err = SIB_ERROR_INIT;
    if (!t && sib_tokenizer_open_bytes("tokens", file, strlen(file), NULL, &t, &err) != SIB_OK)
        fuzz_fail("no tokenizer: %s", err.message);
    return t;
}

/* The k-th id of those allowed, or -1 where none is. */
static int32_t choose(const uint64_t *allowed, size_t n_vocab, uint64_t k)
{
    int32_t last = -1;
    for (size_t id = 0; id < n_vocab; id++)
        if (allowed[id / 64] >> (id % 64) & 1) {
            last = (int32_t)id;
            if (k-- == 0)
                break;
        }
    return last;
}

static void generate(constraint_rules kind, const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    constraint *c = NULL;
    uint64_t random = fuzz_hash(data, n) | 1;
    sib_code code = constraint_open(tokens(), kind, (sib_str){(const char *)data, n}, &c, &err);
    fuzz_code(code, &err);
    for (int step = 0; code == SIB_OK && step < MAX_STEPS && !constraint_closed(c); step++) {
        const uint64_t *allowed;
        size_t n_vocab;
        code = constraint_allowed(c, &allowed, &n_vocab, &err);
        fuzz_code(code, &err);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int32_t id = code == SIB_OK ? choose(allowed, n_vocab, random % 4) : -1;
        if (id < 0) /* text of characters that no token has */
            break;
        code = constraint_take(c, id, &err);
        fuzz_code(code, &err);
        if (code == SIB_ERR_ARGUMENT)
            fuzz_fail("token %d was allowed and is refused", (int)id);
    }
    constraint_free(&c);
}

void fuzz_grammar(const uint8_t *data, size_t n)
{
    generate(CONSTRAINT_GBNF, data, n);
}

void fuzz_schema(const uint8_t *data, size_t n)
{
    generate(CONSTRAINT_SCHEMA, data, n);
}
