/* Reads a design: one statement per line, as MLIR's own printer writes them. */
#include "base/error.h"
#include "tile/design.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME      32
#define MAX_FIFOS (2 * (SIB_TILE_MAX + TILE_COLUMNS))
#define MAX_TILES (TILE_COLUMNS * (TILE_ROWS + 2))

/* memref<AxBxiW>, or memref<AxiW> with B = 1. */
typedef struct shape {
    uint64_t rows, width, bits;
} shape;

typedef struct fifo {
    char name[NAME];
    uint32_t from_column, from_row, to_column, to_row, depth;
    shape element;
    uint64_t linked; /* elements of linked parts in it */
    uint32_t moves;  /* by the host, per call */
    bool part;       /* is part of a linked FIFO */
} fifo;

typedef struct core {
    uint32_t column, row, stack;
    uint64_t rows; /* rows that its loop counts */
    uint32_t acquires, releases, calls;
} core;

typedef struct reader {
    uint32_t line;
    bool tiles[TILE_COLUMNS][TILE_ROWS + TILE_FIRST_ROW];
    fifo fifos[MAX_FIFOS];
    core cores[SIB_TILE_MAX];
    uint32_t n_fifos, n_cores;
    core *open; /* the core being read */
    shape samples, results;
    uint32_t waits;
    tile_design *out;
    sib_error *err;
} reader;

static bool wrong(reader *r, const char *what)
{
    err_set(r->err, SIB_ERR_FORMAT, "line %u of the design: %s", (unsigned)r->line, what);
    return false;
}

static uint64_t shape_elements(const shape *s)
{
    return s->rows * s->width;
}

static uint64_t shape_bytes(const shape *s)
{
    return shape_elements(s) * s->bits / 8;
}

/* Reads "memref<...>"; returns the rest, or NULL. Numbers are bounded, so products of two fit. */
static const char *read_shape(const char *s, shape *out)
{
    int end = 0;
    *out = (shape){.width = 1};
    if (sscanf(s, "memref<%9" SCNu64 "x%9" SCNu64 "xi%2" SCNu64 ">%n", &out->rows, &out->width, &out->bits,
               &end) == 3 &&
        end)
        return s + end;
    out->width = 1;
    end = 0;
    if (sscanf(s, "memref<%15" SCNu64 "xi%2" SCNu64 ">%n", &out->rows, &out->bits, &end) == 2 && end)
        return s + end;
    return NULL;
}

static bool is_tile(const reader *r, uint32_t column, uint32_t row)
{
    return column < TILE_COLUMNS && row < TILE_ROWS + TILE_FIRST_ROW && r->tiles[column][row];
}

static fifo *fifo_named(reader *r, const char *name, size_t n)
{
    for (uint32_t i = 0; i < r->n_fifos; i++)
        if (strlen(r->fifos[i].name) == n && strncmp(r->fifos[i].name, name, n) == 0)
            return &r->fifos[i];
    return NULL;
}

/* ---- Statements ---- */

static bool read_tile(reader *r, const char *s)
{
    unsigned a, b, column, row;
    if (sscanf(s, "%%tile_%2u_%2u = aie.tile(%2u, %2u)", &a, &b, &column, &row) != 4 || a != column ||
        b != row || column >= TILE_COLUMNS || row >= TILE_ROWS + TILE_FIRST_ROW)
        return wrong(r, "is not a tile of the device");
    r->tiles[column][row] = true;
    return true;
}

static bool read_fifo(reader *r, const char *s)
{
    fifo f = {.depth = 0};
    int end = 0;
    unsigned a, b, c, d, depth;
    if (sscanf(
            s,
            "aie.objectfifo @%31[a-z0-9_](%%tile_%2u_%2u, {%%tile_%2u_%2u}, %2u : i32) : !aie.objectfifo<%n",
            f.name, &a, &b, &c, &d, &depth, &end) != 6 ||
        !end || !read_shape(s + end, &f.element))
        return wrong(r, "is not a valid FIFO");
    if (!is_tile(r, a, b) || !is_tile(r, c, d))
        return wrong(r, "names a tile that does not exist");
    if (fifo_named(r, f.name, strlen(f.name)) || r->n_fifos == MAX_FIFOS)
        return wrong(r, "is one FIFO too many");
    f.from_column = a;
    f.from_row = b;
    f.to_column = c;
    f.to_row = d;
    f.depth = depth;
    r->fifos[r->n_fifos++] = f;
    return true;
}

