/* Checkpoints imported as models: names, shapes, element types, errors, and output files that are written
   completely or not at all. */
#include "check_memory.h"
#include "import/read/files.h"

#include <dirent.h>
#include <math.h>
#include <sibyl/import.h>
#include <sys/stat.h>
#include <unistd.h>

/* The smallest possible Whisper. */
enum { MELS = 4, AUDIO = 6, STATE = 64, TEXT = 16, WORDS = 20, LAYERS = 2 };

/* ---- A checkpoint -------------------------------------------------------------------------------------- */

typedef struct made {
    bytes header, data;
    uint64_t noise;
    const char *without, *bent; /* weights to leave out, and to give another shape */
    bool hugging;               /* with Hugging Face's names */
    int64_t audio;              /* places that the encoder has positions for, of AUDIO; 0: all */
    float plant;                /* a value in the middle of decoder.ln.weight, unless 0 */
    size_t n;
} made;

static float draw(made *m)
{
    m->noise = m->noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((double)(m->noise >> 40) / (1 << 23) - 1);
}

static void put(made *m, const char *name, size_t rank, const int64_t *dims, double scale, double offset)
{
    char text[400];
    size_t count = 1, begin = m->data.n;
    bool gone = m->without && !strcmp(m->without, name), bent = m->bent && !strcmp(m->bent, name);
    for (size_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    int64_t rows = m->audio && !strcmp(name, "encoder.positional_embedding") ? m->audio : dims[0];
    size_t kept = count / (size_t)dims[0] * (size_t)rows;
    /* also drawn when left out, so that the other weights do not change */
    for (size_t i = 0; i < count; i++) {
        float x = (float)(draw(m) * scale + offset);
        if (m->plant != 0 && i == count / 2 && !strcmp(name, "decoder.ln.weight"))
            x = m->plant;
        if (!gone && i < kept)
            b_append(&m->data, &x, sizeof x);
    }
    if (gone)
        return;
    snprintf(text, sizeof text, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[", m->n++ ? "," : "{",
             m->hugging ? "model." : "", name);
    f_text(&m->header, text);
    for (size_t i = 0; i < rank; i++) {
        snprintf(text, sizeof text, "%s%lld", i ? "," : "",
                 bent && i == 0 ? (long long)count
                 : bent         ? 1LL
                 : i == 0       ? (long long)rows
                                : (long long)dims[i]);
        f_text(&m->header, text);
    }
    snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", begin, m->data.n);
    f_text(&m->header, text);
}

static void matrix(made *m, const char *where, const char *what, int64_t out, int64_t in, bool bias)
{
    char name[200];
    snprintf(name, sizeof name, "%s%s.weight", where, what);
    put(m, name, 2, (const int64_t[]){out, in}, 1 / sqrt((double)in), 0);
    snprintf(name, sizeof name, "%s%s.bias", where, what);
    if (bias)
        put(m, name, 1, &out, 0.1, 0);
}

static void norm(made *m, const char *where, const char *what)
{
    char name[200];
    const int64_t d = STATE;
    snprintf(name, sizeof name, "%s%s.weight", where, what);
    put(m, name, 1, &d, 0.1, 1);
    snprintf(name, sizeof name, "%s%s.bias", where, what);
    put(m, name, 1, &d, 0.1, 0);
}

static void attention(made *m, const char *where, const char *openai, const char *hugging)
{
    static const char *const parts[][2] = {
        {".query", ".q_proj"}, {".key", ".k_proj"}, {".value", ".v_proj"}, {".out", ".out_proj"}};
    for (int i = 0; i < 4; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s%s", m->hugging ? hugging : openai, parts[i][m->hugging]);
        matrix(m, where, what, STATE, STATE, i != 1);
    }
    norm(m, where,
         m->hugging ? !strcmp(openai, "attn") ? "self_attn_layer_norm" : "encoder_attn_layer_norm"
         : !strcmp(openai, "attn") ? "attn_ln"
                                   : "cross_attn_ln");
}

static void block(made *m, const char *side, int i, bool cross)
{
    char where[80];
    snprintf(where, sizeof where, "%s.%s.%d.", side, m->hugging ? "layers" : "blocks", i);
    attention(m, where, "attn", "self_attn");
    if (cross)
        attention(m, where, "cross_attn", "encoder_attn");
    matrix(m, where, m->hugging ? "fc1" : "mlp.0", 4 * STATE, STATE, true);
    matrix(m, where, m->hugging ? "fc2" : "mlp.2", STATE, 4 * STATE, true);
    norm(m, where, m->hugging ? "final_layer_norm" : "mlp_ln");
}

/* Saves the checkpoint; returns its path. */
static const char *save_whisper(made m, const char *folder, const char *name)
{
    const int64_t d = STATE;
    bool h = m.hugging;
    put(&m, "encoder.conv1.weight", 3, (const int64_t[]){STATE, MELS, 3}, 0.3, 0);
    put(&m, "encoder.conv1.bias", 1, &d, 0.1, 0);
    put(&m, "encoder.conv2.weight", 3, (const int64_t[]){STATE, STATE, 3}, 0.1, 0);
    put(&m, "encoder.conv2.bias", 1, &d, 0.1, 0);
    put(&m, h ? "encoder.embed_positions.weight" : "encoder.positional_embedding", 2,
        (const int64_t[]){AUDIO, STATE}, 0.1, 0);
    for (int i = 0; i < LAYERS; i++)
        block(&m, "encoder", i, false);
    norm(&m, "encoder.", h ? "layer_norm" : "ln_post");
    put(&m, h ? "decoder.embed_tokens.weight" : "decoder.token_embedding.weight", 2,
        (const int64_t[]){WORDS, STATE}, 0.3, 0);
    put(&m, h ? "decoder.embed_positions.weight" : "decoder.positional_embedding", 2,
        (const int64_t[]){TEXT, STATE}, 0.1, 0);
    for (int i = 0; i < LAYERS; i++)
        block(&m, "decoder", i, true);
    norm(&m, "decoder.", h ? "layer_norm" : "ln");
    f_text(&m.header, "}");
    f_u8(&m.header, 0);
    bytes b = file_safetensors((const char *)m.header.data, m.data.data, m.data.n);
    b_free(&m.header);
    b_free(&m.data);
    return file_save(folder, name, b);
}

/* ---- Temporary folders --------------------------------------------------------------------------------- */

static const char *folder(void)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/sibyl-import-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

/* Number of files in it whose names begin so. */
static int count_files(const char *path, const char *begin)
{
    DIR *d = opendir(path);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += !strncmp(e->d_name, begin, strlen(begin));
    closedir(d);
    return n;
}

static void remove_folder(const char *path)
{
    char file[600];
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        unlink(file);
    }
    closedir(d);
    assert_int_equal(rmdir(path), 0);
}

static const char *beside(const char *path, const char *name)
{
    static char out[4][400];
    static int next;
    char *s = out[next++ % 4];
    snprintf(s, sizeof out[0], "%s/%s", path, name);
    return s;
}

/* ---- Running it ---------------------------------------------------------------------------------------- */

static sib_value *of_floats(size_t rank, const int64_t *dims, const float *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, rank, dims, &t, &err), err);
    if (x)
        memcpy(sib_tensor_data(t), x, (size_t)sib_tensor_count(t) * sizeof *x);
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

static sib_value *of_ints(size_t rank, const int64_t *dims, const int64_t *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_create(SIB_I64, rank, dims, &t, &err), err);
    memcpy(sib_tensor_data(t), x, (size_t)sib_tensor_count(t) * sizeof *x);
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

/* A session of a part of the model. */
static sib_session *part(const char *path, size_t n, const char *const *outputs)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL, *p = NULL;
    sib_session *s = NULL;
    CHECK_OK(sib_model_open(path, NULL, &m, &err), err);
    CHECK_OK(sib_model_part(m, outputs, n, &p, &err), err);
    if (sib_model_diagnostic(p, 0))
        fail_msg("%s", sib_model_diagnostic(p, 0));
    CHECK_OK(sib_session_create(p, NULL, &s, &err), err);
    sib_model_free(&p);
    sib_model_free(&m);
    return s;
}

