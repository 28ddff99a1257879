/* The part of onnxruntime's documented C interface (version 11 and later: entries are only added at the end)
   that the benchmarks call. Entries between these are not named. */
#ifndef CLI_PEER_ORT_API_H
#define CLI_PEER_ORT_API_H

#include <stddef.h>
#include <stdint.h>

#define ORT_API_WANTED       11
#define ORT_LOG_FATAL        4
#define ORT_DEVICE_ALLOCATOR 0
#define ORT_MEMORY_DEFAULT   0

typedef struct ort_status ort_status; /* NULL: no error */
typedef struct ort_env ort_env;
typedef struct ort_memory_info ort_memory_info;
typedef struct ort_allocator ort_allocator;
typedef struct ort_session_options ort_session_options;
typedef struct ort_session ort_session;
typedef struct ort_run_options ort_run_options;
typedef struct ort_value ort_value;
typedef struct ort_shape ort_shape; /* OrtTensorTypeAndShapeInfo */

typedef void (*ort_unnamed)(void);

typedef struct ort_api {
    ort_unnamed before_message[2];
    const char *(*get_error_message)(const ort_status *);
    ort_status *(*create_env)(int log_level, const char *name, ort_env **);
    ort_unnamed before_session[3];
    ort_status *(*create_session)(const ort_env *, const char *path, const ort_session_options *,
                                  ort_session **);
    ort_unnamed before_run[1];
    ort_status *(*run)(ort_session *, const ort_run_options *, const char *const *input_names,
                       const ort_value *const *inputs, size_t n_inputs, const char *const *output_names,
                       size_t n_outputs, ort_value **outputs);
    ort_status *(*create_session_options)(ort_session_options **);
    ort_unnamed before_log[11];
    ort_status *(*set_log_severity)(ort_session_options *, int level);
    ort_unnamed before_threads[1];
    ort_status *(*set_intra_threads)(ort_session_options *, int n);
    ort_status *(*set_inter_threads)(ort_session_options *, int n);
    ort_unnamed before_count[5];
    ort_status *(*session_output_count)(const ort_session *, size_t *);
    ort_unnamed before_name[5];
    ort_status *(*session_output_name)(const ort_session *, size_t, ort_allocator *, char **);
    ort_unnamed before_tensor[10];
    ort_status *(*create_tensor)(ort_allocator *, const int64_t *dims, size_t rank, int element,
                                 ort_value **);
    ort_status *(*create_tensor_over)(const ort_memory_info *, void *data, size_t bytes, const int64_t *dims,
                                      size_t rank, int element, ort_value **);
    ort_status *(*is_tensor)(const ort_value *, int *);
    ort_status *(*tensor_data)(ort_value *, void **);
    ort_status *(*fill_strings)(ort_value *, const char *const *, size_t);
    ort_unnamed before_element[7];
    ort_status *(*shape_element)(const ort_shape *, int *);
    ort_status *(*shape_rank)(const ort_shape *, size_t *);
    ort_status *(*shape_dims)(const ort_shape *, int64_t *, size_t);
    ort_unnamed before_shape[2];
    ort_status *(*tensor_shape)(const ort_value *, ort_shape **);
    ort_unnamed before_memory[3];
    ort_status *(*create_cpu_memory_info)(int allocator, int memory, ort_memory_info **);
    ort_unnamed before_free[6];
    ort_status *(*allocator_free)(ort_allocator *, void *);
    ort_unnamed before_allocator[1];
    ort_status *(*get_default_allocator)(ort_allocator **);
    ort_unnamed before_release[13];
    void (*release_env)(ort_env *);
    void (*release_status)(ort_status *);
    void (*release_memory_info)(ort_memory_info *);
    void (*release_session)(ort_session *);
    void (*release_value)(ort_value *);
    ort_unnamed before_release_shape[2];
    void (*release_shape)(ort_shape *);
    void (*release_session_options)(ort_session_options *);
} ort_api;

/* Indices of the entries in that interface. */
#define ORT_AT(entry, place)                                                                                 \
    _Static_assert(offsetof(ort_api, entry) == (place) * sizeof(ort_unnamed), "the place of " #entry)
ORT_AT(get_error_message, 2);
ORT_AT(create_session, 7);
ORT_AT(run, 9);
ORT_AT(set_log_severity, 22);
ORT_AT(set_intra_threads, 24);
ORT_AT(session_output_count, 31);
ORT_AT(session_output_name, 37);
ORT_AT(create_tensor, 48);
ORT_AT(fill_strings, 52);
ORT_AT(shape_element, 60);
ORT_AT(shape_dims, 62);
ORT_AT(tensor_shape, 65);
ORT_AT(create_cpu_memory_info, 69);
ORT_AT(allocator_free, 76);
ORT_AT(get_default_allocator, 78);
ORT_AT(release_env, 92);
ORT_AT(release_value, 96);
ORT_AT(release_shape, 99);
ORT_AT(release_session_options, 100);
#undef ORT_AT

typedef struct ort_api_base {
    const ort_api *(*get_api)(uint32_t version);
    const char *(*version)(void);
} ort_api_base;

#endif
