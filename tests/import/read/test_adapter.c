/* LoRA adapters: every element is W + scale * (B A) in double, rounded once. */
#include "check_memory.h"
#include "files.h"
#include "folder.h"
#include "import/read/adapter.h"

#include <math.h>

enum { ROWS = 5, COLUMNS = 700, RANK = 3 };

static float number(size_t i)
{
    return (float)sin(0.37 * (double)i) * 1.7f;
}

/* The base: model.q.weight [5, 700], model.o.weight [700, 5], bias [5]; all numbers in one run. */
static checkpoint *base(void)
{
    float data[2 * ROWS * COLUMNS + ROWS];
    checkpoint *c;
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        data[i] = number(i);
    CHECK_OK(
        file_open(
            file_safetensors(
                "{\"model.q.weight\":{\"dtype\":\"F32\",\"shape\":[5,700],\"data_offsets\":[0,14000]},"
                "\"model.o.weight\":{\"dtype\":\"F32\",\"shape\":[700,5],\"data_offsets\":[14000,28000]},"
                "\"model.q.bias\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[28000,28020]}}",
                data, sizeof data),
            &c, &err),
        err);
    return c;
}

static float a_of(size_t k, size_t j)
{
    return number(100 + 7 * k + 3 * j);
}

static float b_of(size_t i, size_t k)
{
    return number(9000 + 5 * i + k);
}

/* An adapter of q with A [3, 700] and B [5, 3], and a bias; `header` may say otherwise. */
static void save_adapter(const char *config, const char *header)
{
    float data[RANK * COLUMNS + ROWS * RANK + ROWS];
    for (size_t i = 0; i < RANK * COLUMNS; i++)
        data[i] = a_of(i / COLUMNS, i % COLUMNS);
    for (size_t i = 0; i < ROWS * RANK; i++)
        data[RANK * COLUMNS + i] = b_of(i / RANK, i % RANK);
    for (size_t i = 0; i < ROWS; i++)
        data[RANK * COLUMNS + ROWS * RANK + i] = (float)i;
    bytes text = {0};
    f_text(&text, config);
    file_save(folder, "adapter_config.json", text);
    file_save(folder, "adapter_model.safetensors", file_safetensors(header, data, sizeof data));
}

#define FRONT "\"base_model.model.model."
#define MATRICES(a, b)                                                                                       \
    "{" FRONT a "\":{\"dtype\":\"F32\",\"shape\":[3,700],\"data_offsets\":[0,8400]}," FRONT b                \
    "\":{\"dtype\":\"F32\",\"shape\":[5,3],\"data_offsets\":[8400,8460]},"
#define BIAS(name) FRONT name "\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[8460,8480]}}"
#define ADAPTER    MATRICES("q.lora_A.weight", "q.lora_B.weight") BIAS("q.bias")