static const char *const encoder_outputs[] = {"audio_k.0", "audio_v.0", "audio_k.1", "audio_v.1"};
static const char *const decoder_outputs[] = {"logits",      "present_k.0", "present_v.0",
                                              "present_k.1", "present_v.1", "cross_weights.1"};
static const char *const past_names[] = {"past_k.0", "past_v.0", "past_k.1", "past_v.1"};
static const char *const cross_names[] = {"cross_k.0", "cross_v.0", "cross_k.1", "cross_v.1"};

/* Decodes 5 tokens after a window of n_audio frames, `step` per run, and gives the logits of all: (5, WORDS). */
static void decode_after(const char *path, int64_t n_audio, int step, float *logits)
{
    static const int64_t tokens[5] = {3, 19, 0, 7, 3};
    sib_error err = SIB_ERROR_INIT;
    sib_session *encoder = part(path, 4, encoder_outputs), *decoder = part(path, 6, decoder_outputs);
    float mel[MELS * 2 * AUDIO];
    sib_value *cross[4], *past[4], *out[6];
    for (int i = 0; i < MELS * 2 * AUDIO; i++)
        mel[i] = sinf((float)i);
    sib_named_value in[10] = {{"mel", of_floats(3, (const int64_t[]){1, MELS, 2 * n_audio}, mel)}};
    CHECK_OK(sib_session_run(encoder, 1, in, 0, NULL, cross, NULL, &err), err);
    sib_value_free((sib_value **)&in[0].value);
    for (int i = 0; i < 4; i++)
        past[i] = of_floats(4, (const int64_t[]){1, 1, 0, STATE}, NULL);
    for (int at = 0; at < 5; at += step) {
        const int64_t all[] = {0, 1, 2, 3, 4};
        sib_value *given[2] = {of_ints(2, (const int64_t[]){1, step}, tokens + at),
                               of_ints(1, (const int64_t[]){step}, all)};
        in[0] = (sib_named_value){"tokens", given[0]};
        in[1] = (sib_named_value){"at", given[1]};
        for (int i = 0; i < 4; i++) {
            in[2 + i] = (sib_named_value){past_names[i], past[i]};
            in[6 + i] = (sib_named_value){cross_names[i], cross[i]};
        }
        CHECK_OK(sib_session_run(decoder, 10, in, 0, NULL, out, NULL, &err), err);
        memcpy(logits + at * WORDS, sib_tensor_data(sib_value_tensor(out[0])),
               (size_t)step * WORDS * sizeof *logits);
        for (int i = 0; i < 4; i++) {
            sib_value_free(&past[i]);
            past[i] = out[1 + i];
        }
        const int64_t *dims = sib_tensor_dims(sib_value_tensor(out[5]));
        assert_int_equal(dims[2], step);
        assert_int_equal(dims[3], n_audio);
        sib_value_free(&out[0]);
        sib_value_free(&out[5]);
        sib_value_free(&given[0]);
        sib_value_free(&given[1]);
    }
    for (int i = 0; i < 4; i++) {
        sib_value_free(&past[i]);
        sib_value_free(&cross[i]);
    }
    sib_session_free(&encoder);
    sib_session_free(&decoder);
}

