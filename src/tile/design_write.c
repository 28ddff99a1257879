/* Writes a program as MLIR-AIE, each statement in both forms. */
#include "tile/design.h"

#include <stdarg.h>
#include <stdio.h>

/* Bytes of a statement or a type. */
#define NAME 96

#define KERNEL "sibyl_tile_frame"
#define LINKED "link_with = \"sibyl_tile.o\""

typedef struct writer {
    const tile_program *p;
    const sib_tile_plan *plan;
    tile_form form;
    byte_buffer *text;
    int depth; /* levels of indentation */
} writer;

static void line(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(writer *w, const char *format, ...)
{
    char sentence[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    buf_printf(w->text, NULL, "%*s%s\n", 2 * w->depth, "", sentence);
}

static bool generic(const writer *w)
{
    return w->form == TILE_GENERIC;
}

/* The form of 2024: objects linked by cores, elements as subviews, aiex.runtime_sequence. */
static bool old(const writer *w)
{
    return w->plan->options.dialect == SIB_TILE_DIALECT_2024;
}

/* ---- Types ---- */

typedef struct type {
    char text[NAME];
} type;

/* The type of an element of `rows` frames. */
static type in_type(uint32_t rows)
{
    type t;
    snprintf(t.text, sizeof t.text, "memref<%ux%dxi16>", (unsigned)rows, SIB_TILE_WINDOW);
    return t;
}

static type out_type(const writer *w, uint32_t rows)
{
    type t;
    snprintf(t.text, sizeof t.text, "memref<%ux%uxi%u>", (unsigned)rows, (unsigned)w->p->bands,
             (unsigned)(8 * w->p->out_size));
    return t;
}

/* The types of a call's arrays. */
static type host_in_type(const writer *w)
{
    type t;
    snprintf(t.text, sizeof t.text, "memref<%llux%s>", (unsigned long long)w->p->in_samples, "i16");
    return t;
}

static type host_out_type(const writer *w)
{
    type t;
    snprintf(t.text, sizeof t.text, "memref<%lluxi%u>", (unsigned long long)w->p->out_values,
             (unsigned)(8 * w->p->out_size));
    return t;
}

/* ---- Tiles and FIFOs ---- */

static void write_tile(writer *w, uint32_t column, uint32_t row)
{
    if (generic(w))
        line(w, "%%tile_%u_%u = \"aie.tile\"() {col = %u : i32, row = %u : i32} : () -> index",
             (unsigned)column, (unsigned)row, (unsigned)column, (unsigned)row);
    else
        line(w, "%%tile_%u_%u = aie.tile(%u, %u)", (unsigned)column, (unsigned)row, (unsigned)column,
             (unsigned)row);
}

static void write_tiles(writer *w)
{
    const tile_program *p = w->p;
    for (uint32_t c = 0; c < TILE_COLUMNS; c++) {
        const uint32_t height = tile_column_height(p->n_tiles, c);
        if (height)
            write_tile(w, c, 0);
        if (height > TILE_SHIM_CHANNELS)
            write_tile(w, c, 1);
        for (uint32_t i = 0; i < height; i++)
            write_tile(w, c, TILE_FIRST_ROW + i);
    }
}

/* A FIFO called `name` from one tile, given by column and row, to another in the same column. */
static void write_fifo(writer *w, const char *name, uint32_t column, uint32_t from, uint32_t to, type element)
{
    const unsigned depth = w->p->depth;
    if (generic(w)) /* layouts of contiguous data are omitted, since MLIR 14 cannot read them */
        line(w,
             "\"aie.objectfifo\"(%%tile_%u_%u, %%tile_%u_%u) {disable_synchronization = false, elemNumber = "
             "%u : i32, "
             "elemType = !aie.objectfifo<%s>, plio = false, sym_name = \"%s\", via_DMA = false} : (index, "
             "index) -> ()",
             (unsigned)column, (unsigned)from, (unsigned)column, (unsigned)to, depth, element.text, name);
    else
        line(w, "aie.objectfifo @%s(%%tile_%u_%u, {%%tile_%u_%u}, %u : i32) : !aie.objectfifo<%s>", name,
             (unsigned)column, (unsigned)from, (unsigned)column, (unsigned)to, depth, element.text);
}

/* "@in_0_2, @in_0_3": FIFOs of a channel's tiles. "0, 4000": offsets of their parts, in elements. */
typedef struct list {
    char text[4 * 32];
} list;

static list fifo_list(const writer *w, const tile_channel *c, const char *kind)
{
    list l = {0};
    int n = 0;
    for (uint32_t i = 0; i < c->n_tiles; i++)
        n += snprintf(l.text + n, sizeof l.text - (size_t)n, "%s@%s_%u_%u", i ? ", " : "", kind,
                      (unsigned)c->column, (unsigned)w->p->tiles[c->first_tile + i].row);
    return l;
}

static list offset_list(const tile_channel *c, uint64_t step)
{
    list l = {0};
    int n = 0;
    for (uint32_t i = 0; i < c->n_tiles; i++)
        n += snprintf(l.text + n, sizeof l.text - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)(i * step));
    return l;
}

static void write_link(writer *w, const char *ins, const char *outs, const char *sources, const char *targets)
{
    if (generic(w))
        line(w,
             "\"aie.objectfifo.link\"() {dst_offsets = [%s], fifoIns = [%s], fifoOuts = [%s], src_offsets = "
             "[%s]} : () "
             "-> ()",
             targets, ins, outs, sources);
    else
        line(w, "aie.objectfifo.link [%s] -> [%s]([%s] [%s])", ins, outs, sources, targets);
}

/* The name of a channel for the host: that of the FIFO that ends at the shim. */
static void channel_name(const writer *w, const tile_channel *c, const char *kind, char out[NAME])
{
    if (c->linked)
        snprintf(out, NAME, "%s_%u", kind, (unsigned)c->column);
    else
        snprintf(out, NAME, "%s_%u_%u", kind, (unsigned)c->column, (unsigned)w->p->tiles[c->first_tile].row);
}

static void write_channel(writer *w, const tile_channel *c)
{
    const uint32_t rows = w->p->rows, all = c->n_tiles * rows, near = c->linked ? 1 : 0;
    char in[NAME], out[NAME], name[NAME];
    channel_name(w, c, "in", in);
    channel_name(w, c, "out", out);
    if (c->linked) {
        write_fifo(w, in, c->column, 0, 1, in_type(all));
        write_fifo(w, out, c->column, 1, 0, out_type(w, all));
    }
    for (uint32_t i = 0; i < c->n_tiles; i++) {
        const uint32_t row = w->p->tiles[c->first_tile + i].row;
        snprintf(name, sizeof name, "in_%u_%u", (unsigned)c->column, (unsigned)row);
        write_fifo(w, name, c->column, near, row, in_type(rows));
        snprintf(name, sizeof name, "out_%u_%u", (unsigned)c->column, (unsigned)row);
        write_fifo(w, name, c->column, row, near, out_type(w, rows));
    }
    if (!c->linked)
        return;
    const list ins = fifo_list(w, c, "in"), outs = fifo_list(w, c, "out");
    const list samples = offset_list(c, (uint64_t)rows * SIB_TILE_WINDOW);
    const list values = offset_list(c, (uint64_t)rows * w->p->bands);
    snprintf(name, sizeof name, "@in_%u", (unsigned)c->column);
    write_link(w, name, ins.text, "", samples.text);
    snprintf(name, sizeof name, "@out_%u", (unsigned)c->column);
    write_link(w, outs.text, name, values.text, "");
}

/* ---- Cores ---- */

static void write_constant(writer *w, const char *name, unsigned long long value)
{
    if (generic(w))
        line(w, "%%%s = \"arith.constant\"() {value = %llu : index} : () -> index", name, value);
    else
        line(w, "%%%s = arith.constant %llu : index", name, value);
}

static void open_loop(writer *w, const char *variable, const char *end)
{
    if (generic(w)) {
        line(w, "\"scf.for\"(%%c0, %%%s, %%c1) ({", end);
        line(w, "^bb0(%%%s: index):", variable);
    } else
        line(w, "scf.for %%%s = %%c0 to %%%s step %%c1 {", variable, end);
    w->depth++;
}

static void close_loop(writer *w)
{
    if (generic(w))
        line(w, "\"scf.yield\"() : () -> ()");
    w->depth--;
    line(w, generic(w) ? "}) : (index, index, index) -> ()" : "}");
}

/* Acquires one element of @kind_C_R; %<name> is its memory, of which the form of 2024 makes a view first. */
static void write_acquire(writer *w, const tile_place *t, const char *kind, const char *name, type element)
{
    const bool in = kind[0] == 'i';
    const char *view = old(w) ? "_view" : "", *open = old(w) ? "!aie.objectfifosubview<" : "",
               *close = old(w) ? ">" : "";
    const unsigned column = t->column, row = t->row;
    if (generic(w))
        line(w,
             "%%%s%s = \"aie.objectfifo.acquire\"() {objFifo_name = @%s_%u_%u, port = %d : i32, size = 1 "
             ": i32} : () -> %s%s%s",
             name, view, kind, column, row, in, open, element.text, close);
    else
        line(w, "%%%s%s = aie.objectfifo.acquire @%s_%u_%u(%s, 1) : %s%s%s", name, view, kind, column, row,
             in ? "Consume" : "Produce", open, element.text, close);
    if (!old(w))
        return;
    if (generic(w))
        line(w,
             "%%%s = \"aie.objectfifo.subview.access\"(%%%s_view) {index = 0 : i32} : "
             "(!aie.objectfifosubview<%s>) -> %s",
             name, name, element.text, element.text);
    else
        line(w, "%%%s = aie.objectfifo.subview.access %%%s_view[0] : !aie.objectfifosubview<%s> -> %s", name,
             name, element.text, element.text);
}

static void write_release(writer *w, const tile_place *t, const char *kind)
{
    const bool in = kind[0] == 'i';
    if (generic(w))
        line(w,
             "\"aie.objectfifo.release\"() {objFifo_name = @%s_%u_%u, port = %d : i32, size = 1 : i32} : () "
             "-> ()",
             kind, (unsigned)t->column, (unsigned)t->row, in);
    else
        line(w, "aie.objectfifo.release @%s_%u_%u(%s, 1)", kind, (unsigned)t->column, (unsigned)t->row,
             in ? "Consume" : "Produce");
}

/* The kernel gets the entire element and the frame's number: its C code finds the row, so no offset is lost
   in a cast. */
static void write_call(writer *w, type in, type out)
{
    if (generic(w)) {
        line(w, "%%row = \"arith.index_cast\"(%%frame) : (index) -> i32");
        line(w, "\"func.call\"(%%pcm, %%features, %%row) {callee = @" KERNEL "} : (%s, %s, i32) -> ()",
             in.text, out.text);
    } else {
        line(w, "%%row = arith.index_cast %%frame : index to i32");
        line(w, "func.call @" KERNEL "(%%pcm, %%features, %%row) : (%s, %s, i32) -> ()", in.text, out.text);
    }
}

static void write_core(writer *w, const tile_place *t)
{
    const type in = in_type(w->p->rows), out = out_type(w, w->p->rows);
    const unsigned column = t->column, row = t->row, stack = (unsigned)w->plan->stack;
    line(w,
         generic(w) ? "%%core_%u_%u = \"aie.core\"(%%tile_%u_%u) ({"
                    : "%%core_%u_%u = aie.core(%%tile_%u_%u) {",
         column, row, column, row);
    w->depth++;
    write_constant(w, "c0", 0);
    write_constant(w, "c1", 1);
    write_constant(w, "rows", w->p->rows);
    write_constant(w, "forever", INT64_MAX);
    open_loop(w, "call", "forever");
    write_acquire(w, t, "in", "pcm", in);
    write_acquire(w, t, "out", "features", out);
    open_loop(w, "frame", "rows");
    write_call(w, in, out);
    close_loop(w);
    write_release(w, t, "in");
    write_release(w, t, "out");
    close_loop(w);
    line(w, generic(w) ? "\"aie.end\"() : () -> ()" : "aie.end");
    w->depth--;
    line(w, generic(w) ? "}) {%sstack_size = %u : i32} : (index) -> index" : "} {%sstack_size = %u : i32}",
         old(w) ? LINKED ", " : "", stack);
}

/* ---- The runtime sequence ---- */

static void write_move(writer *w, const tile_channel *c, bool in, unsigned id)
{
    const tile_walk *k = in ? &c->in : &c->out;
    const type host = in ? host_in_type(w) : host_out_type(w);
    const char *array = in ? "samples" : "results";
    char name[NAME], offsets[NAME], sizes[NAME], strides[NAME];
    channel_name(w, c, in ? "in" : "out", name);
    snprintf(offsets, sizeof offsets, "0, 0, 0, %llu", (unsigned long long)k->offset);
    snprintf(sizes, sizeof sizes, "%u, %u, %u, %u", (unsigned)k->sizes[0], (unsigned)k->sizes[1],
             (unsigned)k->sizes[2], (unsigned)k->sizes[3]);
    snprintf(strides, sizeof strides, "%u, %u, %u, %u", (unsigned)k->strides[0], (unsigned)k->strides[1],
             (unsigned)k->strides[2], (unsigned)k->strides[3]);
    if (generic(w))
        line(w,
             "\"aiex.npu.dma_memcpy_nd\"(%%%s) {id = %u : i64, issue_token = %s, metadata = @%s, "
             "static_offsets = [%s], "
             "static_sizes = [%s], static_strides = [%s]} : (%s) -> ()",
             array, id, in ? "false" : "true", name, offsets, sizes, strides, host.text);
    else
        line(w, "aiex.npu.dma_memcpy_nd(%%%s[%s][%s][%s]) {id = %u : i64, metadata = @%s%s} : %s", array,
             offsets, sizes, strides, id, name, in ? "" : ", issue_token = true", host.text);
}

static void write_wait(writer *w, const tile_channel *c)
{
    char name[NAME];
    channel_name(w, c, "out", name);
    line(w,
         generic(w) ? "\"aiex.npu.dma_wait\"() {symbol = @%s} : () -> ()"
                    : "aiex.npu.dma_wait {symbol = @%s}",
         name);
}

/* One call: outputs are issued first, so that they are awaited before the first can arrive. */
static void write_sequence(writer *w)
{
    const tile_program *p = w->p;
    const type in = host_in_type(w), out = host_out_type(w);
    const char *dialect = old(w) ? "aiex" : "aie";
    if (generic(w)) {
        line(w, "\"%s.runtime_sequence\"() ({", dialect);
        line(w, "^bb0(%%samples: %s, %%results: %s):", in.text, out.text);
    } else
        line(w, "%s.runtime_sequence(%%samples: %s, %%results: %s) {", dialect, in.text, out.text);
    w->depth++;
    for (uint32_t c = 0; c < p->n_channels; c++)
        write_move(w, &p->channels[c], false, 2 * c + 1);
    for (uint32_t c = 0; c < p->n_channels; c++)
        write_move(w, &p->channels[c], true, 2 * c);
    for (uint32_t c = 0; c < p->n_channels; c++)
        write_wait(w, &p->channels[c]);
    w->depth--;
    line(w, generic(w) ? "}) : () -> ()" : "}");
}

/* ---- The design ---- */

static void write_kernel_name(writer *w)
{
    const type in = in_type(w->p->rows), out = out_type(w, w->p->rows);
    if (generic(w)) {
        line(w, "\"func.func\"() ({");
        line(w,
             "}) {function_type = (%s, %s, i32) -> (), %ssym_name = \"" KERNEL
             "\", sym_visibility = \"private\"} : () -> ()",
             in.text, out.text, old(w) ? "" : LINKED ", ");
    } else
        line(w, "func.func private @" KERNEL "(%s, %s, i32)%s", in.text, out.text,
             old(w) ? "" : " attributes {" LINKED "}");
}

void tile_design_write(const tile_program *p, const sib_tile_plan *plan, tile_form form, byte_buffer *out)
{
    writer w = {.p = p, .plan = plan, .form = form, .text = out};
    line(
        &w,
        "// Whisper's log-mel features on %u compute tile%s: %u frames a call, %u in each element, depth %u.",
        (unsigned)p->n_tiles, p->n_tiles == 1 ? "" : "s", (unsigned)p->batch, (unsigned)p->rows,
        (unsigned)p->depth);
    line(&w, generic(&w) ? "\"builtin.module\"() ({" : "module {");
    w.depth++;
    line(&w, generic(&w) ? "\"aie.device\"() ({" : "aie.device(npu1) {");
    w.depth++;
    write_kernel_name(&w);
    write_tiles(&w);
    for (uint32_t c = 0; c < p->n_channels; c++)
        write_channel(&w, &p->channels[c]);
    for (uint32_t t = 0; t < p->n_tiles; t++)
        write_core(&w, &p->tiles[t]);
    write_sequence(&w);
    w.depth--;
    line(&w, generic(&w) ? "}) {device = 4 : i32} : () -> ()" : "}"); /* device 4 is npu1 */
    w.depth--;
    line(&w, generic(&w) ? "}) : () -> ()" : "}");
}