TEST(a_product_is_added)
{
    static const struct {
        const char *config, *header, *weight;
        double scale;
        bool across;
    } cases[] = {
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":12}", ADAPTER, "model.q.weight", 4, false},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":1.5}", ADAPTER, "model.q.weight", 0.5, false},
        {"{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":6,\"use_rslora\":true}", ADAPTER, "model.q.weight",
         3, false},
        {"{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":6,\"rank_pattern\":{\"q\":3},\"alpha_pattern\":{"
         "\"model.q\":9}}",
         ADAPTER, "model.q.weight", 3, false},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"alpha_pattern\":{\"el.q\":9}}", ADAPTER,
         "model.q.weight", 2, false},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"fan_in_fan_out\":true}",
         MATRICES("o.lora_A.weight", "o.lora_B.weight") BIAS("q.bias"), "model.o.weight", 2, true},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6}",
         MATRICES("o.lora_embedding_A", "o.lora_embedding_B") BIAS("q.bias"), "model.o.weight", 2, true}};
    sib_error err = SIB_ERROR_INIT;
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        checkpoint *plain = base(), *c = base();
        float was[ROWS * COLUMNS], got[ROWS * COLUMNS], some[3], bias[ROWS];
        save_adapter(cases[n].config, cases[n].header);
        CHECK_OK(adapter_merge(c, folder, &err), err);
        const weight *w = checkpoint_find(c, cases[n].weight);
        CHECK_OK(weight_read(checkpoint_find(plain, cases[n].weight), 0, ROWS * COLUMNS, SIB_F32, was, &err),
                 err);
        CHECK_OK(weight_read(w, 0, ROWS * COLUMNS, SIB_F32, got, &err), err);
        for (size_t i = 0; i < ROWS * COLUMNS; i++) {
            const size_t width = cases[n].across ? ROWS : COLUMNS, r = i / width, k = i % width;
            double sum = 0;
            for (size_t j = 0; j < RANK; j++)
                sum += cases[n].across ? (double)b_of(k, j) * a_of(j, r) : (double)b_of(r, j) * a_of(j, k);
            assert_true(got[i] == (float)(was[i] + cases[n].scale * sum));
        }
        for (size_t at = 0; at + 3 <= ROWS * COLUMNS; at += 331) { /* pieces across rows */
            CHECK_OK(weight_read(w, at, 3, SIB_F32, some, &err), err);
            assert_memory_equal(some, got + at, sizeof some);
        }
        uint16_t half[2], own[2];
        CHECK_OK(weight_read(w, 698, 2, SIB_F16, half, &err), err);
        CHECK_OK(sib_convert(SIB_F32, got + 698, SIB_F16, own, 2, SIB_OVERFLOW_IEEE, &err), err);
        assert_memory_equal(half, own, sizeof own);
        CHECK_OK(weight_read(checkpoint_find(c, "model.q.bias"), 0, ROWS, SIB_F32, bias, &err), err);
        for (size_t i = 0; i < ROWS; i++)
            assert_true(bias[i] == (float)i);
        checkpoint_free(&plain);
        checkpoint_free(&c);
    }
}

TEST(adapters_that_are_refused)
{
    static const struct {
        const char *config, *header, *words;
        sib_code code;
    } cases[] = {
        {"{}", ADAPTER, "has no peft_type", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"IA3\"}", ADAPTER, "adapters of type 'IA3' are not supported", SIB_ERR_UNSUPPORTED},
        {"{\"peft_type\":\"LORA\",\"use_dora\":true}", ADAPTER, "use_dora", SIB_ERR_UNSUPPORTED},
        {"{\"peft_type\":\"LORA\",\"r\":3}", ADAPTER, "no r and lora_alpha", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":0,\"lora_alpha\":1}", ADAPTER, "no r and lora_alpha", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":1}",
         MATRICES("x.lora_A.weight", "x.lora_B.weight") BIAS("q.bias"),
         "the checkpoint has no weight 'model.x.weight'", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":1}",
         MATRICES("q.lora_A.weight", "x.lora_B.weight") BIAS("q.bias"),
         "the adapter has no weight 'model.q.lora_B.weight'", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":1}",
         MATRICES("o.lora_A.weight", "o.lora_B.weight") BIAS("q.bias"), "do not fit", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":1}",
         MATRICES("q.lora_A.weight", "q.lora_B.weight") BIAS("q.weight"), "another shape", SIB_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":1}",
         MATRICES("q.lora_A.weight", "q.lora_B.weight") BIAS("q.lora_magnitude_vector"), "no weight",
         SIB_ERR_FORMAT}};
    sib_error err = SIB_ERROR_INIT;
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        checkpoint *c = base();
        save_adapter(cases[n].config, cases[n].header);
        CHECK_FAILS(adapter_merge(c, folder, &err), cases[n].code, err, cases[n].words);
        checkpoint_free(&c);
    }
    checkpoint *c = base();
    CHECK_FAILS(adapter_merge(c, "/nowhere", &err), SIB_ERR_IO, err, "/nowhere/adapter_config.json");
    checkpoint_free(&c);
}

TEST_FIXTURE(make_folder, drop_folder)