static void decode(const char *path, int step, float *logits)
{
    decode_after(path, AUDIO, step, logits);
}

static double distance(const float *a, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double x = fabs((double)a[i] - b[i]);
        largest = x > largest || isnan(x) ? x : largest;
    }
    return largest;
}

static void import_to(const char *in, const char *out, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_import(&in, 1, out, &(sib_import_options){.dtype = dtype}, NULL, &err), err);
}

/* ---- Tests --------------------------------------------------------------------------------------------- */

TEST(steps_give_what_all_at_once_gives)
{
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors"), *out = beside(f, "w.onnx");
    float all[5 * WORDS], steps[5 * WORDS];
    import_to(in, out, SIB_F32);
    decode(out, 5, all);
    decode(out, 1, steps);
    assert_true(distance(all, steps, 5 * WORDS) < 1e-5);
    assert_true(distance(all, all + WORDS, WORDS) > 0.01); /* they depend on the tokens */
    remove_folder(f);
}

TEST(matrices_stand_turned)
{
    sib_error err = SIB_ERROR_INIT;
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors"), *out = beside(f, "w.onnx");
    checkpoint *c = NULL;
    sib_model *m = NULL;
    sib_value_info v;
    import_to(in, out, SIB_F32);
    CHECK_OK(checkpoint_open(&in, 1, &c, &err), err);
    CHECK_OK(sib_model_open(out, NULL, &m, &err), err);
    size_t found = 0;
    for (size_t i = 0; sib_graph_value(sib_model_graph(m, 0), i, &v); i++) {
        if (strcmp(v.name, "decoder.blocks.1.mlp.0.weight"))
            continue;
        const weight *w = checkpoint_find(c, v.name);
        const float *ours = sib_tensor_data(v.constant);
        float theirs[4 * STATE * STATE];
        assert_int_equal(v.dims[0], STATE);
        assert_int_equal(v.dims[1], 4 * STATE);
        CHECK_OK(weight_read(w, 0, 4 * STATE * STATE, SIB_F32, theirs, &err), err);
        for (int r = 0; r < STATE; r++)
            for (int k = 0; k < 4 * STATE; k++)
                assert_true(ours[r * 4 * STATE + k] == theirs[k * STATE + r]);
        found++;
    }
    assert_int_equal(found, 1);
    const char *key, *text, *recipe = NULL, *mels = NULL;
    for (size_t i = 0; sib_model_metadata(m, i, &key, &text); i++) {
        recipe = strcmp(key, "sibyl.recipe") ? recipe : text;
        mels = strcmp(key, "n_mels") ? mels : text;
    }
    assert_string_equal(recipe, "whisper");
    assert_string_equal(mels, "4");
    sib_model_free(&m);
    checkpoint_free(&c);
    remove_folder(f);
}

