/* PyTorch's files: state dicts are read, and anything else is rejected. */
#include "torch_files.h"

static const int64_t two_three[] = {2, 3}, three_one[] = {3, 1}, six_dim[] = {6}, ones[] = {1, 1};

static void check_sample(bytes b)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    sib_tensor *t = NULL;
    CHECK_OK(file_open(b, &c, &err), err);
    assert_string_equal(checkpoint_format_name(c), "pytorch");
    assert_int_equal(checkpoint_weights(c), 3);
    file_check_weight(c, "a", 2, two_three, (const double[]){1, 2, 3, 4, 5, 6});
    file_check_weight(c, "t", 2, (const int64_t[]){3, 2}, (const double[]){1, 4, 2, 5, 3, 6});
    file_check_weight(c, "h", 1, (const int64_t[]){2}, (const double[]){2, -3});
    assert_false(checkpoint_find(c, "a")->strided);
    assert_true(checkpoint_find(c, "t")->strided);
    assert_ptr_equal(checkpoint_find(c, "a")->data, checkpoint_find(c, "t")->data);
    CHECK_OK(weight_view(c, checkpoint_find(c, "a"), &t, &err), err);
    sib_tensor_free(&t);
    CHECK_FAILS(weight_view(c, checkpoint_find(c, "t"), &t, &err), SIB_ERR_UNSUPPORTED, err, "'t'");
    assert_int_equal(checkpoint_int(c, "n", 0), 3);
    assert_string_equal(checkpoint_fact(c, "s")->strings[0].data, "text");
    assert_true(checkpoint_float(c, "d.x", 0) == 0.5);
    assert_null(checkpoint_fact(c, "_metadata"));
    checkpoint_free(&c);
}

TEST(test_sample)
{
    check_sample(torch_archive(torch_sample_pickle(false)));
    check_sample(torch_legacy(torch_sample_pickle(true)));
}

TEST(test_protocol_4)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    CHECK_OK(file_open(torch_archive(torch_sample_pickle_4()), &c, &err), err);
    assert_int_equal(checkpoint_weights(c), 1);
    file_check_weight(c, "a", 1, six_dim, (const double[]){1, 2, 3, 4, 5, 6});
    assert_string_equal(checkpoint_fact(c, "dev")->strings[0].data, "cuda");
    assert_true(checkpoint_fact(c, "size")->list && checkpoint_fact(c, "size")->ints[1] == 5);
    assert_int_equal(checkpoint_int(c, "long", 0), -2);
    assert_null(checkpoint_fact(c, "big"));
    assert_null(checkpoint_fact(c, "none"));
    assert_string_equal(checkpoint_fact(c, "bytes")->strings[0].data, "xy");
    assert_true(checkpoint_fact(c, "flags")->bools[0] && !checkpoint_fact(c, "flags")->bools[1]);
    assert_int_equal(checkpoint_int(c, "mixed.0", 0), 1);
    assert_string_equal(checkpoint_fact(c, "mixed.1")->strings[0].data, "b");
    checkpoint_free(&c);
}

/* Protocol 5 adds opcodes for buffers, which state dicts do not use. */
TEST(test_protocol_5)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    bytes pickle = torch_sample_pickle_4();
    assert_int_equal(pickle.data[1], 4);
    pickle.data[1] = 5;
    CHECK_OK(file_open(torch_archive(pickle), &c, &err), err);
    file_check_weight(c, "a", 1, six_dim, (const double[]){1, 2, 3, 4, 5, 6});
    checkpoint_free(&c);
}

/* The start of a pickle of one object, which the caller appends. */
static bytes begin(void)
{
    bytes b = {0};
    k_begin(&b);
    return b;
}

/* A dict with a state dict under `name`, numbers next to it, and optionally a second one. */
static bytes wrapped(const char *name, const char *second)
{
    bytes b = begin();
    f_text(&b, "}(");
    k_text(&b, "dims");
    f_text(&b, "}(");
    k_text(&b, "n_mels");
    k_int(&b, 80);
    k_text(&b, "list");
    f_text(&b, "](");
    k_int(&b, 1);
    k_float(&b, 2.5);
    f_text(&b, "eu");
    k_text(&b, name);
    f_u8(&b, '}');
    k_text(&b, "w");
    k_tensor(&b, &(torch_tensor){"FloatStorage", "0", 6, 0, 1, six_dim, ones, false});
    f_u8(&b, 's');
    if (second) {
        k_text(&b, second);
        f_u8(&b, '}');
        k_int(&b, 7);
        k_tensor(&b, &(torch_tensor){"FloatStorage", "0", 6, 0, 1, six_dim, ones, false});
        f_u8(&b, 's');
    }
    f_text(&b, "u.");
    return torch_archive(b);
}

