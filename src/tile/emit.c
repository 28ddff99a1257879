/* Writes the files of a program for the chip. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "tile/design.h"
#include "tile/host_text.h"
#include "tile/kernel_bank_128_text.h"
#include "tile/kernel_bank_80_text.h"
#include "tile/kernel_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The check ---- */

sib_code sib_tile_check(const char *design, const sib_tile_plan *plan, sib_error *err)
{
    tile_design d;
    sib_tile_plan p;
    sib_code code = sib_tile_plan_make(&plan->options, plan->frames, &p, err);
    if (code == SIB_OK)
        code = tile_design_read(design, &d, err);
    if (code != SIB_OK)
        return code;
    const struct {
        const char *name;
        uint64_t found, planned;
    } figures[] = {{"tiles", d.tiles, p.tiles_used},
                   {"frames of an element", d.rows, p.rows},
                   {"bytes of the input FIFO", d.fifo_in, p.fifo_in},
                   {"bytes of the output FIFO", d.fifo_out, p.fifo_out},
                   {"bytes of the stack", d.stack, p.stack},
                   {"total bytes", d.fifo_in + d.fifo_out + d.stack + p.constants + p.state, p.total},
                   {"bytes of the fullest memory tile", d.memory_tile, p.memory_tile},
                   {"columns with links", d.linked, p.linked},
                   {"transfers", d.transfers * p.calls, p.transfers},
                   {"bytes in", d.bytes_in * p.calls, p.bytes_in},
                   {"bytes out", d.bytes_out * p.calls, p.bytes_out}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (figures[i].found != figures[i].planned)
            return err_set(err, SIB_ERR_VALUE, "%s: the design has %llu, but the plan %llu", figures[i].name,
                           (unsigned long long)figures[i].found, (unsigned long long)figures[i].planned);
    return SIB_OK;
}

/* ---- Texts ---- */

typedef struct job {
    const sib_tile_plan *plan;
    tile_program program;
} job;

static void write_design(const job *j, byte_buffer *out)
{
    tile_design_write(&j->program, j->plan, TILE_PRETTY, out);
}

static void write_generic(const job *j, byte_buffer *out)
{
    tile_design_write(&j->program, j->plan, TILE_GENERIC, out);
}

/* Concatenates sources without their includes of each other. */
static void add_source(byte_buffer *out, const char *source)
{
    static const char include[] = "#include \"";
    while (*source) {
        const size_t length = strcspn(source, "\n") + 1;
        if (strncmp(source, include, strlen(include)) != 0)
            buf_add(out, source, length, NULL);
        source += length;
    }
}

static void write_kernel(const job *j, byte_buffer *out)
{
    const unsigned bands = j->program.bands, bits = 8 * j->program.out_size;
    buf_printf(out, NULL,
               "/* Whisper's log-mel features of one frame, %u bands of int%u, for a compute tile. */\n",
               bands, bits);
    add_source(out, kernel_text);
    add_source(out, bands == 80 ? kernel_bank_80_text : kernel_bank_128_text);
    buf_printf(out, NULL,
               "\n/* Frame `row` of an element. pcm: (rows, 400); features: (rows, %u), before the clamp "
               "to the recording's "
               "maximum. */\n"
               "void sibyl_tile_frame(const int16_t *pcm, int%u_t *features, int32_t row);\n\n"
               "void sibyl_tile_frame(const int16_t *pcm, int%u_t *features, int32_t row)\n{\n"
               "    static tile_state state;\n"
               "    tile_frames_int%u(&state, &tile_bank_%u, pcm + row * TILE_FRAME_SAMPLES, "
               "TILE_FRAME_SAMPLES, 1,\n"
               "                     features + row * %u);\n}\n",
               bands, bits, bits, bits, bands, bands);
}

static void write_header(const job *j, byte_buffer *out)
{
    const tile_program *p = &j->program;
    buf_printf(out, NULL,
               "/* What a call of sibyl_tile.xclbin takes and gives. Made together with the program: its "
               "batch is set nowhere else.\n"
               "\n"
               "   A recording of n samples is laid out once: its samples 200 down to 1, its n samples, "
               "its samples n - 2 down to n - 201,\n"
               "   then zeros. Call k gets the SIBYL_TILE_SAMPLES samples from k * SIBYL_TILE_STEP on; of "
               "its results, the first\n"
               "   SIBYL_TILE_BATCH frames count. After the last call every value below the maximum of "
               "all - SIBYL_TILE_RANGE is raised to\n"
               "   that. */\n"
               "#ifndef SIBYL_TILE_H\n#define SIBYL_TILE_H\n\n"
               "#define SIBYL_TILE_BATCH   %u /* frames of a call that count */\n"
               "#define SIBYL_TILE_MOVED   %u /* frames that it moves */\n"
               "#define SIBYL_TILE_STEP    %llu /* samples from call to call */\n"
               "#define SIBYL_TILE_SAMPLES %llu /* int16 in */\n"
               "#define SIBYL_TILE_RESULTS %llu /* int%u out: (frames, bands) */\n"
               "#define SIBYL_TILE_BANDS   %u\n"
               "#define SIBYL_TILE_BITS    %u /* of a result */\n"
               "#define SIBYL_TILE_WINDOW  %d /* samples of a frame */\n"
               "#define SIBYL_TILE_HOP     %d /* samples from frame to frame */\n"
               "#define SIBYL_TILE_SCALE   %d /* a result is a feature times this */\n"
               "#define SIBYL_TILE_RANGE   %d /* 2.0 */\n\n#endif\n",
               (unsigned)p->batch, (unsigned)(p->n_tiles * p->rows),
               (unsigned long long)p->batch * SIB_TILE_HOP, (unsigned long long)p->in_samples,
               (unsigned long long)p->out_values, (unsigned)(8 * p->out_size), (unsigned)p->bands,
               (unsigned)(8 * p->out_size), SIB_TILE_WINDOW, SIB_TILE_HOP, p->out_size == 1 ? 64 : 16384,
               p->out_size == 1 ? 128 : 32768);
}

static void write_host(const job *j, byte_buffer *out)
{
    (void)j;
    buf_printf(out, NULL, "%s", host_text);
}

static void write_script(const job *j, byte_buffer *out)
{
    (void)j;
    buf_printf(
        out, NULL, "%s",
        "#!/bin/sh\n"
        "# Builds sibyl_tile.xclbin and sibyl_tile_insts.bin. Needs MLIR-AIE's aiecc (or aiecc.py) on the "
        "path "
        "and a clang for AIE2:\n"
        "# $PEANO_INSTALL_DIR/bin/clang, or $CLANG. Where $XILINX_XRT names XRT's folder, sibyl_tile_host "
        "too.\n"
        "set -eu\n"
        "cd \"$(dirname \"$0\")\"\n"
        "clang=${CLANG:-${PEANO_INSTALL_DIR:?names the folder of clang for AIE2}/bin/clang}\n"
        "\"$clang\" --target=aie2-none-unknown-elf -std=c11 -O2 -ffreestanding -c sibyl_tile.c -o "
        "sibyl_tile.o\n"
        "if command -v \"${clang%clang*}llvm-size\" > /dev/null; then # code must leave room for the core's "
        "loop\n"
        "    code=$(\"${clang%clang*}llvm-size\" -A sibyl_tile.o | awk '/^\\.text/ { n += $2 } END { print n "
        "+ 0 "
        "}')\n"
        "    if [ \"$code\" -gt 15360 ]; then\n"
        "        echo \"sibyl_tile.o has $code bytes of code, of 16384 of program memory: compile it with "
        "-Os\" "
        ">&2\n"
        "        exit 1\n"
        "    fi\n"
        "fi\n"
        "aiecc=$(command -v aiecc || echo aiecc.py)\n"
        "\"$aiecc\" --alloc-scheme=basic-sequential --aie-generate-xclbin --aie-generate-npu-insts \\\n"
        "    --no-compile-host --no-xchesscc --no-xbridge \\\n"
        "    --xclbin-name=sibyl_tile.xclbin --npu-insts-name=sibyl_tile_insts.bin aie.mlir\n"
        "if [ -n \"${XILINX_XRT:-}\" ]; then\n"
        "    \"${CXX:-c++}\" -std=c++17 -O2 -I\"$XILINX_XRT/include\" host.cpp -L\"$XILINX_XRT/lib\" "
        "-lxrt_coreutil \\\n"
        "        -o sibyl_tile_host\n"
        "fi\n");
}

/* ---- Files ---- */

#define FILES 6

static const struct {
    const char *name;
    void (*write)(const job *j, byte_buffer *out);
    unsigned mode;
} files[FILES] = {{"aie.mlir", write_design, 0},     {"aie_generic.mlir", write_generic, 0},
                  {"sibyl_tile.c", write_kernel, 0}, {"sibyl_tile.h", write_header, 0},
                  {"host.cpp", write_host, 0},       {"build.sh", write_script, 0111}};

static sib_code write_aside(const job *j, size_t i, const char *folder, outfile *f, sib_error *err)
{
    byte_buffer text = {0}, path = {0};
    files[i].write(j, &text);
    buf_printf(&path, NULL, "%s/%s", folder, files[i].name);
    sib_code code = SIB_OK;
    if (text.code != SIB_OK || path.code != SIB_OK)
        code = err_memory(err, text.n, files[i].name);
    if (code == SIB_OK && i == 0)
        code = sib_tile_check(text.data, j->plan, err);
    if (code == SIB_OK)
        code = outfile_begin(f, path.data, err);
    struct stat st;
    if (code == SIB_OK &&
        (fwrite(text.data, 1, text.n, f->stream) != text.n ||
         (files[i].mode && (fstat(fileno(f->stream), &st) != 0 ||
                            fchmod(fileno(f->stream), (st.st_mode & 0777) | files[i].mode) != 0))))
        code = err_set(err, SIB_ERR_IO, "%s: %s", path.data, strerror(errno));
    buf_free(&text);
    buf_free(&path);
    return code;
}

/* Files already written are removed where a later one fails. */
static sib_code write_all(const job *j, const char *folder, sib_error *err)
{
    outfile aside[FILES] = {{0}};
    sib_code code = SIB_OK;
    size_t done = 0;
    for (size_t i = 0; i < FILES && code == SIB_OK; i++)
        code = write_aside(j, i, folder, &aside[i], err);
    for (; done < FILES && code == SIB_OK; done += code == SIB_OK)
        code = outfile_commit(&aside[done], err);
    for (size_t i = 0; i < FILES; i++)
        outfile_abort(&aside[i]);
    for (size_t i = 0; i < done && code != SIB_OK; i++) {
        byte_buffer path = {0};
        buf_printf(&path, NULL, "%s/%s", folder, files[i].name);
        if (path.code == SIB_OK)
            unlink(path.data);
        buf_free(&path);
    }
    return code;
}

sib_code sib_tile_emit(const sib_tile_plan *plan, const char *folder, sib_error *err)
{
    job j = {.plan = plan};
    sib_tile_plan again;
    sib_code code = sib_tile_plan_make(&plan->options, plan->frames, &again, err);
    if (code != SIB_OK)
        return code;
    if (!again.fits)
        return err_set(err, SIB_ERR_SIZE, "the plan needs %llu B, but a tile has %llu B",
                       (unsigned long long)again.total, (unsigned long long)plan->options.memory);
    j.plan = &again;
    tile_program_make(&again, &j.program);
    for (uint32_t c = 0; c < j.program.n_channels; c++)
        if (j.program.channels[c].in.sizes[2] > TILE_MAX_SIZE)
            return err_set(err, SIB_ERR_SIZE, "a transfer of %u frames: a shim's DMA counts to at most %d",
                           (unsigned)j.program.channels[c].in.sizes[2], TILE_MAX_SIZE);
    const bool made = mkdir(folder, 0777) == 0;
    if (!made && errno != EEXIST)
        return err_set(err, SIB_ERR_IO, "%s: %s", folder, strerror(errno));
    code = write_all(&j, folder, err);
    if (code != SIB_OK && made)
        rmdir(folder);
    return code;
}
