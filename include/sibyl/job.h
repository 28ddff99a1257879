/* Jobs: audio to text, text to text, or audio to spans of speech. A job is a JSON document that specifies
   which models are called and how; see docs/jobs.md. */
#ifndef SIBYL_JOB_H
#define SIBYL_JOB_H

#include <sibyl/session.h>
#include <sibyl/text.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Results of jobs ----------------------------------------------------------------------------- */

/* A word of a segment. Times in seconds from the beginning of the recording. */
typedef struct sib_word {
    const char *text; /* with the blank that the tokenizer puts in front: " word" */
    double start, end;
    double probability; /* mean over the word's tokens */
} sib_word;

/* A stretch of speech, with the fields of openai-whisper's segments. */
typedef struct sib_segment {
    uint64_t id;
    uint64_t seek; /* frame (10 ms) at which its window begins */
    double start, end;
    const char *text;
    size_t n_tokens, n_words;
    const int32_t *tokens; /* (n_tokens) timestamps included */
    /* (n_words) NULL where word timestamps were not requested and the segment has text */
    const sib_word *words;
    double temperature, avg_logprob, compression_ratio, no_speech_prob;
    /* (n_tokens) log probability of each token among those that were allowed there; NULL where there are no tokens */
    const double *logprobs;
} sib_segment;

/* A stretch that contains speech. */
typedef struct sib_span {
    double start, end; /* seconds */
} sib_span;

/* Types of ports: the inputs and outputs of jobs and their nodes. */
#define SIB_PORT_TYPES(X)                                                                                    \
    X(SIB_PORT_AUDIO, "audio") /* tensor float32 [n]: mono samples at the job's sample rate */               \
    X(SIB_PORT_TENSOR, "tensor")                                                                             \
    X(SIB_PORT_TOKENS, "tokens")                                                                             \
    X(SIB_PORT_TEXT, "text")                                                                                 \
    X(SIB_PORT_NUMBER, "number")                                                                             \
    X(SIB_PORT_NUMBERS, "numbers")                                                                           \
    X(SIB_PORT_FLAG, "flag")                                                                                 \
    X(SIB_PORT_TEXTS, "texts")                                                                               \
    X(SIB_PORT_SEGMENTS, "segments")                                                                         \
    X(SIB_PORT_SPANS, "spans")

typedef enum sib_port_type {
    SIB_PORT_NONE = 0,
#define SIB_PORT_ENUM(constant, name) constant,
    SIB_PORT_TYPES(SIB_PORT_ENUM)
#undef SIB_PORT_ENUM
} sib_port_type;

/* A value at a port. Its pointers belong to whoever supplied the value. */
typedef struct sib_port_value {
    sib_port_type type;
    union {
        const sib_tensor *tensor; /* audio, tensor */
        struct {
            const int32_t *ids; /* (n) */
            size_t n;
        } tokens;
        struct {
            const char *data; /* (size) bytes, followed by a NUL */
            size_t size;
        } text;
        double number;
        struct {
            const double *data; /* (n) */
            size_t n;
        } numbers;
        bool flag;
        struct {
            const char *const *data; /* (n) */
            size_t n;
        } texts;
        struct {
            const sib_segment *data; /* (n) */
            size_t n;
        } segments;
        struct {
            const sib_span *data; /* (n) */
            size_t n;
        } spans;
    };
} sib_port_value;

/* ---- Jobs ---------------------------------------------------------------------------------------- */

typedef struct sib_job sib_job;

struct sib_registry;
struct sib_batch;
struct sib_prefix_cache;
struct sib_speculation;
typedef struct sib_job_options {
    const char *kind; /* which job to make for a model that several fit; NULL: the first */
    /* file to use instead of the one that the job names, or that lies next to the model */
    const char *tokenizer;
    const char *backends; /* as in sib_session_options */
    unsigned threads;     /* 0: one per processor that this process may use */
    /* for documents from strangers: a document may name only files in its own folder, by relative names
       without ".." and without symbolic links that lead out of it; others are SIB_ERR_ARGUMENT */
    bool confine;
    struct sib_registry
        *registry;  /* operators and backends of the caller (extend.h) for its models; may be NULL */
    sib_logger log; /* of the job's models and sessions */
} sib_job_options;