TEST(names_of_hugging_face_are_the_same_model)
{
    const char *f = folder(), *a = beside(f, "a.onnx"), *b = beside(f, "b.onnx");
    float one[5 * WORDS], two[5 * WORDS];
    import_to(save_whisper((made){0}, f, "a.safetensors"), a, SIB_F32);
    import_to(save_whisper((made){.hugging = true}, f, "b.safetensors"), b, SIB_F32);
    decode(a, 5, one);
    decode(b, 5, two);
    assert_memory_equal(one, two, sizeof one);
    remove_folder(f);
}

TEST(narrow_weights_are_near)
{
    static const struct {
        sib_dtype dtype;
        double largest;
        int share; /* the file has about 1 / share of the bytes */
    } rows[] = {{SIB_F16, 0.02, 2}, {SIB_BF16, 0.1, 2}, {SIB_I8, 0.2, 3}};
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors"), *out = beside(f, "w.onnx");
    float exact[5 * WORDS], near[5 * WORDS];
    import_to(in, out, SIB_F32);
    decode(out, 5, exact);
    struct stat whole, small;
    assert_int_equal(stat(beside(f, "w.onnx.data"), &whole), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        import_to(in, out, rows[i].dtype);
        decode(out, 5, near);
        double d = distance(exact, near, 5 * WORDS);
        if (!(d < rows[i].largest) || d == 0)
            fail_msg("%s: %g away", sib_dtype_name(rows[i].dtype), d);
        assert_int_equal(stat(beside(f, "w.onnx.data"), &small), 0);
        assert_true(small.st_size * rows[i].share < whole.st_size * 13 / 10);
    }
    remove_folder(f);
}

/* Windows shorter than the checkpoint's are those of a checkpoint that has positions for no more. */
TEST(windows_can_be_shorter)
{
    sib_error err = SIB_ERROR_INIT;
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors"), *out = beside(f, "w.onnx");
    const char *less = beside(f, "less.onnx");
    float asked[5 * WORDS], all[5 * WORDS], fewer[5 * WORDS];
    import_to(in, out, SIB_F32);
    decode(out, 5, all);
    import_to(save_whisper((made){.audio = 4}, f, "less.safetensors"), less, SIB_F32);
    decode_after(less, 4, 5, fewer);
    CHECK_OK(sib_import(&in, 1, out, &(sib_import_options){.audio_context = 4}, NULL, &err), err);
    decode_after(out, 4, 5, asked);
    assert_memory_equal(asked, fewer, sizeof asked);
    assert_true(distance(asked, all, 5 * WORDS) > 0.001);
    const int64_t refused[] = {-1, AUDIO + 1};
    for (int i = 0; i < 2; i++)
        CHECK_FAILS(sib_import(&in, 1, out, &(sib_import_options){.audio_context = refused[i]}, NULL, &err),
                    SIB_ERR_ARGUMENT, err, "1 to 6");
    remove_folder(f);
}

