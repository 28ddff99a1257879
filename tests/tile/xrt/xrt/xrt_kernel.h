// Stubs of the part of XRT that a host runner uses. A call computes the frames of its samples with the emitted
// kernel, as the tiles of a design would; what a chip alone shows (DMA, locks, instructions) is not tried.
#ifndef TESTS_TILE_XRT_KERNEL_H
#define TESTS_TILE_XRT_KERNEL_H

#include "sibyl_tile.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using stub_result = std::conditional_t<SIBYL_TILE_BITS == 8, std::int8_t, std::int16_t>;
extern "C" void sibyl_tile_frame(const std::int16_t *pcm, stub_result *features, std::int32_t row);

enum ert_cmd_state { ERT_CMD_STATE_COMPLETED = 4, ERT_CMD_STATE_ERROR = 5 };
enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE, XCL_BO_SYNC_BO_FROM_DEVICE };
#define XCL_BO_FLAGS_CACHEABLE (1U << 24)
#define XRT_BO_FLAGS_HOST_ONLY (1U << 29)

namespace xrt
{

struct uuid {
};

class xclbin
{
  public:
    struct kernel {
        std::string get_name() const
        {
            return "MLIR_AIE";
        }
    };
    explicit xclbin(const std::string &path)
    {
        if (path.empty())
            throw std::runtime_error("no xclbin");
    }
    std::vector<kernel> get_kernels() const
    {
        return {{}};
    }
    uuid get_uuid() const
    {
        return {};
    }
};

class device
{
  public:
    explicit device(unsigned)
    {
    }
    uuid register_xclbin(const xclbin &)
    {
        return {};
    }
};

class hw_context
{
  public:
    hw_context() = default;
    hw_context(const device &, const uuid &)
    {
    }
};

// Two copies, so that a missing sync is seen.
class bo
{
  public:
    bo() = default;
    bo(const device &, std::size_t bytes, unsigned, int)
        : host(std::make_shared<std::vector<char>>(bytes)), chip(std::make_shared<std::vector<char>>(bytes))
    {
    }
    template <typename T> T map()
    {
        return reinterpret_cast<T>(host->data());
    }
    void sync(xclBOSyncDirection way)
    {
        (way == XCL_BO_SYNC_BO_TO_DEVICE ? *chip : *host) = way == XCL_BO_SYNC_BO_TO_DEVICE ? *host : *chip;
    }
    std::shared_ptr<std::vector<char>> host, chip;
};

class run
{
  public:
    explicit run(ert_cmd_state state) : state(state)
    {
    }
    ert_cmd_state wait() const
    {
        return state;
    }

  private:
    ert_cmd_state state;
};

class kernel
{
  public:
    kernel() = default;
    kernel(const hw_context &, const std::string &)
    {
    }
    int group_id(int argument) const
    {
        return argument;
    }
    run operator()(unsigned opcode, bo &sequence, unsigned words, bo &in, bo &out)
    {
        if (opcode != 3 || sequence.chip->size() != 4 * words || *sequence.chip != *sequence.host ||
            in.chip->size() != 2 * SIBYL_TILE_SAMPLES ||
            out.chip->size() != sizeof(stub_result) * SIBYL_TILE_RESULTS)
            return run(ERT_CMD_STATE_ERROR);
        const auto *samples = reinterpret_cast<const std::int16_t *>(in.chip->data());
        auto *results = reinterpret_cast<stub_result *>(out.chip->data());
        for (int f = 0; f < SIBYL_TILE_MOVED; f++)
            sibyl_tile_frame(samples + SIBYL_TILE_HOP * f, results + SIBYL_TILE_BANDS * f, 0);
        return run(ERT_CMD_STATE_COMPLETED);
    }
};

} // namespace xrt

#endif