/* Opens a job: a JSON document, a folder that contains job.json, an ONNX model, or the folder that another program
   exported a decoder to (docs/jobs.md: genai_config.json, model.onnx, ...). The job of a model is the
   document next to it, STEM.job.json for STEM.onnx, otherwise one that Sibyl has for it (models made by
   sib_import, Silero's voice activity detector, decoders and encoders of text by the names and shapes of their inputs). Opens the models and checks their calls.
   options: may be NULL. out: owned by the caller, sib_job_free(&j).
   Errors: SIB_ERR_IO, SIB_ERR_FORMAT with the path to the fault ("/nodes/2/inputs/audio"),
   SIB_ERR_UNSUPPORTED (a kind of node, or a model without a job, by name), SIB_ERR_MEMORY. */
SIB_API sib_code sib_job_open(const char *path, const sib_job_options *options, sib_job **out,
                              sib_error *err);
/* The same from a document in memory. folder: that of models and tokenizers; NULL: the current one. */
SIB_API sib_code sib_job_open_text(const char *text, size_t size, const char *folder,
                                   const sib_job_options *options, sib_job **out, sib_error *err);

/* Where the models and tokenizers of a document come from, in place of files. file: what the document says ("digits"),
   to be read as the caller likes. *out: a reference that the job takes (sib_model_keep, sib_tokenizer_keep). Called from
   the thread that opens the job. A failure is reported with its place in the document. */
typedef struct sib_job_resolver {
    void *context;
    sib_code (*model)(void *context, const char *file, sib_model **out, sib_error *err);
    sib_code (*tokenizer)(void *context, const char *file, sib_tokenizer **out, sib_error *err);
} sib_job_resolver;

/* What is wrong with a document. */
typedef struct sib_job_fault {
    char path[256];                 /* "/nodes/2/inputs/audio"; "": none, or all of it */
    size_t line;                    /* from 1, where it is no JSON; otherwise 0 */
    char message[SIB_MESSAGE_SIZE]; /* a sentence, without the place */
} sib_job_fault;

/* Opens a document that names nothing but what `from` gives: no file is read, and a chat template is there as text. For
   documents from strangers. A tokenizer whose document has 'kind' or 'n_vocab' must be of these. options: may be NULL;
   `registry` and `confine` have no effect. fault: filled where this fails; may be NULL. out: owned by the caller.
   Errors: those of sib_job_open and of `from`. */
SIB_API sib_code sib_job_open_from(const char *text, size_t size, const sib_job_resolver *from,
                                   const sib_job_options *options, sib_job_fault *fault, sib_job **out,
                                   sib_error *err);
SIB_API void sib_job_free(sib_job **j);

/* The JSON document that Sibyl has for a model, or that of a folder (NULL: that of features), to be stored next to it and edited.
   *text: release with sib_free. Errors: those of sib_job_open. */
SIB_API sib_code sib_job_describe(const char *model, const sib_job_options *options, char **text,
                                  sib_error *err);

/* Writes that document next to the model, completely or not at all, and replaces one that is there;
   sib_job_open uses it from then on. *path (path may be NULL): the file, release with sib_free. Errors: those
   of sib_job_describe, SIB_ERR_IO. */
SIB_API sib_code sib_job_store(const char *model, const sib_job_options *options, char **path,
                               sib_error *err);

typedef struct sib_job_info {
    const char *kind, *name, *doc; /* doc may be NULL */
    double sample_rate;            /* of audio inputs, Hz */
    size_t n_inputs, n_outputs;
} sib_job_info;
SIB_API void sib_job_get_info(const sib_job *j, sib_job_info *out);
/* The document that the job was made from, whether read or Sibyl's own for the model; lives as long as j. */
SIB_API const char *sib_job_document(const sib_job *j);

typedef struct sib_job_port {
    const char *name, *doc; /* doc may be NULL */
    sib_port_type type;
    bool optional; /* an input that may be left out */
} sib_job_port;
/* Inputs and outputs in order. Return false where i is out of range. */
SIB_API bool sib_job_input(const sib_job *j, size_t i, sib_job_port *out);
SIB_API bool sib_job_output(const sib_job *j, size_t i, sib_job_port *out);
/* Whether the job has an input of this name. */
SIB_API bool sib_job_has_input(const sib_job *j, const char *name);
/* The graph of a job: its nodes, the typed ports of each, and where the value of each port comes from. All
   texts and values live as long as j. */