/* Reads "[@a, @b]", up to `max` FIFOs; returns the rest, or NULL. */
static const char *read_names(reader *r, const char *s, fifo **out, uint32_t max, uint32_t *n)
{
    if (*s != '[')
        return NULL;
    for (*n = 0, s++; *s == '@' && *n < max; (*n)++) {
        const size_t length = strspn(++s, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (!(out[*n] = fifo_named(r, s, length)))
            return NULL;
        s += length;
        s += strncmp(s, ", ", 2) == 0 ? 2 : 0;
    }
    return *s == ']' && *n ? s + 1 : NULL;
}

/* Reads "[0, 4000]". */
static const char *read_offsets(const char *s, uint64_t *out, uint32_t max, uint32_t *n)
{
    if (*s != '[')
        return NULL;
    int end = 0;
    for (*n = 0, s++; *n < max && sscanf(s, "%15" SCNu64 "%n", &out[*n], &end) == 1; (*n)++) {
        s += end;
        s += strncmp(s, ", ", 2) == 0 ? 2 : 0;
    }
    return *s == ']' ? s + 1 : NULL;
}

/* Checks a link: one FIFO on one side, its contiguous parts on the other. */
static bool check_link(reader *r, fifo *whole, fifo **parts, uint32_t n, const uint64_t *offsets,
                       uint32_t n_offsets)
{
    uint64_t at = 0;
    if (n_offsets != n)
        return wrong(r, "has another number of offsets than of parts");
    for (uint32_t i = 0; i < n; i++) {
        if (offsets[i] != at || parts[i]->depth != whole->depth ||
            parts[i]->element.bits != whole->element.bits)
            return wrong(r, "links parts that are not consecutive");
        parts[i]->part = true;
        at += shape_elements(&parts[i]->element);
    }
    whole->linked += at;
    return at == shape_elements(&whole->element) || wrong(r, "links parts that do not fill the element");
}

static bool read_link(reader *r, const char *s)
{
    fifo *from[TILE_ROWS], *to[TILE_ROWS];
    uint64_t sources[TILE_ROWS], targets[TILE_ROWS];
    uint32_t n_from, n_to, n_sources, n_targets;
    if ((s = read_names(r, s + strlen("aie.objectfifo.link "), from, TILE_ROWS, &n_from)) != NULL &&
        strncmp(s, " -> ", 4) == 0 && (s = read_names(r, s + 4, to, TILE_ROWS, &n_to)) != NULL && *s == '(' &&
        (s = read_offsets(s + 1, sources, TILE_ROWS, &n_sources)) != NULL && *s == ' ' &&
        read_offsets(s + 1, targets, TILE_ROWS, &n_targets)) {
        if (n_from == 1 && n_sources == 0)
            return check_link(r, from[0], to, n_to, targets, n_targets);
        if (n_to == 1 && n_targets == 0)
            return check_link(r, to[0], from, n_from, sources, n_sources);
    }
    return wrong(r, "is not a valid link");
}

static bool open_core(reader *r, const char *s)
{
    unsigned a, b, column, row;
    if (r->open || sscanf(s, "%%core_%2u_%2u = aie.core(%%tile_%2u_%2u) {", &a, &b, &column, &row) != 4)
        return wrong(r, "is not a valid core");
    if (!is_tile(r, column, row) || row < TILE_FIRST_ROW || r->n_cores == SIB_TILE_MAX)
        return wrong(r, "puts a core on a tile without one");
    r->open = &r->cores[r->n_cores++];
    *r->open = (core){.column = column, .row = row};
    return true;
}

static bool close_core(reader *r, const char *s)
{
    unsigned stack;
    if (!r->open || sscanf(s, "} {link_with = \"sibyl_tile.o\", stack_size = %9u : i32}", &stack) != 1)
        return wrong(r, "is not a valid end of a core");
    if (!r->open->rows || r->open->acquires != 2 || r->open->releases != 2 || r->open->calls != 1)
        return wrong(r, "ends a core that does not acquire two elements, call the kernel and release both");
    r->open->stack = stack;
    r->open = NULL;
    return true;
}

static bool read_rows(reader *r, const char *s)
{
    if (!r->open || sscanf(s, "%%rows = arith.constant %9" SCNu64 " : index", &r->open->rows) != 1)
        return wrong(r, "is not a number of frames");
    return true;
}

/* Checks that acquires and releases are of the core's own FIFOs. */
static bool read_use(reader *r, const char *s)
{
    const char *at = strchr(s, '@');
    const size_t n = strcspn(at ? at + 1 : s, "(");
    const fifo *f = at && r->open ? fifo_named(r, at + 1, n) : NULL;
    const bool in = at && strstr(at, "(Consume, 1)");
    if (!f || (in ? f->to_column : f->from_column) != r->open->column ||
        (in ? f->to_row : f->from_row) != r->open->row)
        return wrong(r, "uses a FIFO that does not end here");
    if (f->element.rows != r->open->rows)
        return wrong(r, "takes elements of another number of frames than its loop counts");
    if (strstr(s, ".acquire "))
        r->open->acquires++;
    else
        r->open->releases++;
    return true;
}

static bool read_call(reader *r, const char *s)
{
    if (!r->open || !strstr(s, "(%pcm, %features, %row)"))
        return wrong(r, "calls the kernel with other arguments than both elements and the frame's index");
    r->open->calls++;
    return true;
}

static bool open_sequence(reader *r, const char *s)
{
    static const char head[] = "aiex.runtime_sequence(%samples: ", middle[] = ", %results: ";
    const char *next = strncmp(s, head, strlen(head)) == 0 ? read_shape(s + strlen(head), &r->samples) : NULL;
    if (!next || strncmp(next, middle, strlen(middle)) != 0 ||
        !read_shape(next + strlen(middle), &r->results))
        return wrong(r, "is not a valid runtime sequence");
    return true;
}

static bool check_move(reader *r, const fifo *f, const shape *array, uint64_t offset, const uint64_t sizes[4],
                       const uint64_t strides[4])
{
    const uint64_t unit = array->bits / 8;
    uint64_t elements = 1, last = offset;
    for (int d = 0; d < 4; d++) {
        if (!sizes[d])
            return wrong(r, "moves nothing");
        elements *= sizes[d];
        last += (sizes[d] - 1) * strides[d];
    }
    if (elements * unit != shape_bytes(&f->element))
        return wrong(r, "moves a number of bytes that differs from the FIFO's element");
    if (last >= shape_elements(array))
        return wrong(r, "is outside its array");
    if (sizes[0] > 64 || sizes[2] > TILE_MAX_SIZE || sizes[3] * unit / 4 > TILE_MAX_SIZE || strides[3] != 1 ||
        offset * unit % 4 || strides[2] * unit % 4 || sizes[3] * unit % 4)
        return wrong(r, "exceeds what a shim's DMA can do");
    return true;
}

static bool read_move(reader *r, const char *s)
{
    char array[NAME], name[NAME];
    uint64_t o[4], n[4], k[4];
    int end = 0;
    if (sscanf(s,
               "aiex.npu.dma_memcpy_nd(%%%31[a-z][%1" SCNu64 ", %1" SCNu64 ", %1" SCNu64 ", %12" SCNu64
               "][%4" SCNu64 ", %4" SCNu64 ", %4" SCNu64 ", %4" SCNu64 "][%7" SCNu64 ", %7" SCNu64
               ", %7" SCNu64 ", %7" SCNu64 "]) {id = %*u : i64, metadata = @%31[a-z0-9_]%n",
               array, &o[0], &o[1], &o[2], &o[3], &n[0], &n[1], &n[2], &n[3], &k[0], &k[1], &k[2], &k[3],
               name, &end) != 14 ||
        !end)
        return wrong(r, "is not a valid transfer");
    const bool in = strcmp(array, "samples") == 0;
    fifo *f = fifo_named(r, name, strlen(name));
    if (!f || (in ? f->from_row : f->to_row) != 0)
        return wrong(r, "moves a FIFO that does not end at a shim");
    if (!check_move(r, f, in ? &r->samples : &r->results, o[3], n, k))
        return false;
    f->moves++;
    r->out->transfers++;
    *(in ? &r->out->bytes_in : &r->out->bytes_out) += shape_bytes(&f->element);
    return true;
}

static bool read_wait(reader *r, const char *s)
{
    char name[NAME];
    if (sscanf(s, "aiex.npu.dma_wait {symbol = @%31[a-z0-9_]}", name) != 1)
        return wrong(r, "is not a valid wait");
    const fifo *f = fifo_named(r, name, strlen(name));
    if (!f || f->to_row != 0)
        return wrong(r, "waits for a FIFO that is not an output");
    r->waits++;
    return true;
}

static bool skip(reader *r, const char *s)
{
    (void)r;
    (void)s;
    return true;
}

static const struct {
    const char *begin;
    bool (*read)(reader *r, const char *s);
} statements[] = {
    {"//", skip},
    {"module {", skip},
    {"aie.device(npu1) {", skip},
    {"func.func private @sibyl_tile_frame(", skip},
    {"%tile_", read_tile},
    {"aie.objectfifo @", read_fifo},
    {"aie.objectfifo.link ", read_link},
    {"%core_", open_core},
    {"%rows = ", read_rows},
    {"%c0 = arith.constant 0 : index", skip},
    {"%c1 = arith.constant 1 : index", skip},
    {"%forever = arith.constant 9223372036854775807 : index", skip},
    {"scf.for %call = %c0 to %forever step %c1 {", skip},
    {"scf.for %frame = %c0 to %rows step %c1 {", skip},
    {"%pcm_view = aie.objectfifo.acquire @", read_use},
    {"%features_view = aie.objectfifo.acquire @", read_use},
    {"%pcm = aie.objectfifo.subview.access %pcm_view[0]", skip},
    {"%features = aie.objectfifo.subview.access %features_view[0]", skip},
    {"%row = arith.index_cast %frame : index to i32", skip},
    {"func.call @sibyl_tile_frame", read_call},
    {"aie.objectfifo.release @", read_use},
    {"aie.end", skip},
    {"} {", close_core},
    {"aiex.runtime_sequence(", open_sequence},
    {"aiex.npu.dma_memcpy_nd(", read_move},
    {"aiex.npu.dma_wait ", read_wait},
    {"}", skip},
};

static bool read_line(reader *r, const char *s)
{
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (strncmp(s, statements[i].begin, strlen(statements[i].begin)) == 0)
            return statements[i].read(r, s);
    return wrong(r, "is not a statement of a tile's design");
}

/* ---- The design ---- */

/* Checks that each FIFO that ends at a shim is moved once per call, and that each that ends at a memory tile
   is linked. */
static bool check_fifos(reader *r)
{
    uint32_t outputs = 0;
    for (uint32_t i = 0; i < r->n_fifos; i++) {
        const fifo *f = &r->fifos[i];
        const bool shim = f->from_row == 0 || f->to_row == 0, memory = f->from_row == 1 || f->to_row == 1;
        outputs += f->to_row == 0;
        if (shim && f->moves != 1)
            return wrong(r, "a FIFO of a shim is not moved exactly once per call");
        if (memory && !f->part && !f->linked)
            return wrong(r, "a FIFO of a memory tile is not linked");
    }
    return r->waits == outputs || wrong(r, "not every output is waited for");
}

/* Bytes of the FIFOs of one kind at a compute tile. */
static uint64_t tile_bytes(const reader *r, const core *c, bool in)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->n_fifos; i++) {
        const fifo *f = &r->fifos[i];
        if ((in ? f->to_column : f->from_column) == c->column && (in ? f->to_row : f->from_row) == c->row)
            bytes += f->depth * shape_bytes(&f->element);
    }
    return bytes;
}

