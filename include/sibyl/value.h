/* Inputs and outputs of models: tensors, sequences, optionals and maps. */
#ifndef SIBYL_VALUE_H
#define SIBYL_VALUE_H

#include <sibyl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sib_value_kind {
    SIB_VALUE_TENSOR = 1,
    SIB_VALUE_SEQUENCE,
    SIB_VALUE_OPTIONAL, /* holds one value or none */
    SIB_VALUE_MAP       /* keys and their values */
} sib_value_kind;

/* Values are immutable and share what they hold: a copy copies no element. */
typedef struct sib_value sib_value;

/* A value that views `tensor`, which the caller keeps. out: owned by the caller, sib_value_free(&v). Errors:
   SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_from_tensor(const sib_tensor *tensor, sib_value **out, sib_error *err);
/* A sequence of copies of items (n), which may be empty. Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_sequence(size_t n, const sib_value *const *items, sib_value **out, sib_error *err);
/* An optional that holds a copy of item, or nothing where item is NULL. */
SIB_API sib_code sib_value_optional(const sib_value *item, sib_value **out, sib_error *err);
/* A map from keys [n] (int64, another integer type or string) to values [n], both views.
   Errors: SIB_ERR_ARGUMENT (ranks or counts), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_map(const sib_tensor *keys, const sib_tensor *values, sib_value **out,
                               sib_error *err);
/* Another value over the same elements. */
SIB_API sib_code sib_value_copy(const sib_value *v, sib_value **out, sib_error *err);
/* A copy in its own memory, with every tensor dense. Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_clone(const sib_value *v, sib_value **out, sib_error *err);
/* True where v and everything in it are the library's own memory, dense and visible to no other value or
   tensor, so that writing to the elements changes nothing else. */
SIB_API bool sib_value_is_sole(const sib_value *v);
SIB_API void sib_value_free(sib_value **v);

/* Outputs of a run may stay on the session's device (sib_run_options.stay). Whoever reads the elements of such a value,
   with any function, waits for the device and has them copied to the host, once, into memory that was set aside for them.
   Where that fails, since the device is lost, the elements are NaN, or have all bits set; who wants the error calls this
   first. It does nothing for other values. A value on a device keeps the device open, outlives the session, and may be
   used and freed in any thread. Errors: SIB_ERR_ARGUMENT (NULL), those of the device. */
SIB_API sib_code sib_value_fetch(const sib_value *v, sib_error *err);
/* True while the elements are on a device alone. */
SIB_API bool sib_value_is_away(const sib_value *v);

SIB_API sib_value_kind sib_value_get_kind(const sib_value *v);
/* The tensor of a tensor value, NULL for other kinds; lives as long as v. */
SIB_API const sib_tensor *sib_value_tensor(const sib_value *v);
/* Number of items of a sequence or optional; 0 for other kinds. */
SIB_API size_t sib_value_count(const sib_value *v);
/* Item i, or NULL where i is out of range; lives as long as v. */
SIB_API const sib_value *sib_value_item(const sib_value *v, size_t i);
/* Keys and values of a map, NULL for other kinds; live as long as v. */
SIB_API const sib_tensor *sib_value_keys(const sib_value *v);
SIB_API const sib_tensor *sib_value_values(const sib_value *v);

#ifdef __cplusplus
}
#endif
#endif
