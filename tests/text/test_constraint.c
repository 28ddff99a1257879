/* Tokens that a JSON schema allows: as bytes one by one say, with several kinds of tokenizers.
   schema_cases.c and test_schema_peer.py look at what schemas mean. */
#include "check_memory.h"
#include "encodes.h"
#include "seeds.h"
#include "text/constrain/constraint.h"
#include "text/constrain/machine.h"
#include "text/constrain/schema.h"
#include "text/vocab/token_order.h"

/* Its tokens cross what JSON is made of. */
static const char crossing[] = "{\"decoder\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":"
                               "\"ByteLevel\",\"add_prefix_space\":false},"
                               "\"added_tokens\":[{\"id\":30,\"content\":\"<end>\",\"special\":true}],"
                               "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"{\":0,\"}\":1,"
                               "\"\\\"\":2,\":\":3,\",\":4,\"a\":5,\"b\":6,"
                               "\"ab\":7,\"\\\":\":8,\"{\\\"\":9,\"\\\",\\\"\":10,\"\\\"}\":11,\"\\\":\\\"\":"
                               "12,\"1\":13,\"12\":14,\"-\":15,"
                               "\"}}\":16,\"\\\\\":17,\"n\":18,\"\\\\n\":19,\"\xC3\x83\":20,\"\xC2\xA9\":21,"
                               "\"\xC3\x83\xC2\xA9\":22,\"\xC4\xA0\":23,"
                               "\"\xC4\x8A\":24,\"aaaa\":25,\"true\":26,\"[\":27,\"]\":28,\"],[\":29}}}";

static const char of_text[] =
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"ab\":{\"type\":"
    "\"string\",\"maxLength\":3}},\"required\":[\"a\"]}";

/* Strips the end of a text. */
static const char stripping[] =
    "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":"
    "\"a\","
    "\"start\":0,\"stop\":1}]},\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"a\":0}}}";

static sib_tokenizer *opened(const char *text, const char *kind)
{
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(
        sib_tokenizer_open_bytes("t", text, strlen(text), &(sib_tokenizer_options){.kind = kind}, &t, &err),
        err);
    return t;
}

static constraint *begun(const sib_tokenizer *t, const char *schema)
{
    constraint *c;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(constraint_open(t, CONSTRAINT_SCHEMA, str_of(schema), &c, &err), err);
    return c;
}

static bool has(const uint64_t *tokens, size_t id)
{
    return tokens[id / 64] >> (id % 64) & 1;
}

/* What the machine says of a text, byte by byte. */
static bool begins(machine *m, uint32_t state, sib_str text)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < text.length && state != MACHINE_DEAD; i++)
        CHECK_OK(machine_step(m, state, (uint8_t)text.data[i], &state, &err), err);
    return state != MACHINE_DEAD;
}

/* Takes random tokens until the text is closed or has 60, each time holding all tokens against their
   bytes. */
static void check_walk(const sib_tokenizer *t, const char *schema, uint64_t seed)
{
    sib_error err = SIB_ERROR_INIT;
    grammar g;
    machine m;
    uint32_t start;
    byte_buffer text = {0};
    constraint *c = begun(t, schema);
    CHECK_OK(schema_grammar(str_of(schema), &g, &err), err);
    CHECK_OK(machine_begin(&m, &g, &start, &err), err);
    for (int step = 0; step < 60 && !constraint_closed(c); step++) {
        const uint64_t *tokens;
        size_t n, n_allowed = 0, before = text.n, chosen = 0;
        CHECK_OK(constraint_allowed(c, &tokens, &n, &err), err);
        for (size_t id = 0; id < n; id++) {
            decode_place place = {.before = 1, .begun = true, .more = true};
            const token *known = vocab_token(&t->vocab, (int32_t)id);
            bool may = known && !(known->flags & TOKEN_SPECIAL);
            if (may)
                tokenizer_decode_ids(t, &(int32_t){(int32_t)id}, 1, &place, &text, &err);
            may = may && text.n > before && begins(&m, start, buf_str(&text));
            if (may != has(tokens, id))
                fail_msg("%s: token %zu is %s behind '%.*s'", schema, id, may ? "refused" : "allowed",
                         (int)before, text.data);
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if (may && (seed >> 33) % ++n_allowed == 0)
                chosen = id;
            text.n = before;
        }
        if (!n_allowed)
            break; /* a vocabulary without what would go on */
        decode_place place = {.before = 1, .begun = true, .more = true};
        tokenizer_decode_ids(t, &(int32_t){(int32_t)chosen}, 1, &place, &text, &err);
        CHECK_OK(constraint_take(c, (int32_t)chosen, &err), err);
    }
    buf_free(&text);
    machine_end(&m);
    grammar_free(&g);
    constraint_free(&c);
}