TEST(test_wrapped)
{
    static const struct {
        const char *name, *second, *weight, *other;
    } rows[] = {{"model_state_dict", NULL, "w", NULL},
                {"state_dict", NULL, "w", NULL},
                {"model", NULL, "w", NULL},
                {"model", "optimizer", "w", "optimizer.7"},
                {"model", "state_dict", "model.w", "state_dict.7"},
                {"net", NULL, "net.w", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sib_error err = SIB_ERROR_INIT;
        checkpoint *c = NULL;
        CHECK_OK(file_open(wrapped(rows[i].name, rows[i].second), &c, &err), err);
        assert_non_null(checkpoint_find(c, rows[i].weight));
        assert_int_equal(checkpoint_weights(c), rows[i].other ? 2 : 1);
        assert_true(!rows[i].other || checkpoint_find(c, rows[i].other));
        assert_int_equal(checkpoint_int(c, "dims.n_mels", 0), 80);
        assert_true(checkpoint_fact(c, "dims.list")->floats[1] == 2.5 &&
                    checkpoint_fact(c, "dims.list")->floats[0] == 1);
        checkpoint_free(&c);
    }
}

static bytes replaced(bytes b, const char *from, size_t n_from, const char *to)
{
    uint8_t *at = memmem(b.data, b.n, from, n_from);
    assert_non_null(at);
    memcpy(at, to, n_from);
    return b;
}

/* The text consists of opcodes. */
static void pickle_refused(const char *opcodes, size_t n, sib_code code, const char *words)
{
    bytes b = begin();
    b_append(&b, opcodes, n);
    file_refused(torch_archive(b), code, words);
}

#define REFUSED(opcodes, code, words) pickle_refused(opcodes, sizeof(opcodes) - 1, code, words)

/* Programs in pickles: each is rejected, and the error names the function it wants. */
TEST(test_hostile)
{
    REFUSED("cposix\nsystem\n(X\x02\0\0\0lstR.", SIB_ERR_UNSUPPORTED, "'posix.system'");
    REFUSED("cos\nsystem\n.", SIB_ERR_UNSUPPORTED, "'os.system'");
    REFUSED("cbuiltins\neval\n.", SIB_ERR_UNSUPPORTED, "'builtins.eval'");
    REFUSED("c__builtin__\ngetattr\n.", SIB_ERR_UNSUPPORTED, "'__builtin__.getattr'");
    REFUSED("csubprocess\nPopen\n.", SIB_ERR_UNSUPPORTED, "'subprocess.Popen'");
    REFUSED("ctorch.storage\n_load_from_bytes\n.", SIB_ERR_UNSUPPORTED, "'torch.storage._load_from_bytes'");
    REFUSED("cargparse\nNamespace\n)\x81.", SIB_ERR_UNSUPPORTED, "'argparse.Namespace'");
    REFUSED("ctorch\nload\n.", SIB_ERR_UNSUPPORTED, "'torch.load'");
    REFUSED("ctorch._utils\n_rebuild_qtensor\n.", SIB_ERR_UNSUPPORTED, "'torch._utils._rebuild_qtensor'");
    REFUSED("cnumpy.core.multiarray\n_reconstruct\n.", SIB_ERR_UNSUPPORTED,
            "'numpy.core.multiarray._reconstruct'");
    REFUSED("ccollections\nOrderedDict.__init__\n.", SIB_ERR_UNSUPPORTED,
            "'collections.OrderedDict.__init__'");
    REFUSED("\x8C\5posix\x8C\6system\x93.", SIB_ERR_UNSUPPORTED, "'posix.system'");
    REFUSED("(X\x02\0\0\0lsiposix\nsystem\n.", SIB_ERR_UNSUPPORTED, "opcode INST");
    REFUSED("(cposix\nsystem\no.", SIB_ERR_UNSUPPORTED, "'posix.system'");
    REFUSED("(ccollections\nOrderedDict\no.", SIB_ERR_UNSUPPORTED, "opcode OBJ");
    REFUSED("ccollections\nOrderedDict\n)\x81.", SIB_ERR_UNSUPPORTED, "opcode NEWOBJ (0x81)");
    REFUSED("ccollections\nOrderedDict\n)}\x92.", SIB_ERR_UNSUPPORTED, "opcode NEWOBJ_EX");
    REFUSED("\x82\1.", SIB_ERR_UNSUPPORTED, "opcode EXT1");
    REFUSED("Pfoo\n.", SIB_ERR_UNSUPPORTED, "opcode PERSID");
    REFUSED("\x97.", SIB_ERR_UNSUPPORTED, "opcode NEXT_BUFFER");
    REFUSED("\x8F.", SIB_ERR_UNSUPPORTED, "opcode EMPTY_SET");
    REFUSED("}2.", SIB_ERR_UNSUPPORTED, "opcode DUP");
    REFUSED("\xFF.", SIB_ERR_UNSUPPORTED, "opcode without name (0xff)");
    REFUSED("ctorch\nFloatStorage\n)R.", SIB_ERR_UNSUPPORTED, "calls 'torch.FloatStorage'");
    REFUSED("ctorch\nfloat32\n)R.", SIB_ERR_UNSUPPORTED, "calls 'torch.float32'");
    REFUSED("]}b.", SIB_ERR_UNSUPPORTED, "opcode BUILD sets the state of a list");
    REFUSED("ctorch\nFloatStorage\n}b.", SIB_ERR_UNSUPPORTED, "opcode BUILD sets the state of a global");
}

/* Bytes that are not a pickle. */
TEST(test_malformed)
{
    REFUSED("", SIB_ERR_FORMAT, "ends within");
    REFUSED(".", SIB_ERR_FORMAT, "ends with 0 values");
    REFUSED("}}.", SIB_ERR_FORMAT, "ends with 2 values");
    REFUSED("}(.", SIB_ERR_FORMAT, "ends with 1 values");
    REFUSED("u.", SIB_ERR_FORMAT, "a mark that was not set");
    REFUSED("t.", SIB_ERR_FORMAT, "a mark that was not set");
    REFUSED("(u.", SIB_ERR_FORMAT, "adds items to nothing");
    REFUSED("}(Nu.", SIB_ERR_FORMAT, "a key to a dict without its value");
    REFUSED("}(NNe.", SIB_ERR_FORMAT, "adds items to a dict, expected a list");
    REFUSED("](NNu.", SIB_ERR_FORMAT, "adds items to a list, expected a dict");
    REFUSED("](Na.", SIB_ERR_FORMAT, "adds items to nothing");
    REFUSED("a.", SIB_ERR_FORMAT, "the stack has none");
    REFUSED("}N(s.", SIB_ERR_FORMAT, "the stack has none");
    REFUSED("\x87.", SIB_ERR_FORMAT, "a tuple of the pickle pops more");
    REFUSED("R.", SIB_ERR_FORMAT, "more values than the stack has");
    REFUSED("}}R.", SIB_ERR_FORMAT, "calls a dict");
    REFUSED("ccollections\nOrderedDict\n}R.", SIB_ERR_FORMAT, "with a dict");
    REFUSED("ccollections\nOrderedDict\n](Ne\x85R.", SIB_ERR_FORMAT, "not a pair");
    REFUSED("NN\x93.", SIB_ERR_FORMAT, "names a global by None");
    REFUSED("q\0.", SIB_ERR_FORMAT, "the stack has none");
    REFUSED("h\0.", SIB_ERR_FORMAT, "was not stored");
    REFUSED("}r\xFF\xFF\xFF\x7F.", SIB_ERR_FORMAT, "number 2147483647");
    REFUSED("}q\5h\4.", SIB_ERR_FORMAT, "reads memoized value 4");
    REFUSED("X\xFF\xFF\xFF\xFFhm.", SIB_ERR_FORMAT, "4294967295 bytes");
    REFUSED("\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFhm.", SIB_ERR_FORMAT, "18446744073709551615 bytes");
    REFUSED("\x8B\xFF\xFF\xFF\xFF.", SIB_ERR_FORMAT, "4294967295 bytes");
    REFUSED("ccollections", SIB_ERR_FORMAT, "within a name");
    REFUSED("\x80\1}.", SIB_ERR_UNSUPPORTED, "protocol 1");
    REFUSED("\x80\6}.", SIB_ERR_UNSUPPORTED, "protocol 6");
    REFUSED("N.", SIB_ERR_UNSUPPORTED, "holds None");
    REFUSED("](NNe.", SIB_ERR_UNSUPPORTED, "holds a list");
    REFUSED("}(NNu.", SIB_ERR_UNSUPPORTED, "a key under '' is None");
    REFUSED("NQ.", SIB_ERR_FORMAT, "persistent id is None");
    REFUSED("(X\6\0\0\0module\x85Q.", SIB_ERR_UNSUPPORTED, "kind 'module'");
    REFUSED(")Q.", SIB_ERR_FORMAT, "argument 0");
    REFUSED("ctorch\ndevice\nN\x85R.", SIB_ERR_FORMAT,
            "argument 0 of a call in the pickle is None, expected text");
    REFUSED("ctorch\nSize\n)R.", SIB_ERR_FORMAT, "argument 0 of a call in the pickle is missing");
    file_refused(replaced(torch_archive(torch_sample_pickle_4()),
                          "\x8C\7"
                          "float32",
                          9,
                          "\x8C\7"
                          "float33"),
                 SIB_ERR_UNSUPPORTED, "'torch.float33'");
    file_refused(replaced(torch_archive(torch_sample_pickle_4()),
                          "\x8C\7"
                          "float32\x94\x93",
                          11,
                          "\x8C\6"
                          "device\x94\x93\x94"),
                 SIB_ERR_FORMAT, "argument 6");
    file_refused(torch_archive((bytes){0}), SIB_ERR_FORMAT, "expected a pickle of protocol 2 to 5");
    bytes b = {0};
    f_text(&b, "(dp0\n.");
    file_refused(torch_archive(b), SIB_ERR_FORMAT, "expected a pickle of protocol 2 to 5");
}

/* Dicts nested without end, and one that is repeated again and again. */
TEST(test_bounds)
{
    bytes b = begin();
    for (int i = 0; i < 100; i++) {
        f_u8(&b, '}');
        k_text(&b, "x");
    }
    k_int(&b, 1);
    for (int i = 0; i < 100; i++)
        f_u8(&b, 's');
    f_u8(&b, '.');
    file_refused(torch_archive(b), SIB_ERR_FORMAT, "nested more than 32 deep");
    b = begin(); /* a dict in itself */
    f_text(&b, "}q");
    f_u8(&b, 0);
    k_text(&b, "x");
    f_text(&b, "h");
    f_u8(&b, 0);
    f_text(&b, "s.");
    file_refused(torch_archive(b), SIB_ERR_FORMAT, "nested more than 32 deep");
    b = begin(); /* each dict holds the previous one twice: 2^25 numbers */
    k_int(&b, 1);
    for (int i = 0; i < 25; i++) {
        f_u8(&b, 'q');
        f_u8(&b, (unsigned)i);
        f_text(&b, "}(");
        k_text(&b, "a");
        f_u8(&b, 'h');
        f_u8(&b, (unsigned)i);
        k_text(&b, "b");
        f_u8(&b, 'h');
        f_u8(&b, (unsigned)i);
        f_u8(&b, 'u');
    }
    f_u8(&b, '.');
    file_refused(torch_archive(b), SIB_ERR_FORMAT, "ends with 26 values");
    b = begin();
    f_text(&b, "}(");
    for (int i = 0; i < 24; i++) {
        k_text(&b, i ? "d" : "n");
        if (i == 0) {
            k_int(&b, 1);
        } else {
            f_text(&b, "}(");
            k_text(&b, "a");
            f_u8(&b, 'h');
            f_u8(&b, (unsigned)i - 1);
            k_text(&b, "b");
            f_u8(&b, 'h');
            f_u8(&b, (unsigned)i - 1);
            f_u8(&b, 'u');
        }
        f_u8(&b, 'q');
        f_u8(&b, (unsigned)i);
    }
    f_text(&b, "u.");
    file_refused(torch_archive(b), SIB_ERR_FORMAT, "too often");
}

/* A list of N pairs, and a dict made of it repeatedly, in two bytes each: N * N items. */
TEST(test_copies)
{
    enum { N = 20000 };
    sib_alloc_counters counters;
    bytes b = begin();
    k_global(&b, "collections", "OrderedDict");
    b_append(&b, "q\0", 2);
    k_text(&b, "a");
    b_append(&b, "K\1\x86q\1](", 7);
    for (int i = 0; i < N; i++)
        b_append(&b, "h\1", 2);
    b_append(&b, "e\x85q\3(", 5);
    for (int i = 0; i < N; i++)
        b_append(&b, "h\0h\3R", 5);
    f_text(&b, "t.");
    file_refused(torch_archive(b), SIB_ERR_FORMAT, "one list is repeated");
    sib_alloc_counters_get(&counters);
    assert_true(counters.bytes_peak < 64 << 20);
}

TEST(test_large_pickle)
{
    enum { N = (32 << 20) + 5 };
    bytes b = begin();
    char *text = malloc(N);
    assert_non_null(text);
    memset(text, 'x', N - 1);
    text[N - 1] = 0;
    k_text(&b, text);
    f_u8(&b, '.');
    free(text);
    file_refused(torch_archive(b), SIB_ERR_SIZE, "has more than 33554432 bytes");
}

static bytes one_tensor(torch_tensor t)
{
    bytes b = begin();
    f_u8(&b, '}');
    k_text(&b, "w");
    k_tensor(&b, &t);
    f_text(&b, "s.");
    return torch_archive(b);
}

TEST(test_tensors_refused)
{
    const int64_t minus[] = {-1, 3}, huge[] = {INT64_MAX, 2}, wide[] = {INT64_C(1) << 40, 1},
                  zeros[] = {0, 0}, four[] = {4, 1};
    const int64_t many[17] = {1};
    file_refused(one_tensor((torch_tensor){"FloatStorage", "9", 6, 0, 2, two_three, three_one, false}),
                 SIB_ERR_FORMAT, "storage '9' has no entry");
    file_refused(
        one_tensor((torch_tensor){"FloatStorage", "../data.pkl", 6, 0, 2, two_three, three_one, false}),
        SIB_ERR_FORMAT, "no entry");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 7, 0, 2, two_three, three_one, false}),
                 SIB_ERR_FORMAT, "7 elements of float32, but its entry has 24 bytes");
    file_refused(one_tensor((torch_tensor){"DoubleStorage", "0", 6, 0, 2, two_three, three_one, false}),
                 SIB_ERR_FORMAT, "float64");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", -6, 0, 2, two_three, three_one, false}),
                 SIB_ERR_FORMAT, "-6 elements");
    file_refused(
        one_tensor((torch_tensor){"FloatStorage", "0", INT64_MAX, 0, 2, two_three, three_one, false}),
        SIB_ERR_FORMAT, "its entry has 24 bytes");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 1, 2, two_three, three_one, false}),
                 SIB_ERR_FORMAT, "are outside storage '0'");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, -1, 2, two_three, three_one, false}),
                 SIB_ERR_FORMAT, "are outside storage '0'");
    file_refused(
        one_tensor((torch_tensor){"FloatStorage", "0", 6, INT64_MAX, 2, two_three, three_one, false}),
        SIB_ERR_FORMAT, "are outside storage '0'");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 0, 2, two_three, four, false}),
                 SIB_ERR_FORMAT, "are outside storage '0'");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 0, 2, minus, three_one, false}),
                 SIB_ERR_FORMAT, "negative");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 0, 2, two_three, minus, false}),
                 SIB_ERR_FORMAT, "negative");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 0, 2, huge, huge, false}), SIB_ERR_FORMAT,
                 "are outside storage '0'");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 0, 2, wide, zeros, false}),
                 SIB_ERR_UNSUPPORTED, "repeat");
    file_refused(one_tensor((torch_tensor){"FloatStorage", "0", 6, 0, 17, many, many, false}),
                 SIB_ERR_UNSUPPORTED, "at most 16");
    file_refused(one_tensor((torch_tensor){"QInt8Storage", "0", 24, 0, 1, six_dim, ones, false}),
                 SIB_ERR_UNSUPPORTED, "'torch.QInt8Storage'");
    file_refused(one_tensor((torch_tensor){"float32", "0", 6, 0, 1, six_dim, ones, false}), SIB_ERR_FORMAT,
                 "not a storage type");
}