TEST(earlier_opsets_give_the_same)
{
    sib_error err = SIB_ERROR_INIT;
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors"), *out = beside(f, "w.onnx");
    float now[5 * WORDS], then[5 * WORDS];
    import_to(in, out, SIB_F32);
    decode(out, 5, now);
    for (int opset = 20; opset < 23; opset++) {
        CHECK_OK(sib_import(&in, 1, out, &(sib_import_options){.opset = opset}, NULL, &err), err);
        for (int step = 1; step <= 5; step += 4) {
            decode(out, step, then);
            assert_true(distance(now, then, 5 * WORDS) < 1e-5);
        }
    }
    CHECK_FAILS(sib_import(&in, 1, out, &(sib_import_options){.opset = 19}, NULL, &err), SIB_ERR_ARGUMENT,
                err, "20 to 23");
    remove_folder(f);
}

TEST(all_that_is_wrong_is_listed)
{
    sib_error err = SIB_ERROR_INIT;
    sib_import_report *r = NULL;
    sib_import_problem p;
    sib_import_totals t;
    made m = {.without = "decoder.blocks.1.cross_attn.out.bias", .bent = "encoder.ln_post.bias"};
    put(&m, "lora.weight", 1, (const int64_t[]){3}, 1, 0);
    const char *f = folder(), *in = save_whisper(m, f, "w.safetensors");
    assert_int_equal(sib_import(&in, 1, beside(f, "w.onnx"), NULL, &r, &err), SIB_ERR_FORMAT);
    assert_non_null(strstr(err.message, "1 missing (decoder.blocks.1.cross_attn.out.bias)"));
    assert_non_null(strstr(err.message, "1 unexpected (lora.weight)"));
    sib_import_report_totals(r, &t);
    assert_int_equal(t.n_problems, 2);
    assert_true(sib_import_report_problem(r, 0, &p));
    assert_int_equal(p.fault, SIB_IMPORT_MISSING);
    assert_true(sib_import_report_problem(r, 1, &p));
    assert_int_equal(p.fault, SIB_IMPORT_UNEXPECTED);
    assert_string_equal(p.name, "lora.weight");
    assert_false(sib_import_report_problem(r, 2, &p));
    assert_int_equal(count_files(f, "w.onnx"), 0);
    sib_import_report_free(&r);
    remove_folder(f);
}

TEST(wrong_shapes_are_told_with_both)
{
    sib_error err = SIB_ERROR_INIT;
    const char *f = folder(),
               *in = save_whisper((made){.bent = "decoder.blocks.0.mlp.2.weight"}, f, "w.safetensors");
    CHECK_FAILS(sib_import(&in, 1, beside(f, "w.onnx"), NULL, NULL, &err), SIB_ERR_FORMAT, err,
                "is [16384, 1], expected [64, 256]");
    assert_int_equal(count_files(f, "w.onnx"), 0);
    remove_folder(f);
}

