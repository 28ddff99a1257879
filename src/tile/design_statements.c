/* The statements of a design, each read from a line. */
#include "base/error.h"
#include "tile/design_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool design_wrong(design_reader *r, const char *what)
{
    err_set(r->err, SIB_ERR_FORMAT, "line %u of the design: %s", (unsigned)r->line, what);
    return false;
}

uint64_t design_elements(const design_shape *s)
{
    return s->rows * s->width;
}

uint64_t design_bytes(const design_shape *s)
{
    return design_elements(s) * s->bits / 8;
}

/* Reads "memref<...>"; returns the rest, or NULL. Numbers are bounded, so products of two fit. */
static const char *read_shape(const char *s, design_shape *out)
{
    int end = 0;
    *out = (design_shape){.width = 1};
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

static bool same_shape(const design_shape *a, const design_shape *b)
{
    return a->rows == b->rows && a->width == b->width && a->bits == b->bits;
}

/* Returns what follows `text` in s, or NULL where s is NULL or begins otherwise. */
static const char *after(const char *s, const char *text)
{
    return s && strncmp(s, text, strlen(text)) == 0 ? s + strlen(text) : NULL;
}

/* Reads "(memref<...>, memref<...>, i32)", the kernel's arguments; returns the rest, or NULL. */
static const char *read_arguments(const char *s, design_shape out[2])
{
    s = after(s, "(");
    s = s ? after(read_shape(s, &out[0]), ", ") : NULL;
    return s ? after(read_shape(s, &out[1]), ", i32)") : NULL;
}

static bool is_tile(const design_reader *r, uint32_t column, uint32_t row)
{
    return column < TILE_COLUMNS && row < TILE_ROWS + TILE_FIRST_ROW && r->tiles[column][row];
}

static design_fifo *fifo_named(design_reader *r, const char *name, size_t n)
{
    for (uint32_t i = 0; i < r->n_fifos; i++)
        if (strlen(r->fifos[i].name) == n && strncmp(r->fifos[i].name, name, n) == 0)
            return &r->fifos[i];
    return NULL;
}

/* ---- Statements ---- */

/* The kernel's function, which names its object in the form of 2026. */
bool design_read_kernel(design_reader *r, const char *s)
{
    static const char linked[] = " attributes {link_with = \"sibyl_tile.o\"}";
    s = read_arguments(after(s, "func.func private @sibyl_tile_frame"), r->kernel);
    if (!s || (*s && strcmp(s, linked) != 0))
        return design_wrong(r, "is not the kernel's function");
    r->forms &= *s ? IN_2026 : IN_2024;
    return true;
}

bool design_read_tile(design_reader *r, const char *s)
{
    unsigned a, b, column, row;
    if (sscanf(s, "%%tile_%2u_%2u = aie.tile(%2u, %2u)", &a, &b, &column, &row) != 4 || a != column ||
        b != row || column >= TILE_COLUMNS || row >= TILE_ROWS + TILE_FIRST_ROW)
        return design_wrong(r, "is not a tile of the device");
    r->tiles[column][row] = true;
    return true;
}

bool design_read_fifo(design_reader *r, const char *s)
{
    design_fifo f = {.depth = 0};
    int end = 0;
    unsigned a, b, c, d, depth;
    if (sscanf(
            s,
            "aie.objectfifo @%31[a-z0-9_](%%tile_%2u_%2u, {%%tile_%2u_%2u}, %2u : i32) : !aie.objectfifo<%n",
            f.name, &a, &b, &c, &d, &depth, &end) != 6 ||
        !end || !read_shape(s + end, &f.element))
        return design_wrong(r, "is not a valid FIFO");
    if (!is_tile(r, a, b) || !is_tile(r, c, d))
        return design_wrong(r, "names a tile that does not exist");
    if (fifo_named(r, f.name, strlen(f.name)) || r->n_fifos == DESIGN_FIFOS)
        return design_wrong(r, "is one FIFO too many");
    f.from_column = a;
    f.from_row = b;
    f.to_column = c;
    f.to_row = d;
    f.depth = depth;
    r->fifos[r->n_fifos++] = f;
    return true;
}

/* Reads "[@a, @b]", up to `max` FIFOs; returns the rest, or NULL. */
static const char *read_names(design_reader *r, const char *s, design_fifo **out, uint32_t max, uint32_t *n)
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
static bool check_link(design_reader *r, design_fifo *whole, design_fifo **parts, uint32_t n,
                       const uint64_t *offsets, uint32_t n_offsets)
{
    uint64_t at = 0;
    if (n_offsets != n)
        return design_wrong(r, "has another number of offsets than of parts");
    for (uint32_t i = 0; i < n; i++) {
        if (offsets[i] != at || parts[i]->depth != whole->depth ||
            parts[i]->element.bits != whole->element.bits)
            return design_wrong(r, "links parts that are not consecutive");
        parts[i]->part = true;
        at += design_elements(&parts[i]->element);
    }
    whole->linked += at;
    return at == design_elements(&whole->element) ||
           design_wrong(r, "links parts that do not fill the element");
}

bool design_read_link(design_reader *r, const char *s)
{
    design_fifo *from[TILE_ROWS], *to[TILE_ROWS];
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
    return design_wrong(r, "is not a valid link");
}

bool design_open_core(design_reader *r, const char *s)
{
    unsigned a, b, column, row;
    if (r->open || sscanf(s, "%%core_%2u_%2u = aie.core(%%tile_%2u_%2u) {", &a, &b, &column, &row) != 4)
        return design_wrong(r, "is not a valid core");
    if (!is_tile(r, column, row) || row < TILE_FIRST_ROW || r->n_cores == SIB_TILE_MAX)
        return design_wrong(r, "puts a design_core on a tile without one");
    r->open = &r->cores[r->n_cores++];
    *r->open = (design_core){.column = column, .row = row};
    return true;
}

bool design_close_core(design_reader *r, const char *s)
{
    const char *linked = after(s, "} {link_with = \"sibyl_tile.o\", "),
               *rest = linked ? linked : s + strlen("} {");
    unsigned stack;
    int end = 0;
    if (!r->open || sscanf(rest, "stack_size = %9u : i32}%n", &stack, &end) != 1 || !end || rest[end])
        return design_wrong(r, "is not a valid end of a core");
    r->forms &= linked ? IN_2024 : IN_2026;
    if (!r->open->rows || r->open->acquires != 2 || r->open->releases != 2 || r->open->calls != 1)
        return design_wrong(
            r, "ends a design_core that does not acquire two elements, call the kernel and release both");
    r->open->stack = stack;
    r->open = NULL;
    return true;
}

bool design_read_rows(design_reader *r, const char *s)
{
    if (!r->open || sscanf(s, "%%rows = arith.constant %9" SCNu64 " : index", &r->open->rows) != 1)
        return design_wrong(r, "is not a number of frames");
    return true;
}

/* Reads "@in_0_2(Consume, 1)" into the FIFO, which must end at the core; returns the rest, or NULL. */
static const char *read_end(design_reader *r, const char *s, const design_fifo **out, bool *in)
{
    const size_t n = strcspn(s, "(");
    const design_fifo *f = r->open ? fifo_named(r, s, n) : NULL;
    const char *consumed = after(s + n, "(Consume, 1)"), *produced = after(s + n, "(Produce, 1)");
    *in = consumed;
    *out = f;
    if (!f || (!consumed && !produced) || (*in ? f->to_column : f->from_column) != r->open->column ||
        (*in ? f->to_row : f->from_row) != r->open->row) {
        design_wrong(r, "uses a FIFO that does not end here");
        return NULL;
    }
    return consumed ? consumed : produced;
}

/* "%pcm = aie.objectfifo.acquire @in_0_2(Consume, 1) : memref<...>", or a view, of !aie.objectfifosubview. */
bool design_read_acquire(design_reader *r, const char *s)
{
    const char *at = strchr(s, '@') + 1, *type;
    const bool samples = after(s, "%pcm") != NULL;
    const design_fifo *f;
    design_shape element;
    bool in;
    if (!(type = read_end(r, at, &f, &in)))
        return false;
    if (f->element.rows != r->open->rows)
        return design_wrong(r, "takes elements of another number of frames than its loop counts");
    const char *view = after(type, " : !aie.objectfifosubview<");
    type = view ? view : after(type, " : ");
    if (in != samples || !type || !(type = read_shape(type, &element)) ||
        strcmp(type, view ? ">" : "") != 0 || !same_shape(&element, &f->element) ||
        !same_shape(&element, &r->kernel[!in]))
        return design_wrong(r, "acquires an element of another type than its FIFO's and the kernel's");
    r->open->acquires++;
    return true;
}

/* "%pcm = aie.objectfifo.subview.access %pcm_view[0] : !aie.objectfifosubview<T> -> T" */
bool design_read_access(design_reader *r, const char *s)
{
    const bool samples = after(s, "%pcm") != NULL;
    design_shape view, element;
    s = strchr(s, ':') + strlen(": !aie.objectfifosubview<");
    s = after(read_shape(s, &view), "> -> ");
    if (!s || !(s = read_shape(s, &element)) || *s || !same_shape(&view, &element) ||
        !same_shape(&view, &r->kernel[!samples]))
        return design_wrong(r, "accesses an element of another type than the kernel's");
    return true;
}

bool design_read_release(design_reader *r, const char *s)
{
    const design_fifo *f;
    bool in;
    s = read_end(r, s + strlen("aie.objectfifo.release @"), &f, &in);
    if (!s)
        return false;
    if (*s)
        return design_wrong(r, "is not a valid release");
    r->open->releases++;
    return true;
}

bool design_read_call(design_reader *r, const char *s)
{
    design_shape types[2];
    s = after(s, "func.call @sibyl_tile_frame(%pcm, %features, %row) : ");
    if (!r->open || !s)
        return design_wrong(r,
                            "calls the kernel with other arguments than both elements and the frame's index");
    s = read_arguments(s, types);
    if (!s || strcmp(s, " -> ()") != 0 || !same_shape(&types[0], &r->kernel[0]) ||
        !same_shape(&types[1], &r->kernel[1]))
        return design_wrong(r, "calls the kernel with arguments of other types than its own");
    r->open->calls++;
    return true;
}

bool design_open_sequence(design_reader *r, const char *s)
{
    const char *next = after(strchr(s, '('), "(%samples: ");
    next = next ? after(read_shape(next, &r->samples), ", %results: ") : NULL;
    next = next ? after(read_shape(next, &r->results), ") {") : NULL;
    if (!next || *next)
        return design_wrong(r, "is not a valid runtime sequence");
    return true;
}

static bool check_move(design_reader *r, const design_fifo *f, const design_shape *array, uint64_t offset,
                       const uint64_t sizes[4], const uint64_t strides[4])
{
    const uint64_t unit = array->bits / 8;
    uint64_t elements = 1, last = offset;
    for (int d = 0; d < 4; d++) {
        if (!sizes[d])
            return design_wrong(r, "moves nothing");
        elements *= sizes[d];
        last += (sizes[d] - 1) * strides[d];
    }
    if (elements * unit != design_bytes(&f->element))
        return design_wrong(r, "moves a number of bytes that differs from the FIFO's element");
    if (last >= design_elements(array))
        return design_wrong(r, "is outside its array");
    if (sizes[0] > 64 || sizes[2] > TILE_MAX_SIZE || sizes[3] * unit / 4 > TILE_MAX_SIZE || strides[3] != 1 ||
        offset * unit % 4 || strides[2] * unit % 4 || sizes[3] * unit % 4)
        return design_wrong(r, "exceeds what a shim's DMA can do");
    return true;
}

bool design_read_move(design_reader *r, const char *s)
{
    char array[DESIGN_NAME], name[DESIGN_NAME];
    uint64_t o[4], n[4], k[4];
    int end = 0;
    if (sscanf(s,
               "aiex.npu.dma_memcpy_nd(%%%31[a-z][%1" SCNu64 ", %1" SCNu64 ", %1" SCNu64 ", %12" SCNu64
               "][%4" SCNu64 ", %4" SCNu64 ", %4" SCNu64 ", %4" SCNu64 "][%7" SCNu64 ", %7" SCNu64
               ", %7" SCNu64 ", %7" SCNu64 "]) {id = %*u : i64, metadata = @%31[a-z0-9_]%n",
               array, &o[0], &o[1], &o[2], &o[3], &n[0], &n[1], &n[2], &n[3], &k[0], &k[1], &k[2], &k[3],
               name, &end) != 14 ||
        !end)
        return design_wrong(r, "is not a valid transfer");
    const bool in = strcmp(array, "samples") == 0;
    design_fifo *f = fifo_named(r, name, strlen(name));
    if (!f || (in ? f->from_row : f->to_row) != 0)
        return design_wrong(r, "moves a FIFO that does not end at a shim");
    if (!check_move(r, f, in ? &r->samples : &r->results, o[3], n, k))
        return false;
    f->moves++;
    r->out->transfers++;
    *(in ? &r->out->bytes_in : &r->out->bytes_out) += design_bytes(&f->element);
    return true;
}

bool design_read_wait(design_reader *r, const char *s)
{
    char name[DESIGN_NAME];
    if (sscanf(s, "aiex.npu.dma_wait {symbol = @%31[a-z0-9_]}", name) != 1)
        return design_wrong(r, "is not a valid wait");
    const design_fifo *f = fifo_named(r, name, strlen(name));
    if (!f || f->to_row != 0)
        return design_wrong(r, "waits for a FIFO that is not an output");
    r->waits++;
    return true;
}
