#include "torch_files.h"

void file_ggml_tensor(bytes *b, const char *name, uint32_t type, size_t rank, const int64_t *dims,
                      const void *data, size_t n)
{
    f_u32(b, (uint32_t)rank);
    f_u32(b, (uint32_t)strlen(name));
    f_u32(b, type);
    for (size_t i = rank; i-- > 0;)
        f_u32(b, (uint32_t)dims[i]);
    f_text(b, name);
    b_append(b, data, n);
}

bytes file_whisper(int32_t ftype)
{
    static const uint32_t numbers[] = {0x67676d6c, 51865, 1500, 384, 6, 4, 448, 384, 6, 4, 80};
    static const float filters[] = {0, 0.5f, 0.25f, 1, 2, 3};
    static const char *const words[] = {"a", "", "\xff\x01 b"};
    bytes b = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        f_u32(&b, numbers[i]);
    f_u32(&b, (uint32_t)ftype);
    f_u32(&b, 2);
    f_u32(&b, 3);
    b_append(&b, filters, sizeof filters);
    f_u32(&b, 3);
    for (size_t i = 0; i < 3; i++) {
        f_u32(&b, (uint32_t)strlen(words[i]));
        f_text(&b, words[i]);
    }
    return b;
}

bytes file_rwkv(int32_t version)
{
    static const uint32_t numbers[] = {256, 64, 12, 1};
    bytes b = {0};
    f_u32(&b, 0x67676d66);
    f_u32(&b, (uint32_t)version);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        f_u32(&b, numbers[i]);
    return b;
}

bytes file_gguf(uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
    bytes b = {0};
    f_text(&b, "GGUF");
    f_u32(&b, version);
    f_u64(&b, n_tensors);
    f_u64(&b, n_keys);
    return b;
}

void file_gguf_text(bytes *b, const char *text)
{
    f_u64(b, strlen(text));
    f_text(b, text);
}

void file_gguf_key(bytes *b, const char *key, uint32_t type)
{
    file_gguf_text(b, key);
    f_u32(b, type);
}

void file_gguf_array(bytes *b, const char *key, uint32_t type, uint64_t n)
{
    file_gguf_key(b, key, 9);
    f_u32(b, type);
    f_u64(b, n);
}

void file_gguf_tensor(bytes *b, const char *name, uint32_t type, size_t rank, const int64_t *dims,
                      uint64_t offset)
{
    file_gguf_text(b, name);
    f_u32(b, (uint32_t)rank);
    for (size_t i = rank; i-- > 0;)
        f_u64(b, (uint64_t)dims[i]);
    f_u32(b, type);
    f_u64(b, offset);
}

void file_pad(bytes *b, size_t alignment)
{
    f_zeros(b, (alignment - b->n % alignment) % alignment);
}

/* ---- One of each format -------------------------------------------------------------------------- */

static const float six[] = {1, -2, 3.5f, 4, 5, 6};

static bytes sample_json(void)
{
    bytes b = {0};
    f_text(&b,
           "{\"a\": [1, 2.5, 3], \"b\": {\"c\": [[1, 2], [3]], \"d\": \"x\"}, \"e\": [true], \"f\": null, "
           "\"g\": [\"p\", \"q\"]}");
    return b;
}

static bytes sample_safetensors(void)
{
    return file_safetensors("{\"__metadata__\":{\"format\":\"pt\"},"
                            "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                            "\"a.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[16,20]},"
                            "\"n\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[20,21]}}",
                            six, 21);
}

static bytes sample_whisper(void)
{
    bytes b = file_whisper(2008);
    uint8_t blocks[22 * 2] = {0, 0x3C, 1, 2, 3, 4, 5};
    file_ggml_tensor(&b, "encoder.conv1.bias", 0, 2, (const int64_t[]){6, 1}, six, 24);
    file_ggml_tensor(&b, "decoder.x", 1, 3, (const int64_t[]){2, 1, 3}, six, 12);
    file_ggml_tensor(&b, "decoder.q", 6, 2, (const int64_t[]){2, 32}, blocks, sizeof blocks);
    return b;
}

static bytes sample_rwkv(void)
{
    bytes b = file_rwkv(101);
    uint8_t blocks[34] = {0, 0x3C, 1, 2, 3, 4, 5};
    file_ggml_tensor(&b, "emb.weight", 0, 2, (const int64_t[]){3, 2}, six, 24);
    file_ggml_tensor(&b, "blocks.0.x", 9, 1, (const int64_t[]){32}, blocks, sizeof blocks);
    return b;
}

static bytes sample_gguf(uint32_t version)
{
    bytes b = file_gguf(version, 3, 5);
    uint8_t block[210] = {1, 2, 3, 4};
    file_gguf_key(&b, "general.architecture", 8);
    file_gguf_text(&b, "llama");
    file_gguf_key(&b, "general.alignment", 4);
    f_u32(&b, 64);
    file_gguf_array(&b, "tokenizer.ggml.tokens", 8, 3);
    file_gguf_text(&b, "a");
    file_gguf_text(&b, "");
    file_gguf_text(&b, "bc");
    file_gguf_array(&b, "tokenizer.ggml.scores", 6, 2);
    b_append(&b, six, 8);
    file_gguf_key(&b, "flag", 7);
    f_u8(&b, 1);
    file_gguf_tensor(&b, "token_embd.weight", 0, 2, (const int64_t[]){2, 3}, 0);
    file_gguf_tensor(&b, "q", 14, 1, (const int64_t[]){256}, 64);
    file_gguf_tensor(&b, "s", 30, 0, NULL, 320);
    file_pad(&b, 64);
    b_append(&b, six, sizeof six);
    file_pad(&b, 64);
    b_append(&b, block, sizeof block);
    file_pad(&b, 64);
    f_u16(&b, 0x3F80);
    return b;
}

bytes file_sample(size_t n, const char **name)
{
    static const char *const names[] = {"json",   "safetensors", "whisper.cpp", "rwkv.cpp",
                                        "gguf 2", "gguf 3",      "pytorch",     "pytorch, legacy"};
    *name = n < sizeof names / sizeof *names ? names[n] : NULL;
    switch (n) {
    case 0:
        return sample_json();
    case 1:
        return sample_safetensors();
    case 2:
        return sample_whisper();
    case 3:
        return sample_rwkv();
    case 4:
    case 5:
        return sample_gguf((uint32_t)n - 2);
    case 6:
        return torch_archive(torch_sample_pickle(false));
    case 7:
        return torch_legacy(torch_sample_pickle(true));
    default:
        return (bytes){0};
    }
}

void file_check_cut(size_t k, size_t begin, bool may_end)
{
    const char *name;
    bytes whole = file_sample(k, &name);
    for (size_t n = begin; n < whole.n; n++) {
        sib_error err = SIB_ERROR_INIT;
        checkpoint *c = NULL;
        bytes b = {0};
        b_append(&b, whole.data, n);
        sib_code code = file_open(b, &c, &err);
        assert_true((may_end && code == SIB_OK) || (code == SIB_ERR_FORMAT && err.message[0]));
        checkpoint_free(&c);
    }
    b_free(&whole);
}
