/* The classes of tokenizers over SentencePiece, and the ids that they give its pieces. */
#include "import/sentencepiece_parts.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"
#include "import/read/beside.h"

#define LLAMA_TYPES "llama mistral mixtral phi3 code_llama internlm2 yi"

static const piece_rule rules[] = {
    {.name = "LlamaTokenizer",
     .types = LLAMA_TYPES,
     .before = {{"bos", "<s>"}},
     .after = {{"eos", "</s>"}},
     .optional = true,
     .prefix_first = true},
    {.name = "CodeLlamaTokenizer",
     .types = "",
     .before = {{"bos", "<s>"}},
     .after = {{"eos", "</s>"}},
     .optional = true,
     .prefix_first = true},
    {.name = "GemmaTokenizer",
     .types = "gemma gemma2 gemma3_text gemma3",
     .before = {{"bos", "<bos>"}},
     .after = {{"eos", "<eos>"}},
     .optional = true},
    {.name = "T5Tokenizer", .types = "t5 mt5 umt5", .after = {{"eos", "</s>"}}},
    {.name = "AlbertTokenizer",
     .types = "albert",
     .before = {{"cls", "[CLS]"}},
     .after = {{"sep", "[SEP]"}},
     .mask = "[MASK]"},
    {.name = "DebertaV2Tokenizer",
     .types = "deberta-v2",
     .before = {{"cls", "[CLS]"}},
     .after = {{"sep", "[SEP]"}},
     .mask = "[MASK]"},
    {.name = "XLMRobertaTokenizer",
     .types = "xlm-roberta xlm-roberta-xl",
     .ids = IDS_OF_FAIRSEQ,
     .before = {{"bos", "<s>"}},
     .after = {{"eos", "</s>"}},
     .mask = "<mask>"},
    {.name = "NllbTokenizer",
     .types = "",
     .ids = IDS_OF_FAIRSEQ,
     .before = {{"lang", NULL}},
     .after = {{"eos", "</s>"}},
     .mask = "<mask>",
     .language = "eng_Latn"},
    {.name = "MBartTokenizer",
     .types = "mbart",
     .ids = IDS_OF_FAIRSEQ,
     .after = {{"eos", "</s>"}, {"lang", NULL}},
     .mask = "<mask>",
     .language = "en_XX"},
    {.name = "MBart50Tokenizer",
     .types = "",
     .ids = IDS_OF_FAIRSEQ,
     .before = {{"lang", NULL}},
     .after = {{"eos", "</s>"}},
     .mask = "<mask>",
     .language = "en_XX"},
    {.name = "M2M100Tokenizer",
     .types = "m2m_100",
     .ids = IDS_OF_VOCAB,
     .before = {{"lang", NULL}},
     .after = {{"eos", "</s>"}},
     .language = "en",
     .wrapped = true},
    {.name = "SpeechT5Tokenizer", .types = "speecht5", .after = {{"eos", "</s>"}}},
    {.name = "MarianTokenizer", .types = "marian", .ids = IDS_OF_VOCAB, .after = {{"eos", "</s>"}}}};
#define N_RULES (sizeof rules / sizeof *rules)

sib_code pieces_read_beside(pieces_document *d, const char *name, json_t **out)
{
    char *path;
    sib_code code = beside_path(d->b->c, name, &path, d->err);
    if (path)
        code = beside_json(path, out, d->err);
    mem_free(path);
    return code;
}

/* ---- The class ------------------------------------------------------------------------------------------ */

/* Whether a word is among words with a space between them. */
static bool among(const char *words, sib_str word)
{
    for (size_t n; *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        if (str_same((sib_str){words, n}, word))
            return true;
    }
    return false;
}

static sib_code unknown_class(pieces_document *d, sib_str name)
{
    byte_buffer known = {0};
    for (size_t i = 0; i < N_RULES; i++)
        buf_printf(&known, d->err, "%s%s", i ? ", " : "", rules[i].name);
    sib_code code =
        known.code == SIB_OK
            ? err_set(
                  d->err, SIB_ERR_UNSUPPORTED,
                  "%.120s: its use by '%.*s' (tokenizer_class of tokenizer_config.json, or model_type) is "
                  "not known, but by %s; have transformers write tokenizer.json",
                  d->path, (int)(name.length < 64 ? name.length : 64), name.data, known.data)
            : known.code;
    buf_free(&known);
    return code;
}

