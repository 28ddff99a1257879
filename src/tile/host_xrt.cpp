// Runs sibyl_tile.xclbin on an NPU through XRT: samples in, features as .npy out, and what a call took.
// Not run on a chip so far: against stubs of XRT's headers alone.
//
//     sibyl_tile_host sibyl_tile.xclbin sibyl_tile_insts.bin IN.raw OUT.npy
//
// IN.raw: mono samples of 16 bits at 16 kHz, little-endian, as of `ffmpeg -i … -f s16le -ac 1 -ar 16000`.
// OUT.npy: (bands, frames), features times SIBYL_TILE_SCALE.
#include "sibyl_tile.h"

#include "xrt/xrt_bo.h"
#include "xrt/xrt_device.h"
#include "xrt/xrt_kernel.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace
{

using result = std::conditional_t<SIBYL_TILE_BITS == 8, std::int8_t, std::int16_t>;

constexpr std::size_t edge = SIBYL_TILE_WINDOW / 2;

template <typename T> std::vector<T> read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error(path + ": cannot be opened");
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.empty() || bytes.size() % sizeof(T))
        throw std::runtime_error(path + ": is empty or ends inside an element");
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

// Mirrors the recording at its ends; zeros follow, as far as the last call reads.
std::vector<std::int16_t> lay_out(const std::vector<std::int16_t> &samples, std::size_t calls)
{
    const std::size_t n = samples.size();
    std::vector<std::int16_t> laid(
        std::max(n + 2 * edge, (calls - 1) * SIBYL_TILE_STEP + SIBYL_TILE_SAMPLES));
    std::copy(samples.begin(), samples.end(), laid.begin() + edge);
    for (std::size_t i = 1; i <= edge; i++) {
        laid[edge - i] = samples[i];
        laid[edge + n - 1 + i] = samples[n - 1 - i];
    }
    return laid;
}

// The program on the device, with a buffer for a call's samples and one for its results.
class program
{
  public:
    program(const std::string &xclbin, const std::string &instructions)
        : device(0), code(read_file<std::uint32_t>(instructions))
    {
        const xrt::xclbin binary(xclbin);
        std::string name;
        for (auto &k : binary.get_kernels())
            if (k.get_name().rfind("MLIR_AIE", 0) == 0)
                name = k.get_name();
        if (name.empty())
            throw std::runtime_error(xclbin + ": has no kernel MLIR_AIE");
        device.register_xclbin(binary);
        context = xrt::hw_context(device, binary.get_uuid());
        kernel = xrt::kernel(context, name);
        sequence = xrt::bo(device, code.size() * sizeof code[0], XCL_BO_FLAGS_CACHEABLE, kernel.group_id(1));
        in = xrt::bo(device, SIBYL_TILE_SAMPLES * sizeof(std::int16_t), XRT_BO_FLAGS_HOST_ONLY,
                     kernel.group_id(3));
        out =
            xrt::bo(device, SIBYL_TILE_RESULTS * sizeof(result), XRT_BO_FLAGS_HOST_ONLY, kernel.group_id(4));
        std::memcpy(sequence.map<void *>(), code.data(), code.size() * sizeof code[0]);
        sequence.sync(XCL_BO_SYNC_BO_TO_DEVICE);
    }

    // samples: (SIBYL_TILE_SAMPLES). results: the first n of a call's results.
    void call(const std::int16_t *samples, result *results, std::size_t n)
    {
        constexpr unsigned run_instructions = 3;
        std::memcpy(in.map<void *>(), samples, SIBYL_TILE_SAMPLES * sizeof *samples);
        in.sync(XCL_BO_SYNC_BO_TO_DEVICE);
        auto run = kernel(run_instructions, sequence, static_cast<unsigned>(code.size()), in, out);
        if (run.wait() != ERT_CMD_STATE_COMPLETED)
            throw std::runtime_error("the kernel did not complete a call");
        out.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
        std::memcpy(results, out.map<void *>(), n * sizeof *results);
    }

  private:
    xrt::device device;
    std::vector<std::uint32_t> code;
    xrt::hw_context context;
    xrt::kernel kernel;
    xrt::bo sequence, in, out;
};

// values: (frames, bands). Raises them to the maximum of all less 2.0, and writes them as (bands, frames).
void save(const std::string &path, std::vector<result> &values, std::size_t frames)
{
    const int least = *std::max_element(values.begin(), values.end()) - SIBYL_TILE_RANGE;
    std::vector<result> rows(values.size());
    for (std::size_t f = 0; f < frames; f++)
        for (std::size_t b = 0; b < SIBYL_TILE_BANDS; b++)
            rows[b * frames + f] =
                static_cast<result>(std::max<int>(values[f * SIBYL_TILE_BANDS + b], least));
    std::string header = std::string("{'descr': '") + (SIBYL_TILE_BITS == 8 ? "|i1" : "<i2") +
                         "', 'fortran_order': False, 'shape': (" + std::to_string(SIBYL_TILE_BANDS) + ", " +
                         std::to_string(frames) + "), }";
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    std::ofstream file(path, std::ios::binary);
    file.write("\x93NUMPY\x01\x00", 8);
    file.put(static_cast<char>(header.size() & 255)).put(static_cast<char>(header.size() >> 8));
    file << header;
    file.write(reinterpret_cast<const char *>(rows.data()),
               static_cast<std::streamsize>(rows.size() * sizeof rows[0]));
    if (!file.flush())
        throw std::runtime_error(path + ": cannot be written");
}

void run(char **argv)
{
    const std::vector<std::int16_t> samples = read_file<std::int16_t>(argv[3]);
    if (samples.size() <= edge)
        throw std::runtime_error(std::string(argv[3]) + ": is too short to be mirrored at its ends");
    const std::size_t frames = samples.size() / SIBYL_TILE_HOP;
    const std::size_t calls = (frames + SIBYL_TILE_BATCH - 1) / SIBYL_TILE_BATCH;
    const std::vector<std::int16_t> laid = lay_out(samples, calls);
    std::vector<result> values(frames * SIBYL_TILE_BANDS);
    program tiles(argv[1], argv[2]);
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t k = 0; k < calls; k++) {
        const std::size_t first = k * SIBYL_TILE_BATCH;
        const std::size_t n = std::min<std::size_t>(SIBYL_TILE_BATCH, frames - first);
        tiles.call(laid.data() + k * SIBYL_TILE_STEP, values.data() + first * SIBYL_TILE_BANDS,
                   n * SIBYL_TILE_BANDS);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    save(argv[4], values, frames);
    std::printf("%zu frames in %zu calls of %d: %.4g s, %.4g us a call\n", frames, calls, SIBYL_TILE_BATCH,
                seconds.count(), 1e6 * seconds.count() / static_cast<double>(calls));
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5) {
        std::fprintf(stderr, "usage: sibyl_tile_host XCLBIN INSTRUCTIONS IN.raw OUT.npy\n");
        return 2;
    }
    try {
        run(argv);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "sibyl_tile_host: %s\n", e.what());
        return 1;
    }
    return 0;
}
