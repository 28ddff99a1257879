/* Reads a design: one statement per line, as MLIR's own printer writes them. */
#include "base/error.h"
#include "tile/design_reader.h"

#include <string.h>

static bool skip(design_reader *r, const char *s)
{
    (void)r;
    (void)s;
    return true;
}

/* Beginnings of lines; entire lines where there is nothing to read. */
static const struct {
    const char *begin;
    bool (*read)(design_reader *r, const char *s);
    unsigned forms;
} statements[] = {
    {"//", skip, IN_BOTH},
    {"module {", NULL, IN_BOTH},
    {"aie.device(npu1) {", NULL, IN_BOTH},
    {"func.func private @sibyl_tile_frame(", design_read_kernel, IN_BOTH},
    {"%tile_", design_read_tile, IN_BOTH},
    {"aie.objectfifo @", design_read_fifo, IN_BOTH},
    {"aie.objectfifo.link ", design_read_link, IN_BOTH},
    {"%core_", design_open_core, IN_BOTH},
    {"%rows = ", design_read_rows, IN_BOTH},
    {"%c0 = arith.constant 0 : index", NULL, IN_BOTH},
    {"%c1 = arith.constant 1 : index", NULL, IN_BOTH},
    {"%forever = arith.constant 9223372036854775807 : index", NULL, IN_BOTH},
    {"scf.for %call = %c0 to %forever step %c1 {", NULL, IN_BOTH},
    {"scf.for %frame = %c0 to %rows step %c1 {", NULL, IN_BOTH},
    {"%pcm = aie.objectfifo.acquire @", design_read_acquire, IN_2026},
    {"%features = aie.objectfifo.acquire @", design_read_acquire, IN_2026},
    {"%pcm_view = aie.objectfifo.acquire @", design_read_acquire, IN_2024},
    {"%features_view = aie.objectfifo.acquire @", design_read_acquire, IN_2024},
    {"%pcm = aie.objectfifo.subview.access %pcm_view[0] : !aie.objectfifosubview<", design_read_access,
     IN_2024},
    {"%features = aie.objectfifo.subview.access %features_view[0] : !aie.objectfifosubview<",
     design_read_access, IN_2024},
    {"%row = arith.index_cast %frame : index to i32", NULL, IN_BOTH},
    {"func.call @sibyl_tile_frame", design_read_call, IN_BOTH},
    {"aie.objectfifo.release @", design_read_release, IN_BOTH},
    {"aie.end", NULL, IN_BOTH},
    {"} {", design_close_core, IN_BOTH},
    {"aie.runtime_sequence(", design_open_sequence, IN_2026},
    {"aiex.runtime_sequence(", design_open_sequence, IN_2024},
    {"aiex.npu.dma_memcpy_nd(", design_read_move, IN_BOTH},
    {"aiex.npu.dma_wait ", design_read_wait, IN_BOTH},
    {"}", NULL, IN_BOTH},
};

/* Regions open where a line ends with a brace, and close where one begins with it. */
static bool count_regions(design_reader *r, const char *s)
{
    const size_t n = strlen(s);
    if (*s == '}' && !r->regions--)
        return design_wrong(r, "closes a region that was not opened");
    r->regions += n > 0 && *s != '/' && s[n - 1] == '{';
    return true;
}

static bool read_line(design_reader *r, const char *s)
{
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        const char *begin = statements[i].begin;
        if (statements[i].read ? strncmp(s, begin, strlen(begin)) != 0 : strcmp(s, begin) != 0)
            continue;
        r->forms &= statements[i].forms;
        if (statements[i].read && !statements[i].read(r, s))
            return false;
        if (!r->forms)
            return design_wrong(r, "is of another form of MLIR-AIE than what stands before it");
        return count_regions(r, s);
    }
    return design_wrong(r, "is not a statement of a tile's design");
}

/* ---- The design ---- */

/* Checks that each FIFO that ends at a shim is moved once per call, and that each that ends at a memory tile
   is linked. */
static bool check_fifos(design_reader *r)
{
    uint32_t outputs = 0;
    for (uint32_t i = 0; i < r->n_fifos; i++) {
        const design_fifo *f = &r->fifos[i];
        const bool shim = f->from_row == 0 || f->to_row == 0, memory = f->from_row == 1 || f->to_row == 1;
        outputs += f->to_row == 0;
        if (shim && f->moves != 1)
            return design_wrong(r, "a FIFO of a shim is not moved exactly once per call");
        if (memory && !f->part && !f->linked)
            return design_wrong(r, "a FIFO of a memory tile is not linked");
    }
    return r->waits == outputs || design_wrong(r, "not every output is waited for");
}

/* Bytes of the FIFOs of one kind at a compute tile. */
static uint64_t tile_bytes(const design_reader *r, const design_core *c, bool in)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->n_fifos; i++) {
        const design_fifo *f = &r->fifos[i];
        if ((in ? f->to_column : f->from_column) == c->column && (in ? f->to_row : f->from_row) == c->row)
            bytes += f->depth * design_bytes(&f->element);
    }
    return bytes;
}

/* Parts share the memory of their linked FIFO. */
static uint64_t memory_tile_bytes(const design_reader *r, uint32_t column)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->n_fifos; i++) {
        const design_fifo *f = &r->fifos[i];
        if (!f->part &&
            ((f->from_row == 1 && f->from_column == column) || (f->to_row == 1 && f->to_column == column)))
            bytes += f->depth * design_bytes(&f->element);
    }
    return bytes;
}

static bool sum_up(design_reader *r)
{
    tile_design *d = r->out;
    if (!r->n_cores)
        return design_wrong(r, "there is no core");
    d->tiles = r->n_cores;
    d->dialect = r->forms == IN_2024 ? SIB_TILE_DIALECT_2024 : SIB_TILE_DIALECT_2026;
    for (uint32_t i = 0; i < r->n_cores; i++) {
        const design_core *c = &r->cores[i];
        const uint64_t in = tile_bytes(r, c, true), out = tile_bytes(r, c, false);
        if (i && (c->rows != d->rows || c->stack != d->stack || in != d->fifo_in || out != d->fifo_out))
            return design_wrong(r, "the cores differ");
        d->rows = (uint32_t)c->rows;
        d->stack = c->stack;
        d->fifo_in = in;
        d->fifo_out = out;
    }
    for (uint32_t column = 0; column < TILE_COLUMNS; column++) {
        const uint64_t bytes = memory_tile_bytes(r, column);
        d->linked += bytes > 0;
        d->memory_tile = bytes > d->memory_tile ? bytes : d->memory_tile;
    }
    return true;
}

sib_code tile_design_read(const char *text, tile_design *out, sib_error *err)
{
    char sentence[1024];
    design_reader r = {.forms = IN_BOTH, .out = out, .err = err};
    *out = (tile_design){0};
    while (*text) {
        const size_t length = strcspn(text, "\n"), indent = strspn(text, " ");
        r.line++;
        if (length >= sizeof sentence || indent > length) {
            design_wrong(&r, "is too long or empty");
            return SIB_ERR_FORMAT;
        }
        memcpy(sentence, text + indent, length - indent);
        sentence[length - indent] = '\0';
        if (!read_line(&r, sentence))
            return SIB_ERR_FORMAT;
        text += length + (text[length] == '\n');
    }
    return !r.regions && check_fifos(&r) && sum_up(&r)
               ? SIB_OK
               : err_set(err, SIB_ERR_FORMAT, "the design ends inside a region");
}
