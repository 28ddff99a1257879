/* Designs written and read back: their figures are the planner's, and changes in them are detected. */
#include "asked.h"
#include "check_memory.h"
#include "tile/design.h"

#include <sys/stat.h>
#include <unistd.h>

static sib_tile_plan planned(uint32_t batch, uint32_t depth, uint32_t tiles, int kind)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tile_options o = asked(batch, depth, tiles);
    sib_tile_plan p;
    o.bands = kind & 1 ? 128 : 80;
    o.out = kind & 2 ? SIB_TILE_INT16 : SIB_TILE_INT8;
    o.dialect = kind & 4 ? SIB_TILE_DIALECT_2024 : SIB_TILE_DIALECT_2026;
    CHECK_OK(sib_tile_plan_make(&o, 12345, &p, &err), err);
    return p;
}

static byte_buffer written(const sib_tile_plan *p, tile_form form)
{
    byte_buffer text = {0};
    tile_program program;
    tile_program_make(p, &program);
    tile_design_write(&program, p, form, &text);
    assert_int_equal(text.code, SIB_OK);
    return text;
}

/* Both forms, every number of tiles, both depths, every kind of output, batches that divide the frames and others. */
TEST(equal_to_the_plan)
{
    sib_error err = SIB_ERROR_INIT;
    size_t checked = 0;
    for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles++)
        for (uint32_t depth = 1; depth <= 2; depth++)
            for (int kind = 0; kind < 4; kind++)
                for (uint32_t batch = 1; batch < 500; batch = batch * 2 + 1) {
                    const sib_tile_plan p = planned(batch, depth, tiles, kind | (batch & 2 ? 4 : 0));
                    byte_buffer text = written(&p, TILE_PRETTY);
                    tile_design d;
                    CHECK_OK(sib_tile_check(text.data, &p, &err), err);
                    CHECK_OK(tile_design_read(text.data, &d, &err), err);
                    assert_int_equal(d.dialect, p.options.dialect);
                    buf_free(&text);
                    checked++;
                }
    assert_int_equal(checked, 16 * 2 * 4 * 8);
}

/* Replaces the n-th occurrence. */
static char *changed(const char *text, const char *from, const char *to, int n)
{
    const char *at = strstr(text, from);
    for (; at && n; n--)
        at = strstr(at + 1, from);
    assert_non_null(at);
    char *out = malloc(strlen(text) + strlen(to) + 1);
    assert_non_null(out);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

typedef struct change {
    uint32_t tiles;
    const char *from, *to, *words;
    int n;
} change;

static void check_change(const change *c, int kind)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_tile_plan p = planned(c->tiles == 1 ? 5 : 9, 2, c->tiles, kind);
    byte_buffer text = written(&p, TILE_PRETTY);
    char *other = changed(text.data, c->from, c->to, c->n);
    const sib_code code = sib_tile_check(other, &p, &err);
    if ((code != SIB_ERR_FORMAT && code != SIB_ERR_VALUE) || !strstr(err.message, c->words))
        fail_msg("'%s' to '%s': %s", c->from, c->to, err.message);
    free(other);
    buf_free(&text);
}