/* A row repeated by a stride of 0, and an empty tensor. */
TEST(test_strides)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    const int64_t repeat[] = {0, 1}, none[] = {0, 5}, odd[] = {7, 9}, one[] = {1, 3}, rows[] = {4, 3};
    CHECK_OK(
        file_open(one_tensor((torch_tensor){"FloatStorage", "0", 6, 3, 2, rows, repeat, false}), &c, &err),
        err);
    file_check_weight(c, "w", 2, rows, (const double[]){4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6});
    checkpoint_free(&c);
    CHECK_OK(file_open(one_tensor((torch_tensor){"FloatStorage", "0", 6, 6, 2, none, odd, false}), &c, &err),
             err);
    file_check_weight(c, "w", 2, none, NULL);
    checkpoint_free(&c);
    CHECK_OK(file_open(one_tensor((torch_tensor){"FloatStorage", "0", 6, 3, 2, one, (const int64_t[]){77, 1},
                                                 false}),
                       &c, &err),
             err); /* the stride of a dim of 1 does not matter */
    assert_false(checkpoint_find(c, "w")->strided);
    file_check_weight(c, "w", 2, one, (const double[]){4, 5, 6});
    checkpoint_free(&c);
}

TEST(test_legacy_refused)
{
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "M\xE9\x03", 3, "M\xEA\x03"),
                 SIB_ERR_UNSUPPORTED, "1002");
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "endian\x88", 7, "endian\x89"),
                 SIB_ERR_UNSUPPORTED, "big-endian");
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "\x06\0\0\0\0\0\0\0\0\0\x80\x3F", 12,
                          "\x07\0\0\0\0\0\0\0\0\0\x80\x3F"),
                 SIB_ERR_FORMAT, "storage '0' has 7 elements, expected 6");
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "X\1\0\0\0001X\1\0\0\0000e", 13,
                          "X\1\0\0\0001X\1\0\0\0001e"),
                 SIB_ERR_FORMAT, "'1' occurs twice");
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "X\1\0\0\0001X\1\0\0\0000e", 13,
                          "X\1\0\0\0001X\1\0\0\0002e"),
                 SIB_ERR_FORMAT, "no tensor names");
    bytes b = torch_legacy(torch_sample_pickle(true));
    f_u8(&b, 0);
    file_refused(b, SIB_ERR_FORMAT, "1 unexpected bytes follow");
    b = torch_legacy(torch_sample_pickle(true));
    b.n--;
    file_refused(b, SIB_ERR_FORMAT, "a storage: expected 24 bytes");
    b = begin();
    f_text(&b, "cposix\nsystem\n.");
    file_refused(torch_legacy(b), SIB_ERR_UNSUPPORTED, "'posix.system'");
    b = begin();
    f_text(&b, "}");
    k_text(&b, "w");
    f_u8(&b, '(');
    k_text(&b, "storage");
    k_global(&b, "torch", "FloatStorage");
    k_text(&b, "0");
    k_text(&b, "cpu");
    k_int(&b, 6);
    b_append(&b, "(NNNttQs.", 9); /* a view of another */
    file_refused(torch_legacy(b), SIB_ERR_UNSUPPORTED, "a view of another");
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "\x80\x02](X", 5, "\x80\x02}(X"),
                 SIB_ERR_FORMAT, "adds items to a dict");
    file_refused(replaced(torch_legacy(torch_sample_pickle(true)), "\x80\x02}(X", 5, "\x80\x02N.X"),
                 SIB_ERR_FORMAT, "the system is None, expected a dict");
    b = begin(); /* the storages that follow are not named */
    f_text(&b, "}.");
    file_refused(torch_legacy(b), SIB_ERR_FORMAT, "no tensor names");
    b = begin();
    f_text(&b, "}");
    k_text(&b, "w");
    k_storage(&b, &(torch_tensor){"FloatStorage", "0", 6, 0, 0, NULL, NULL, true});
    f_text(&b, "s");
    k_text(&b, "v");
    k_storage(&b, &(torch_tensor){"HalfStorage", "0", 6, 0, 0, NULL, NULL, true});
    f_text(&b, "s.");
    file_refused(torch_legacy(b), SIB_ERR_FORMAT, "two types");
}

/* Every truncation of the file is rejected. */
TEST(test_cut)
{
    for (size_t k = 6; k < 8; k++)
        file_check_cut(k, 40, false);
}

TEST(test_memory)
{
    file_check_memory(torch_archive(torch_sample_pickle(false)));
    file_check_memory(torch_legacy(torch_sample_pickle(true)));
    file_check_memory(wrapped("model", "optimizer"));
    file_check_memory(torch_archive(torch_sample_pickle_4()));
}