#define SIB_JOB_NO_NODE SIZE_MAX
typedef struct sib_job_node_info {
    const char *name, *op; /* op: its kind ("call", "loop", "transcribe") */
    const char *doc;       /* what the document says of it, otherwise what its kind does */
    const char *tokenizer; /* the name of the one that it uses; NULL: none */
    size_t loop;           /* number of the loop in whose body it stands, or SIB_JOB_NO_NODE */
} sib_job_node_info;
/* Nodes in the order of the document, each loop before the nodes of its body. Returns false where i is out of
   range. */
SIB_API bool sib_job_node(const sib_job *j, size_t i, sib_job_node_info *out);
/* Call i of a node: its name in the document, as of sib_job_session, and in *as (may be NULL) what the node
   uses it as ("model", "encoder"). Returns NULL where node or i is out of range. */
SIB_API const char *sib_job_node_call(const sib_job *j, size_t node, size_t i, const char **as);

/* TAKES: inputs; of a loop the initial values of its states, the tensors that it goes over, max_steps.
   GIVES: outputs; of a loop its states as they are in the end, and what it collects.
   BODY_TAKES: of a loop, what its body reads in each iteration: states, then items.
   BODY_GIVES: of a loop, what is taken from its body after each: states, what it collects, flags that end it. */
typedef enum sib_job_side {
    SIB_JOB_TAKES,
    SIB_JOB_GIVES,
    SIB_JOB_BODY_TAKES,
    SIB_JOB_BODY_GIVES,
} sib_job_side;

typedef enum sib_job_origin {
    SIB_JOB_FROM_NOTHING, /* an input that is left out, or a port that gives */
    SIB_JOB_FROM_LITERAL, /* of the document */
    SIB_JOB_FROM_INPUT,   /* of the job: its number is `port` */
    SIB_JOB_FROM_NODE,    /* port `port` of what `node` gives */
    SIB_JOB_FROM_LOOP,    /* port `port` of what the body of `node` takes */
} sib_job_origin;

typedef struct sib_job_source {
    sib_job_origin from;
    size_t node, port;
    const sib_port_value *literal; /* NULL: it is none */
} sib_job_source;
/* Port i of a side of a node. source: may be NULL. Returns false where node or i is out of range. */
SIB_API bool sib_job_node_port(const sib_job *j, size_t node, sib_job_side side, size_t i, sib_job_port *out,
                               sib_job_source *source);
/* Where the value of output i of the job comes from. Returns false where i is out of range. */
SIB_API bool sib_job_output_source(const sib_job *j, size_t i, sib_job_source *out);

/* The job's tokenizers in order, alive as long as the job. NULL where i is out of range. */
SIB_API const sib_tokenizer *sib_job_tokenizer(const sib_job *j, size_t i);
/* The name of that tokenizer in the document. NULL where i is out of range. */
SIB_API const char *sib_job_tokenizer_name(const sib_job *j, size_t i);
/* Model i of the document, as its file has it, and its name in *name (may be NULL). Alive as long as the job, or longer
   by sib_model_keep. NULL where i is out of range. */
SIB_API sib_model *sib_job_model(const sib_job *j, size_t i, const char **name);
/* The session of call i of the document, to be watched (sib_watch_add) or looked into, and its name in *call (may be
   NULL). Alive as long as the job. NULL where i is out of range. */
SIB_API sib_session *sib_job_session(const sib_job *j, size_t i, const char **call);
/* The session that makes call i in runs that nobody watches, to read its graphs and plans: of a decoder whose caches are
   buffers that double one of its own, whose graphs have further inputs and TensorScatter in the place of concatenation;
   else that of sib_job_session. Alive as long as the job. NULL where i is out of range. */
SIB_API sib_session *sib_job_unwatched_session(const sib_job *j, size_t i);
/* The prompt of a chat, by the job's chat template (chat.h) with the texts that its document gives ("bos_token", ...).
   variables (size): a JSON object with "messages", "add_generation_prompt", "tools", ...; its names win. *text:
   (*text_size) bytes followed by a NUL, release with sib_free; to be encoded with SIB_SPECIAL_FOUND. cancel: may be NULL.
   Thread-safe. Errors: SIB_ERR_UNSUPPORTED (the job has no template, or one that Sibyl cannot read), those of
   sib_chat_template_render. */
SIB_API sib_code sib_job_chat_prompt(const sib_job *j, const char *variables, size_t size,
                                     const sib_cancel *cancel, char **text, size_t *text_size,
                                     sib_error *err);
/* Name of a type ("audio"); "nothing" for anything else. */
SIB_API const char *sib_port_type_name(sib_port_type type);