TEST(check_tells_and_refuses)
{
    sib_error err = SIB_ERROR_INIT;
    sib_import_report *r = NULL;
    sib_import_weight w;
    sib_import_options o = {.check = true};
    const char *f = folder(), *good = save_whisper((made){0}, f, "good.safetensors");
    CHECK_OK(sib_import(&good, 1, NULL, &o, &r, &err), err);
    size_t n = 0;
    for (size_t i = 0; sib_import_report_weight(r, i, &w); i++, n++) {
        assert_true(w.used && w.checked);
        if (!strcmp(w.name, "decoder.ln.weight")) {
            assert_int_equal(w.stats.count, STATE);
            assert_true(w.stats.min >= 0.9 && w.stats.max <= 1.1 && fabs(w.stats.mean - 1) < 0.05 &&
                        w.stats.std < 0.1);
        }
    }
    assert_true(n > 70);
    sib_import_report_free(&r);
    static const struct {
        float planted;
        sib_import_fault fault;
    } rows[] = {{NAN, SIB_IMPORT_NAN}, {INFINITY, SIB_IMPORT_INF}};
    for (int i = 0; i < 2; i++) {
        sib_import_problem p;
        const char *bad = save_whisper((made){.plant = rows[i].planted}, f, "bad.safetensors");
        CHECK_FAILS(sib_import(&bad, 1, beside(f, "w.onnx"), &o, &r, &err), SIB_ERR_VALUE, err,
                    "decoder.ln.weight");
        assert_true(sib_import_report_problem(r, 0, &p));
        assert_int_equal(p.fault, rows[i].fault);
        assert_int_equal(count_files(f, "w.onnx"), 0);
        sib_import_report_free(&r);
        import_to(bad, beside(f, "unchecked.onnx"), SIB_F32);
    }
    remove_folder(f);
}

/* A GPT-2 of zeros with a large embedding table, which takes no space on disk. */
static const char *save_sparse(const char *f, int64_t words)
{
    static const struct {
        const char *name;
        int64_t rows, columns; /* 0 columns: a vector */
    } rows[] = {{"wte.weight", 0, STATE},
                {"wpe.weight", TEXT, STATE},
                {"ln_f.weight", STATE, 0},
                {"ln_f.bias", STATE, 0},
                {"h.0.ln_1.weight", STATE, 0},
                {"h.0.ln_1.bias", STATE, 0},
                {"h.0.ln_2.weight", STATE, 0},
                {"h.0.ln_2.bias", STATE, 0},
                {"h.0.attn.c_attn.weight", STATE, 3 * STATE},
                {"h.0.attn.c_attn.bias", 3 * STATE, 0},
                {"h.0.attn.c_proj.weight", STATE, STATE},
                {"h.0.attn.c_proj.bias", STATE, 0},
                {"h.0.mlp.c_fc.weight", STATE, 4 * STATE},
                {"h.0.mlp.c_fc.bias", 4 * STATE, 0},
                {"h.0.mlp.c_proj.weight", 4 * STATE, STATE},
                {"h.0.mlp.c_proj.bias", STATE, 0}};
    bytes header = {0};
    int64_t at = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200], shape[60];
        int64_t n = rows[i].rows ? rows[i].rows : words,
                size = 4 * n * (rows[i].columns ? rows[i].columns : 1);
        snprintf(shape, sizeof shape, rows[i].columns ? "%lld,%lld" : "%lld", (long long)n,
                 (long long)rows[i].columns);
        snprintf(text, sizeof text,
                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%lld,%lld]}", i ? "," : "{",
                 rows[i].name, shape, (long long)at, (long long)(at + size));
        f_text(&header, text);
        at += size;
    }
    f_text(&header, "}");
    f_u8(&header, 0);
    int64_t begins = 8 + (int64_t)strlen((const char *)header.data);
    const char *path =
        file_save(f, "sparse.safetensors", file_safetensors((const char *)header.data, NULL, 0));
    b_free(&header);
    assert_int_equal(truncate(path, begins + at), 0);
    return path;
}

/* In addition to the mapped file, at most 1.2 times the largest weight. */
TEST(memory_is_bounded)
{
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_I8};
    enum { LARGE = 300000 };
    const char *f = folder(), *in = save_sparse(f, LARGE);
    sib_alloc_counters before, after;
    sib_alloc_counters_get(&before);
    for (int i = 0; i < 3; i++) {
        import_to(in, beside(f, "s.onnx"), dtypes[i]);
        sib_alloc_counters_get(&after);
        assert_true(after.bytes_peak - before.bytes_current < (uint64_t)(1.2 * 4 * LARGE * STATE));
    }
    remove_folder(f);
}

/* Sets the flag when half of the work is done. */
static void stop_half_way(void *cancel, double done, const char *what)
{
    assert_true(done >= 0 && done <= 1 && what);
    if (done > 0.5)
        sib_cancel_set(cancel);
}