TEST(tokens_are_allowed_as_their_bytes)
{
    static const char *const schemas[] = {
        "{}",
        "{\"type\":\"object\"}",
        of_text,
        "{\"type\":\"string\",\"minLength\":2,\"maxLength\":5}",
        "{\"type\":\"array\",\"items\":{\"enum\":[true,1,12,\"ab\"]},\"minItems\":1,\"maxItems\":3}",
        "{\"type\":[\"string\",\"integer\"],\"pattern\":\"^a[^n]b?$\",\"minimum\":3,\"maximum\":1210}"};
    const struct {
        const char *text, *kind;
    } kinds[] = {{crossing, NULL}, {byte_bpe, NULL}, {llama, NULL},
                 {scored, NULL},   {world, NULL},    {"", "bytes"}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        sib_tokenizer *t = opened(kinds[i].text, kinds[i].kind);
        for (size_t k = 0; k < COUNT(schemas); k++)
            for (uint64_t seed = 1; seed <= 4; seed++)
                check_walk(t, schemas[k], seed);
        sib_tokenizer_free(&t);
    }
}

static void take_text(constraint *c, const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    for (; *text; text++)
        CHECK_OK(constraint_take(c, (uint8_t)*text, &err), err);
}

TEST(ends_where_the_value_is_complete)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer *t = opened("", "bytes");
    constraint *c = begun(t, "{\"type\":\"integer\"}");
    assert_false(constraint_complete(c));
    take_text(c, " -1");
    assert_true(constraint_complete(c) && !constraint_closed(c));
    CHECK_FAILS(constraint_take(c, '.', &err), SIB_ERR_ARGUMENT, err, "does not allow token 46 here");
    CHECK_FAILS(constraint_take(c, -1, &err), SIB_ERR_ARGUMENT, err, "token -1");
    CHECK_FAILS(constraint_take(c, 256, &err), SIB_ERR_ARGUMENT, err, "token 256");
    take_text(c, "0");
    constraint_free(&c);
    c = begun(t, of_text);
    take_text(c, "{\"a\":\"x\"");
    assert_false(constraint_complete(c));
    take_text(c, "}");
    assert_true(constraint_complete(c) && constraint_closed(c));
    constraint_free(&c);
    sib_tokenizer_free(&t);
}

/* States are forgotten on the way. */
TEST(long_texts)
{
    sib_tokenizer *t = opened("", "bytes");
    constraint *c = begun(t, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":30000}}");
    take_text(c, "[\"\", \"");
    for (int i = 0; i < 29999; i++)
        take_text(c, "a");
    take_text(c, "\xC3\xA9");
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(constraint_take(c, 'a', &err), SIB_ERR_ARGUMENT, err, "does not allow");
    take_text(c, "\"]");
    assert_true(constraint_closed(c));
    constraint_free(&c);
    sib_tokenizer_free(&t);
}

