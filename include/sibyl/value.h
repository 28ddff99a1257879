/* What goes into a model and comes out: tensors, sequences, optionals and maps. */
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
    SIB_VALUE_MAP       /* keys and values side by side */
} sib_value_kind;

/* Values are not changed once made, and share what they hold: a copy costs no element. */
typedef struct sib_value sib_value;

/* A tensor's value: a view of `tensor`, which the caller keeps. out: owned by the caller, sib_value_free(&v).
   Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_from_tensor(const sib_tensor *tensor, sib_value **out, sib_error *err);
/* A sequence of copies of items (n), which may be none. Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_sequence(size_t n, const sib_value *const *items, sib_value **out, sib_error *err);
/* An optional that holds a copy of item, or nothing where it is NULL. */
SIB_API sib_code sib_value_optional(const sib_value *item, sib_value **out, sib_error *err);
/* A map from keys [n] (int64, another integer type or string) to values [n], both views.
   Errors: SIB_ERR_ARGUMENT (ranks or counts), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_map(const sib_tensor *keys, const sib_tensor *values, sib_value **out,
                               sib_error *err);
/* Another value over the same elements. */
SIB_API sib_code sib_value_copy(const sib_value *v, sib_value **out, sib_error *err);
/* The same in memory of its own throughout, every tensor dense. Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_value_clone(const sib_value *v, sib_value **out, sib_error *err);
/* True where v and all it holds are the library's own memory, dense and seen by no other value or tensor, so that the
   elements may be written to without changing anything else. */
SIB_API bool sib_value_is_sole(const sib_value *v);
SIB_API void sib_value_free(sib_value **v);

SIB_API sib_value_kind sib_value_get_kind(const sib_value *v);
/* The tensor of a tensor's value, NULL for others; lives as long as v. */
SIB_API const sib_tensor *sib_value_tensor(const sib_value *v);
/* Items of a sequence or optional; 0 for others. */
SIB_API size_t sib_value_count(const sib_value *v);
/* Item i, or NULL outside; lives as long as v. */
SIB_API const sib_value *sib_value_item(const sib_value *v, size_t i);
/* Keys and values of a map, NULL for others; live as long as v. */
SIB_API const sib_tensor *sib_value_keys(const sib_value *v);
SIB_API const sib_tensor *sib_value_values(const sib_value *v);

#ifdef __cplusplus
}
#endif
#endif
