/* sibyl bench features|conv1d|peak|costs|layers|models|whisper|llama|first */
#include "bench/bench.h"

#include "bench/whisper_model.h"
#include "command.h"
#include "shared_options.h"

#include <stdlib.h>

typedef bench_settings settings;

static const char *const weights[] = {"f32", "f16", "bf16", "int8", "int4", NULL};

static const cli_option options[] = {
    OPT_INTEGER("threads", threads, "N", 0, 1024,
                "threads of the figures with several threads; 0: one per processor (default: 0; conv1d, "
                "models, costs: 1)"),
    OPT_NUMBER("seconds", seconds, "S", 0, 1e6, "measure for about S seconds (default: 5; models: 0.5 each)",
               .above = true),
    OPT_INTEGER("repeat", repeat, "N", 1, 1000000, "measure N rounds instead"),
    OPT_FLAG("peers", peers,
             "measure peers in the same rounds: FFTW, torch and onnxruntime, where they are installed",
             .more = "torch runs under a Python; onnxruntime is called through its C interface."),
    OPT_BACKENDS("backend", backend,
                 "models, whisper, llama: backends in order of preference (default: all)"),
    OPT_PASSES,
    OPT_TUNE,
    OPT_EXTENSIONS,
    OPT_DIM(dims),
    OPT_LIST("shape", shapes, "B,Ci,L,Co,k,s,p",
             "conv1d: a shape of your own instead: batch, input channels, length, output channels, kernel, "
             "stride, padding",
             .more = "May be given several times."),
    OPT_INTEGER(
        "layers", layers, "N", 1, 1000000,
        "layers: draw N layers (default: 800); whisper, llama: the first N only (default: all; llama: 2)"),
    OPT_INTEGER("seed", seed, "N", 0, 1000000000, "layers: seed of the draws (default: 0)"),
    OPT_TEXT("only", only, "PATTERN",
             "layers: measure those of which family and name match, such as 'conv *k3 s1*'"),
    OPT_FLAG("fresh", fresh,
             "models, whisper: time to the first result and memory too, each in its own process"),
    OPT_FLAG(
        "claims", claims,
        "models, whisper: the share of time spent in operators that a backend other than ref has claimed",
        .more = "From a profile of some runs; the minimum and that of all models together, against 99 %, and "
                "what ref ran."),
    OPT_FLAG(
        "error", error,
        "conv1d, models, whisper: errors against the backend ref in double (conv1d: the definition)",
        .more =
            "The largest difference, the RMS of the differences over the RMS of the result, and the largest "
            "difference over its element (or over that RMS, where the element is smaller). Results of "
            "float16, "
            "bfloat16 and int8 are compared with those of the same numbers and with those of the float32 "
            "numbers that these were rounded from. The networks of whisper take some 10 seconds of a core "
            "each."),
    OPT_CHOICE("size", size, whisper_size_names, "whisper: of the model (default: tiny)"),
    OPT_INTEGER("batch", batch, "N", 1, 1024, "whisper: the encoder on N recordings at once too"),
    OPT_CHOICE("dtype", weights, weights,
               "whisper, llama: type of the weights in the file (default: f32; llama: int4)",
               .more = "They are widened before each product. int4 is in blocks of 32, for products alone."),
    OPT_NUMBER("monitor", monitor, "S", 0.001, 1e6,
               "read CPU and memory every S seconds, for the JSON document"),
    OPT_JSON,
    OPT_END};

static const char more[] =
    "Shows the statistics of all rounds. With --peers, blocks of runs of Sibyl and of onnxruntime alternate, "
    "both on as many threads: their ratio is shown, the geometric mean of all ratios and the worst, and "
    "where the outputs of the two differ. whisper writes its networks with random weights: the encoder on 30 "
    "s, a prompt of 256 tokens, and a step of the decoder after 100 positions; it shows GFLOP/s and the "
    "share of what the machine, or the device that --backend names first, can do, and --peers measures torch "
    "in "
    "eager mode too. llama does the same with layers of a Llama of 8 billion weights. torch and onnxruntime "
    "are searched with $SIBYL_PYTHON, or else with a virtual environment next to the build, or else with "
    "python3; $SIBYL_ONNXRUNTIME names onnxruntime's library.";

static const cli_verb verbs[] = {
    {"features", "log-mel features of 30 s: microseconds per frame, one thread and several", bench_features,
     false},
    {"conv1d", "the two convolutions of the speech stem in float32, float16 and bfloat16", bench_conv1d,
     false},
    {"peak", "fused multiply-adds and bytes read per second, one thread and several", bench_peak, false},
    {"costs",
     "ways to compute convolutions: the numbers by which one is chosen, as a row for src/kernel/costs.def",
     bench_costs, false},
    {"models", "runs of models: MODEL.onnx files, or folders of cases with their inputs", bench_models, true},
    {"layers", "single layers drawn from what networks have, and small graphs", bench_layers, false},
    {"whisper", "Whisper tiny with random weights: encoder, prompt, step of the decoder", bench_whisper,
     false},
    {"llama", "layers of Llama 8B with random weights in 4 bits: prompt, step", bench_llama, false},
    {"first",
     "sibyl|onnxruntime MODEL: seconds to open and to run once, resident bytes after and at most, on one "
     "line; used by --fresh",
     bench_first, true},
    {0}};

/* One per processor that this process may use; 0: unknown. */
static unsigned processors(void)
{
    sib_pool *pool = NULL;
    unsigned n = sib_pool_create(0, &pool, NULL) == SIB_OK ? sib_pool_threads(pool) : 0;
    sib_pool_free(&pool);
    return n;
}

static int bench(const cli_command *self, int argc, char **argv)
{
    bench_settings s = {.passes = PASS_DEFAULTS, .threads = -1, .weights = -1};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    const cli_verb *verb = cli_verb_of(self, n, argv);
    s.threads = s.threads ? (s.threads < 0 ? 0 : s.threads) : (long)processors();
    s.operands = argv + 1;
    s.n_operands = n - 1;
    code = CLI_USAGE;
    if (verb && verb->operands && n == 1)
        cli_usage(self, "bench %s takes files or folders after it", verb->name);
    else if (verb)
        code = extensions_load(&s.ext) ? verb->run(&s) : CLI_FAILED;
    extensions_free(&s.ext);
    free(s.dims.items);
    free(s.shapes.items);
    return code;
}

const cli_command command_bench = {
    .name = "bench",
    .summary = "measure features, convolutions, the machine or models",
    .operands = "features|conv1d|peak|costs|layers|whisper|llama|models|first [MODEL|DIR...] [options]",
    .options = options,
    .verbs = verbs,
    .more = more,
    .run = bench};