sib_code pieces_find_rule(pieces_document *d)
{
    static const char fast[] = "Fast";
    const char *name = json_string_value(json_object_get(d->config, "tokenizer_class"));
    sib_str word = name ? str_of(name) : build_fact_text(d->b, "model_type", "");
    if (name && word.length > sizeof fast - 1 && !strcmp(name + word.length - (sizeof fast - 1), fast))
        word.length -= sizeof fast - 1;
    for (size_t i = 0; i < N_RULES && !d->rule; i++)
        if (name ? str_is(word, rules[i].name) : among(rules[i].types, word))
            d->rule = &rules[i];
    return d->rule ? SIB_OK : unknown_class(d, word);
}

/* ---- Ids ------------------------------------------------------------------------------------------------ */

/* The index of a piece, also of the unknown one, which no text becomes by its name; -1. */
static int64_t piece_of(const pieces_document *d, const char *name)
{
    sib_tokenizer_info info;
    sib_tokenizer_get_info(d->file, &info);
    for (size_t i = 0, size; i < info.n_vocab; i++) {
        const char *bytes;
        bool special;
        if (sib_tokenizer_token(d->file, (int32_t)i, &bytes, &size, &special) && size == strlen(name) &&
            !memcmp(bytes, name, size))
            return (int64_t)i;
    }
    return -1;
}

/* The id of a name: an added token, or one of the vocabulary; -1. */
int64_t pieces_id(const pieces_document *d, const char *name)
{
    for (size_t i = 0; i < json_array_size(d->added); i++) {
        const json_t *a = json_array_get(d->added, i);
        if (!strcmp(json_string_value(json_object_get(a, "content")), name))
            return json_integer_value(json_object_get(a, "id"));
    }
    if (!d->vocab)
        return piece_of(d, name);
    const json_t *id = json_object_get(d->vocab, name);
    return id ? json_integer_value(id) : -1;
}

sib_code pieces_no_memory(pieces_document *d)
{
    return err_memory(d->err, 64, "a tokenizer");
}

static sib_code make_fairseq(pieces_document *d, size_t n)
{
    static const char *const lead[] = {"<s>", "<pad>", "</s>", "<unk>"};
    const size_t n_lead = sizeof lead / sizeof *lead, skipped = 3;
    bool done = (d->vocab = json_object()) != NULL;
    for (size_t i = 0; i < n_lead && done; i++)
        done = !json_object_set_new(d->vocab, lead[i], json_integer((json_int_t)i));
    for (size_t i = skipped; i < n && done; i++) {
        const char *bytes;
        size_t size;
        bool special;
        if (!sib_tokenizer_token(d->file, (int32_t)i, &bytes, &size, &special))
            continue;
        json_t *id = json_integer((json_int_t)(i + n_lead - skipped));
        done = !json_object_setn_new(d->vocab, bytes, size, id);
    }
    return done ? SIB_OK : pieces_no_memory(d);
}

static sib_code read_vocab(pieces_document *d)
{
    const char *name;
    json_t *id;
    sib_code code = pieces_read_beside(d, "vocab.json", &d->vocab);
    if (code == SIB_OK && !json_is_object(d->vocab))
        return err_set(d->err, SIB_ERR_IO, "%s: vocab.json is missing beside it, or is not an object",
                       d->path);
    json_object_foreach(d->vocab, name, id) if (!json_is_integer(id)) return err_set(
        d->err, SIB_ERR_FORMAT, "%s: '%.64s' in vocab.json beside it has an id that is not an integer",
        d->path, name);
    return code;
}

sib_code pieces_make_ids(pieces_document *d)
{
    sib_tokenizer_info info;
    sib_tokenizer_get_info(d->file, &info);
    sib_code code = d->rule->ids == IDS_OF_FAIRSEQ ? make_fairseq(d, info.n_vocab)
                    : d->rule->ids == IDS_OF_VOCAB ? read_vocab(d)
                                                   : SIB_OK;
    d->next = (int64_t)(d->vocab ? json_object_size(d->vocab) : info.n_vocab);
    return code;
}