TEST(what_is_refused)
{
    sib_error err = SIB_ERROR_INIT;
    constraint *c;
    sib_tokenizer *t = opened("", "bytes");
    CHECK_FAILS(constraint_open(t, CONSTRAINT_SCHEMA, str_of("{"), &c, &err), SIB_ERR_FORMAT, err,
                "is no JSON");
    assert_null(c);
    CHECK_FAILS(sib_json_schema_check("{\"not\": {}}", 11, &err), SIB_ERR_UNSUPPORTED, err,
                "'not' is not supported");
    CHECK_FAILS(sib_json_schema_check(NULL, 0, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_OK(sib_json_schema_check("{}", 2, &err), err);
    sib_tokenizer_free(&t);
    t = opened(stripping, NULL);
    CHECK_FAILS(constraint_open(t, CONSTRAINT_SCHEMA, str_of("{}"), &c, &err), SIB_ERR_UNSUPPORTED, err,
                "cannot be constrained");
    sib_tokenizer_free(&t);
}

static sib_code generate(const sib_tokenizer *t, const char *schema, size_t size, const char *text,
                         sib_error *err)
{
    constraint *c;
    sib_code code = constraint_open(t, CONSTRAINT_SCHEMA, (sib_str){schema, size}, &c, err);
    for (; code == SIB_OK && *text; text++)
        code = constraint_take(c, (uint8_t)*text, err);
    constraint_free(&c);
    return code;
}

TEST(memory_may_fail)
{
    static const char of_several[] =
        "{\"prefixItems\":[{\"allOf\":[{\"pattern\":\"^[^b]a?$\"},{\"maxLength\":3}]},"
        "{\"minimum\":2.5,\"multipleOf\":2}]}";
    static const char schema[] =
        "{\"properties\":{\"a\":{\"$ref\":\"#/$defs/b\"}},\"required\":[\"c\"],\"$defs\":{"
        "\"b\":{\"enum\":[1,\"x\",[2.5]]}}}";
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer *t = opened("", "bytes");
    const token_order *order;
    CHECK_EVERY_ALLOCATION(token_order_of(t, &order, &err), { break; });
    CHECK_SOME_ALLOCATIONS(check_k + 1,
                           generate(t, schema, sizeof schema - 1, "{\"a\":[2.5],\"c\":{}}", &err), {});
    CHECK_SOME_ALLOCATIONS(check_k + 1, generate(t, of_several, sizeof of_several - 1, "[\"ca\",12]", &err),
                           {});
    sib_tokenizer_free(&t);
}

/* Schemas that are damaged: an answer soon, and nothing left. */
TEST(damaged_schemas)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/"
        "b\"},\"c\":{\"type\":[\"string\",\"null\"],"
        "\"maxLength\":12,\"pattern\":\"^a(b|[c-e]){2}$|\\\\d\"}},\"required\":[\"c\",\"a\"],"
        "\"additionalProperties\":{\"anyOf\":[{\"$ref\":\"#\"},"
        "{\"enum\":[1,"
        "12,\"x\\\\\"]}]},\"$defs\":{\"b\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"minItems\":1}}}";
    const char *count = getenv("SIBYL_MUTATIONS");
    sib_tokenizer *t = opened("", "bytes");
    const token_order *order; /* stays with the tokenizer */
    sib_error none = SIB_ERROR_INIT;
    CHECK_OK(token_order_of(t, &order, &none), none);
    uint64_t random = 3, before = check_held();
    for (long i = count ? atol(count) : 3000; i > 0; i--) {
        char text[sizeof schema];
        size_t n = sizeof schema - 1;
        memcpy(text, schema, sizeof schema);
        for (int k = 0; k < 3; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(random >> 33) % n, from = (size_t)(random >> 20) % n;
            if (k < 2)
                text[at] = schema[from];
            else if (random >> 63)
                n = at + 1;
        }
        sib_error err = SIB_ERROR_INIT;
        sib_code code = generate(t, text, n, "{\"c\":null,\"a\":[{}]", &err);
        if (code == SIB_ERR_MEMORY || (code != SIB_OK) != (err.message[0] != 0))
            fail_msg("%.*s: %s, '%s'", (int)n, text, sib_code_name(code), err.message);
    }
    assert_int_equal(check_held(), before);
    sib_tokenizer_free(&t);
}
