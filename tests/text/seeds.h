/* The smallest possible tokenizers, one of each kind; tests check them by hand and mutate them. */
#ifndef TESTS_TEXT_SEEDS_H
#define TESTS_TEXT_SEEDS_H

#define BYTE_LEVEL                                                                                           \
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":"           \
    "\"ByteLevel\"},"

static const char byte_bpe[] =
    "{" BYTE_LEVEL "\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true},"
    "{\"id\":10,\"content\":\"tab\",\"special\":false,\"normalized\":false,\"single_word\":true,\"rstrip\":"
    "true}],"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},"
    "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[9]}}},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\xC4\xA0\":2,\"\xC4\xA0"
    "a\":3,\"ab\":4,\"\xC3\xA9\":5,\"t\":6,\"aba\":7,\"\xC4\x80\":8},\"merges\":[\"\xC4\xA0 "
    "a\",[\"a\",\"b\"],\"ab a\"]}}";

static const char llama[] =
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},"
    "\"content\":\" \"},"
    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" "
    "\",\"start\":1,\"stop\":0}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<u>\",\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{"
    "\"<u>\":0,"
    "\"<0xC3>\":1,\"<0xA9>\":2,\"_\":3,\"h\":4,\"_h\":5,\"i\":6},\"merges\":[\"_ h\"]}}";

static const char unigram_model[] =
    "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\"},"
    "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\"},"
    "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"_\",-3],[\"a\",-2],[\"b\",-2.5]"
    ",[\"ab\",-4],"
    "[\"_ab\",-5],[\"ba\",-4.5]]}}";

static const char bert[] =
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"decoder\":{\"type\":\"WordPiece\"},\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[C]\",1]"
    ",\"sep\":[\"[S]\",2]},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[U]\",\"max_input_chars_per_word\":6,\"vocab\":{\"[U]"
    "\":0,\"[C]\":1,\"[S]\":2,"
    "\"un\":3,\"##able\":4,\"##a\":5,\"!\":6,\"\xE4\xB8\xAD\":7,\"cafe\":8}}}";

#define MARK "\xE2\x96\x81"

static const char scored[] =
    "{\"kind\": \"pieces\", \"model\": \"bpe\","
    "\"pieces\":[\"<unk>\",\"<s>\",\"<0xC3>\",\"<0xA9>\",\"" MARK "\",\"a\",\"b\",\"ab\",\"" MARK
    "a\",\"ba\",\"<u>\",\"" MARK "ab\"],"
    "\"scores\":[0,0,0,0,-9,-8,-7,-2,-3,-2,0,-4],\"types\":[2,3,6,6,1,1,1,1,1,1,4,1]}";

static const char trimmed[] = "{\"kind\":\"pieces\",\"model\":\"unigram\",\"remove_extra_whitespaces\":true,"
                              "\"pieces\":[\"<unk>\",\"" MARK "\",\"a\",\"b\",\"" MARK "ab\",\"ab\"],"
                              "\"scores\":[0,-1,-2,-2,-4.5,-4.5],\"types\":[2,1,1,1,1,1]}";

static const char merged[] =
    "{\"kind\":\"pieces\",\"model\":\"gpt2\",\"pre\":\"qwen2\",\"pieces\":[\"a\",\"b\",\"\xC4\xA0\",\"ab\","
    "\"\xC4\xA0"
    "ab\",\"<|e|>\",\"1\",\"11\"],\"types\":[1,1,1,1,1,3,1,1],\"merges\":[\"a b\",\"\xC4\xA0 ab\",\"1 1\"]}";

static const char world[] = "1 'a' 1\n2 'b' 1\n3 \"ab'\" 3\n5 b'\\xff\\xfe' 2\n6 '\\n' 1\n7 '\xC3\xA9' 2\n8 "
                            "'\\u4e2d' 3\n9 '\\\\' 1\n10 'ab' 2\n";

static const char stepped[] =
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Lowercase\"},{"
    "\"type\":\"Strip\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"ab\"},{\"type\":\"StripAccents\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"(?=b)|,\"},"
    "\"behavior\":\"MergedWithNext\",\"invert\":false},{\"type\":\"Digits\",\"individual_digits\":true},"
    "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},{\"type\":\"Metaspace\",\"replacement\":\"_\","
    "\"prepend_scheme\":\"first\"}]},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Metaspace\","
    "\"replacement\":\"_\"},"
    "{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\"a\",\"start\":1,\"stop\":1}]},"
    "\"added_tokens\":[{\"id\":5,\"content\":\"Ab\",\"lstrip\":true,\"rstrip\":true,\"normalized\":true}],"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"continuing_subword_prefix\":\"#\",\"end_of_word_"
    "suffix\":\"/\",\"vocab\":{\"?\":0,\"a\":1,"
    "\"#b\":2,\"#b/\":3,\"ab/\":4},\"merges\":[\"a #b/\"]}}";

#endif