TEST(what_is_too_large_is_refused_before_it_is_written)
{
    sib_error err = SIB_ERROR_INIT;
    sib_import_report *r = NULL;
    sib_import_totals t;
    sib_import_options o = {.dtype = SIB_F16, .max_bytes = 1};
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors");
    CHECK_FAILS(sib_import(&in, 1, beside(f, "w.onnx"), &o, &r, &err), SIB_ERR_SIZE, err,
                "and 1 are allowed");
    assert_int_equal(count_files(f, "w.onnx"), 0);
    sib_import_report_totals(r, &t);
    sib_import_report_free(&r);
    o.max_bytes = t.bytes_written - 1;
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_FAILS(sib_import(&in, 1, beside(f, "w.onnx"), &o, NULL, &err), SIB_ERR_SIZE, err, "are allowed");
    o.max_bytes = t.bytes_written;
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_OK(sib_import(&in, 1, beside(f, "w.onnx"), &o, NULL, &err), err);
    remove_folder(f);
}

static void goes_forth(void *last, double done, const char *what)
{
    if (!(done >= *(double *)last && done <= 1))
        fail_msg("%s: %g after %g", what, done, *(double *)last);
    *(double *)last = done;
}

TEST(progress_goes_forth_to_its_end)
{
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_I8};
    sib_error err = SIB_ERROR_INIT;
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors");
    for (size_t i = 0; i < 3; i++) {
        double last = 0;
        sib_import_options o = {.dtype = dtypes[i], .on_progress = goes_forth, .context = &last};
        CHECK_OK(sib_import(&in, 1, beside(f, "w.onnx"), &o, NULL, &err), err);
        assert_true(last == 1);
    }
    remove_folder(f);
}

TEST(cancelled_imports_leave_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    sib_cancel *cancel = NULL;
    CHECK_OK(sib_cancel_create(&cancel, &err), err);
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors");
    sib_import_options o = {.on_progress = stop_half_way, .context = cancel, .cancel = cancel};
    CHECK_FAILS(sib_import(&in, 1, beside(f, "w.onnx"), &o, NULL, &err), SIB_ERR_CANCELLED, err, "cancelled");
    assert_int_equal(count_files(f, "w.onnx"), 0);
    sib_cancel_free(&cancel);
    remove_folder(f);
}

TEST(what_is_no_model_is_named)
{
    sib_error err = SIB_ERROR_INIT;
    static const float x[2] = {1, 2};
    const char *f = folder();
    const char *in = file_save(
        f, "x.safetensors",
        file_safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", x, sizeof x));
    CHECK_FAILS(sib_import(&in, 1, beside(f, "x.onnx"), NULL, NULL, &err), SIB_ERR_UNSUPPORTED, err, "(a)");
    CHECK_FAILS(sib_import(&in, 1, beside(f, "x.onnx"), &(sib_import_options){.recipe = "bread"}, NULL, &err),
                SIB_ERR_ARGUMENT, err, "'bread' is not a recipe; the recipes are whisper");
    CHECK_FAILS(
        sib_import(&in, 1, beside(f, "x.onnx"), &(sib_import_options){.recipe = "whisper"}, NULL, &err),
        SIB_ERR_FORMAT, err, "");
    CHECK_FAILS(sib_import(&in, 1, beside(f, "x.onnx"), &(sib_import_options){.dtype = SIB_U4}, NULL, &err),
                SIB_ERR_ARGUMENT, err, "uint4");
    assert_int_equal(count_files(f, "x.onnx"), 0);
    remove_folder(f);
}

TEST(every_failed_allocation_is_clean)
{
    const char *f = folder(), *in = save_whisper((made){0}, f, "w.safetensors"), *out = beside(f, "w.onnx");
    const sib_import_options options = {.dtype = SIB_I8, .check = true};
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + (check_k < 300 ? 1 : 17), sib_import(&in, 1, out, &options, NULL, &err),
                           assert_int_equal(count_files(f, "w.onnx"), err.code == SIB_OK ? 2 : 0));
    remove_folder(f);
}