TEST(what_is_changed_is_seen)
{
    static const change changes[] = {
        {1, "%rows = arith.constant 5", "%rows = arith.constant 4", "another number of frames", 0},
        {1, "[1, 1, 5, 400]", "[1, 1, 4, 400]", "number of bytes that differs", 0},
        {1, "[1, 1, 5, 80]", "[1, 1, 6, 80]", "number of bytes that differs", 0},
        {1, "[0, 0, 160, 1]", "[0, 0, 1600, 1]", "is outside its array", 0},
        {1, "[0, 0, 160, 1]", "[0, 0, 159, 1]", "exceeds what a shim's DMA can do", 0},
        {1, "memref<5x400xi16>>", "memref<6x400xi16>>", "another number of", 0},
        {1, "stack_size = ", "stack_size = 1", "bytes of the stack", 0},
        {1, "2 : i32) : !aie", "1 : i32) : !aie", "bytes of the input FIFO", 0},
        {1, "aie.tile(0, 2)", "aie.tile(0, 3)", "not a tile of the device", 0},
        {1, "{%tile_0_2}", "{%tile_1_2}", "does not exist", 0},
        {1, "(%pcm, %features, %row) :", "(%pcm, %features, %c0) :", "calls the kernel with other arguments",
         0},
        {1, "aie.objectfifo.release @in_0_2(Consume, 1)", "aie.objectfifo.release @in_0_2(Produce, 1)",
         "does not end here", 0},
        {1, "        aie.objectfifo.release @in_0_2(Consume, 1)\n", "", "release both", 0},
        {1, "      aiex.npu.dma_wait {symbol = @out_0_2}\n", "", "not every output", 0},
        {1, "symbol = @out_0_2", "symbol = @in_0_2", "is not an output", 0},
        {1, "metadata = @in_0_2", "metadata = @out_0_2", "does not end at a shim", 0},
        {1, "aie.end", "aie.flow", "is not a statement", 0},
        {1, "aie.device(npu1)", "aie.device(npu2)", "is not a statement", 0},
        {9, "[0, 400, 800]", "[0, 400, 400]", "not consecutive", 0},
        {9, "[0, 400, 800]", "[0, 400]", "another number of offsets", 0},
        {9, "[@in_0_2, @in_0_3, @in_0_4]", "[@in_0_2, @in_0_3]", "another number of offsets", 0},
        {9, "memref<1x400xi16>>", "memref<2x400xi16>>", "", 1},
        {9, "%rows = arith.constant 1", "%rows = arith.constant 2", "another number of frames", 3},
        {9, "[0, 0, 0, 480]", "[0, 0, 0, 9999]", "is outside its array", 0},
        {1, "{stack_size", "{link_with = \"sibyl_tile.o\", stack_size", "another form", 0},
        {1, " attributes {link_with = \"sibyl_tile.o\"}", "", "another form", 0},
        {1, "{link_with = \"sibyl_tile.o\"}", "{link_with = \"other.o\"}", "not the kernel's function", 0},
        {1, "aie.runtime_sequence", "aiex.runtime_sequence", "another form", 0},
        {1, "%pcm = aie.objectfifo.acquire", "%pcm_view = aie.objectfifo.acquire", "another form", 0},
        {1, "(Consume, 1) : memref<5x400xi16>", "(Consume, 1) : memref<5x400xi8>", "another type", 0},
        {1, "frame(memref<5x400xi16>", "frame(memref<4x400xi16>", "another type", 0},
        {1, "%row) : (memref<5x400xi16>", "%row) : (memref<4x400xi16>", "other types", 0},
        {1, "(Produce, 1) : memref<5x80xi8>", "(Produce, 1)", "another type", 0},
        {1, "        }\n", "", "", 0},
        {1, "  }\n}", "}", "inside a region", 0},
    };
    static const change of_2024[] = {
        {1, "} {link_with = \"sibyl_tile.o\", ", "} {", "another form", 0},
        {1, "%pcm_view[0] : !aie.objectfifosubview<memref<5x",
         "%pcm_view[0] : !aie.objectfifosubview<memref<6x", "another type", 0},
        {1, "aiex.runtime_sequence", "aie.runtime_sequence", "another form", 0},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        check_change(&changes[i], 0);
    for (size_t i = 0; i < sizeof of_2024 / sizeof *of_2024; i++)
        check_change(&of_2024[i], 4);
}

/* A plan other than the one that was written. */
TEST(another_plan)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_tile_plan p = planned(30, 2, 5, 0);
    byte_buffer text = written(&p, TILE_PRETTY);
    const struct {
        uint32_t batch, depth, tiles;
        int kind;
        const char *words;
    } others[] = {{31, 2, 5, 0, "frames of an element"},
                  {30, 1, 5, 0, "FIFO"},
                  {30, 2, 6, 0, "tiles"},
                  {30, 2, 5, 1, "output FIFO"},
                  {30, 2, 5, 2, "output FIFO"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const sib_tile_plan q = planned(others[i].batch, others[i].depth, others[i].tiles, others[i].kind);
        CHECK_FAILS(sib_tile_check(text.data, &q, &err), SIB_ERR_VALUE, err, others[i].words);
    }
    buf_free(&text);
}

/* Texts truncated or with a byte changed: an error or the same figures, nothing else. */
TEST(random_changes)
{
    check_random r = {99};
    const sib_tile_plan p = planned(22, 2, 11, 0), q = planned(22, 2, 11, 4);
    byte_buffer forms[] = {written(&p, TILE_PRETTY), written(&q, TILE_PRETTY)};
    char *copy = malloc(forms[0].n + forms[1].n + 1);
    assert_non_null(copy);
    for (int turn = 0; turn < 3000; turn++) {
        const byte_buffer text = forms[turn % 2];
        sib_error err = SIB_ERROR_INIT;
        memcpy(copy, text.data, text.n + 1);
        for (uint64_t i = check_u64(&r) % 3 + 1; i > 0; i--)
            copy[check_u64(&r) % text.n] = (char)(check_u64(&r) % 96 + 32);
        if (turn % 7 == 0)
            copy[check_u64(&r) % text.n] = '\0';
        const sib_code code = sib_tile_check(copy, &p, &err);
        assert_true(code == SIB_OK || code == SIB_ERR_FORMAT || code == SIB_ERR_VALUE);
        assert_true(code == err.code);
    }
    free(copy);
    buf_free(&forms[0]);
    buf_free(&forms[1]);
}

TEST(whole_or_not_at_all)
{
    char folder[] = "/tmp/sibyl-tile-XXXXXX", inside[64];
    assert_non_null(mkdtemp(folder));
    snprintf(inside, sizeof inside, "%s/design", folder);
    const sib_tile_plan p = planned(9, 2, 9, 0);
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_tile_emit(&p, inside, &err),
                           assert_true(err.code == SIB_OK ? check_k > 9 : access(inside, F_OK) != 0));
    const sib_tile_plan large = planned(100, 2, 1, 0);
    CHECK_FAILS(sib_tile_emit(&large, inside, &err), SIB_ERR_SIZE, err, "the plan needs");
    snprintf(inside, sizeof inside, "rm -r %s", folder);
    assert_int_equal(system(inside), 0);
    snprintf(inside, sizeof inside, "%s/none/design", folder);
    CHECK_FAILS(sib_tile_emit(&p, inside, &err), SIB_ERR_IO, err, "none/design");
}