/* Parts share the memory of their linked FIFO. */
static uint64_t memory_tile_bytes(const reader *r, uint32_t column)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->n_fifos; i++) {
        const fifo *f = &r->fifos[i];
        if (!f->part &&
            ((f->from_row == 1 && f->from_column == column) || (f->to_row == 1 && f->to_column == column)))
            bytes += f->depth * shape_bytes(&f->element);
    }
    return bytes;
}

static bool sum_up(reader *r)
{
    tile_design *d = r->out;
    if (!r->n_cores)
        return wrong(r, "there is no core");
    d->tiles = r->n_cores;
    for (uint32_t i = 0; i < r->n_cores; i++) {
        const core *c = &r->cores[i];
        const uint64_t in = tile_bytes(r, c, true), out = tile_bytes(r, c, false);
        if (i && (c->rows != d->rows || c->stack != d->stack || in != d->fifo_in || out != d->fifo_out))
            return wrong(r, "the cores differ");
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
    reader r = {.out = out, .err = err};
    *out = (tile_design){0};
    while (*text) {
        const size_t length = strcspn(text, "\n"), indent = strspn(text, " ");
        r.line++;
        if (length >= sizeof sentence || indent > length) {
            wrong(&r, "is too long or empty");
            return SIB_ERR_FORMAT;
        }
        memcpy(sentence, text + indent, length - indent);
        sentence[length - indent] = '\0';
        if (!read_line(&r, sentence))
            return SIB_ERR_FORMAT;
        text += length + (text[length] == '\n');
    }
    return !r.open && check_fifos(&r) && sum_up(&r)
               ? SIB_OK
               : err_set(err, SIB_ERR_FORMAT, "the design ends inside a core");
}