/* ---- Running ------------------------------------------------------------------------------------- */

typedef struct sib_job_value {
    const char *name;
    sib_port_value value;
} sib_job_value;

/* Calls are made from the thread that runs the job; their arguments live until they return. A code other than
   SIB_OK ends the run with that code. */
typedef struct sib_job_run_options {
    void *context;
    sib_code (*on_segment)(void *context, const sib_segment *segment,
                           sib_error *err); /* as soon as it is final */
    sib_code (*on_text)(void *context, const char *text, size_t size,
                        sib_error *err); /* as soon as it is final */
    /* a token of a text, as soon as a node `sample` has chosen it, and its log probability among the logits; not one of
       those that end the text */
    sib_code (*on_token)(void *context, int32_t token, double logprob, sib_error *err);
    /* done of total, in seconds of audio or in tokens; total 0: not known */
    sib_code (*on_progress)(void *context, double done, double total, sib_error *err);
    /* Inner values by path: "decoder/step[12]/logits" is port "logits" of call "decoder" at its 13th call,
       "decoder/step[12]/model/NAME" a value inside its model, "mel/features" a node's output,
       "loop/step[3]/node/port" a value inside a loop. */
    sib_code (*on_tap)(void *context, const char *path, const sib_tensor *value, sib_error *err);
    const char *const *taps; /* (n_taps) paths, in which * stands for any characters and ? for one */
    size_t n_taps;
    bool *tap_matched;  /* (n_taps) set to true for each of taps that a value matched; may be NULL */
    uint64_t max_steps; /* max iterations of a loop; 0: 1,000,000 */
    const sib_cancel *cancel;
    sib_profile
        *profile; /* filled: a span of the job, of each of its nodes and calls of models; NULL: none */
    /* Of this job (batch.h): the steps of the batch's call are made together with those of other runs that use it;
       except where taps may want values inside its model. NULL: alone. */
    struct sib_batch *batch;
    /* Of this job (prefix_cache.h): calls go on with states that earlier runs left there, where the tokens begin alike,
       and leave theirs. NULL, in sib_job_run_many, and for calls of `batch`: none. */
    struct sib_prefix_cache *prefix_cache;
    /* Of this job (speculate.h): steps of its call read tokens that are guessed too. NULL, in sib_job_run_many, for calls of
       `batch`, and where taps or watches may see values of the call: none. */
    struct sib_speculation *speculation;
} sib_job_run_options;

typedef struct sib_job_result sib_job_result;

/* Runs the nodes that these outputs need. inputs: (n_inputs) by name, in any order; outputs: (n_outputs)
   names, or NULL with n_outputs 0 for all. options: may be NULL. out: owned by the caller,
   sib_job_result_free(&r). Thread-safe: several threads may run one job.
   Errors: SIB_ERR_ARGUMENT (an input or output by name, with its type), SIB_ERR_VALUE (a loop that does not
   end), SIB_ERR_CANCELLED, and those of nodes and models. */
SIB_API sib_code sib_job_run(const sib_job *j, size_t n_inputs, const sib_job_value *inputs, size_t n_outputs,
                             const char *const *outputs, const sib_job_run_options *options,
                             sib_job_result **out, sib_error *err);
/* The same for n_runs runs at once, at most SIB_JOB_MAX_RUNS. Calls for which the document has "batch" are
   made for several runs as one, which gives what each gives alone within float rounding; where taps are
   wanted, and in loops, none are. inputs: (n_runs * n_inputs) those of the first run in front. options: for
   all; `batch` has no effect on several. out: (n_runs) each owned by the caller; all NULL after a failure,
   which is that of one run. */
#define SIB_JOB_MAX_RUNS 65536
SIB_API sib_code sib_job_run_many(const sib_job *j, size_t n_runs, size_t n_inputs,
                                  const sib_job_value *inputs, size_t n_outputs, const char *const *outputs,
                                  const sib_job_run_options *options, sib_job_result **out, sib_error *err);
/* Output i in the order requested. Returns false where i is out of range. */
SIB_API bool sib_job_result_get(const sib_job_result *r, size_t i, sib_job_value *out);
/* An output by name, or NULL; lives as long as r. */
SIB_API const sib_port_value *sib_job_result_find(const sib_job_result *r, const char *name);
SIB_API void sib_job_result_free(sib_job_result **r);

#ifdef __cplusplus
}
#endif
#endif
