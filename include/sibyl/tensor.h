/* Tensors: every ONNX element type, strided views, conversion, comparison, statistics, .npy and .npz. */
#ifndef SIBYL_TENSOR_H
#define SIBYL_TENSOR_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Element types ------------------------------------------------------------------------------ */

/* One row per type: constant, number (ONNX TensorProto.DataType), name, bits of one element, kind. Types
   narrower than a byte are packed: element i of a dense tensor occupies bits (i * bits) % 8 and up of byte i
   * bits / 8, the first element in the low bits, as in ONNX. */
#define SIB_DTYPES(X)                                                                                        \
    X(SIB_F32, 1, "float32", 32, SIB_KIND_FLOAT)                                                             \
    X(SIB_U8, 2, "uint8", 8, SIB_KIND_UINT)                                                                  \
    X(SIB_I8, 3, "int8", 8, SIB_KIND_INT)                                                                    \
    X(SIB_U16, 4, "uint16", 16, SIB_KIND_UINT)                                                               \
    X(SIB_I16, 5, "int16", 16, SIB_KIND_INT)                                                                 \
    X(SIB_I32, 6, "int32", 32, SIB_KIND_INT)                                                                 \
    X(SIB_I64, 7, "int64", 64, SIB_KIND_INT)                                                                 \
    X(SIB_STRING, 8, "string", 128, SIB_KIND_STRING)                                                         \
    X(SIB_BOOL, 9, "bool", 8, SIB_KIND_BOOL)                                                                 \
    X(SIB_F16, 10, "float16", 16, SIB_KIND_FLOAT)                                                            \
    X(SIB_F64, 11, "float64", 64, SIB_KIND_FLOAT)                                                            \
    X(SIB_U32, 12, "uint32", 32, SIB_KIND_UINT)                                                              \
    X(SIB_U64, 13, "uint64", 64, SIB_KIND_UINT)                                                              \
    X(SIB_C64, 14, "complex64", 64, SIB_KIND_COMPLEX)                                                        \
    X(SIB_C128, 15, "complex128", 128, SIB_KIND_COMPLEX)                                                     \
    X(SIB_BF16, 16, "bfloat16", 16, SIB_KIND_FLOAT)                                                          \
    X(SIB_F8E4M3FN, 17, "float8e4m3fn", 8, SIB_KIND_FLOAT)                                                   \
    X(SIB_F8E4M3FNUZ, 18, "float8e4m3fnuz", 8, SIB_KIND_FLOAT)                                               \
    X(SIB_F8E5M2, 19, "float8e5m2", 8, SIB_KIND_FLOAT)                                                       \
    X(SIB_F8E5M2FNUZ, 20, "float8e5m2fnuz", 8, SIB_KIND_FLOAT)                                               \
    X(SIB_U4, 21, "uint4", 4, SIB_KIND_UINT)                                                                 \
    X(SIB_I4, 22, "int4", 4, SIB_KIND_INT)                                                                   \
    X(SIB_F4E2M1, 23, "float4e2m1", 4, SIB_KIND_FLOAT)                                                       \
    X(SIB_F8E8M0, 24, "float8e8m0", 8, SIB_KIND_FLOAT)                                                       \
    X(SIB_U2, 25, "uint2", 2, SIB_KIND_UINT)                                                                 \
    X(SIB_I2, 26, "int2", 2, SIB_KIND_INT)

typedef enum sib_dtype {
    SIB_DTYPE_UNKNOWN = 0,
#define SIB_DTYPE_ENUM(constant, number, name, bits, kind) constant = number,
    SIB_DTYPES(SIB_DTYPE_ENUM)
#undef SIB_DTYPE_ENUM
} sib_dtype;

typedef enum sib_dtype_kind {
    SIB_KIND_NONE = 0,
    SIB_KIND_FLOAT,
    SIB_KIND_INT,
    SIB_KIND_UINT,
    SIB_KIND_BOOL,
    SIB_KIND_COMPLEX,
    SIB_KIND_STRING
} sib_dtype_kind;

/* Name ("float32"), "unknown" for anything else. Static storage. */
SIB_API const char *sib_dtype_name(sib_dtype dtype);
/* Type of a name, SIB_DTYPE_UNKNOWN for anything else. */
SIB_API sib_dtype sib_dtype_from_name(const char *name);
/* Bits of one element, 0 for an unknown type. */
SIB_API unsigned sib_dtype_bits(sib_dtype dtype);
SIB_API sib_dtype_kind sib_dtype_get_kind(sib_dtype dtype);

/* One element of a string tensor: bytes, not NUL-terminated, owned by the tensor. */
typedef struct sib_str {
    const char *data;
    size_t length;
} sib_str;

/* ---- Tensors ------------------------------------------------------------------------------------ */

#define SIB_MAX_RANK 16

/* Elements of one type in a strided box over memory that the tensor or somebody else owns. Views share the
   memory of their tensor and keep it alive (an atomic count), so they may be freed in any order. */
typedef struct sib_tensor sib_tensor;

/* Makes a dense row-major tensor of zeros (empty strings).
   dims: (rank) each >= 0; rank 0 is a scalar. out: owned by the caller, sib_tensor_free(&t).
   Errors: SIB_ERR_ARGUMENT (dtype, rank above SIB_MAX_RANK, negative dim), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_tensor_create(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out,
                                   sib_error *err);

/* Called once with `context` when the last view of wrapped memory is freed. */
typedef void (*sib_release)(void *context);

/* Wraps memory of the caller without copying it.
   strides: (rank) in elements, may be 0 or negative; NULL means dense row-major. data points at element (0,
   ..., 0). For packed types (below a byte) strides must be dense.
   release: called with context when the tensor and every view of it are freed, but not where this call fails;
   NULL where the caller makes sure that the memory outlives them. Wrapped strings (sib_str elements) can be
   read, not set. Errors: as sib_tensor_create; SIB_ERR_ARGUMENT (data NULL with elements, data not aligned to
   the numbers of an element, packed elements that are not dense), SIB_ERR_SIZE (strides leave the address
   space). */
SIB_API sib_code sib_tensor_wrap(sib_dtype dtype, size_t rank, const int64_t *dims, const int64_t *strides,
                                 void *data, sib_release release, void *context, sib_tensor **out,
                                 sib_error *err);

/* Frees a tensor and clears the pointer; the memory is freed with its last view. */
SIB_API void sib_tensor_free(sib_tensor **tensor);

SIB_API sib_dtype sib_tensor_dtype(const sib_tensor *t);
SIB_API size_t sib_tensor_rank(const sib_tensor *t);
SIB_API const int64_t *sib_tensor_dims(const sib_tensor *t);    /* (rank), lives as long as t */
SIB_API const int64_t *sib_tensor_strides(const sib_tensor *t); /* (rank) in elements, lives as long as t */
SIB_API uint64_t sib_tensor_count(const sib_tensor *t);         /* elements */
SIB_API bool sib_tensor_is_dense(const sib_tensor *t);          /* row-major without gaps */
/* Element (0, ..., 0). For packed types the byte that holds it; their views are always dense and begin at a
   byte. */
SIB_API void *sib_tensor_data(const sib_tensor *t);
/* The same at any alignment, to be copied or written: a weight that does not stand aligned in its file is read there,
   where sib_tensor_data would load all of it into memory first. */
SIB_API const void *sib_tensor_bytes(const sib_tensor *t);

/* Element at index (rank) as double; integers beyond 2^53 round, bool is 0 or 1, complex gives its real part,
   a string NaN. Errors: SIB_ERR_ARGUMENT (index out of range). */
SIB_API sib_code sib_tensor_get(const sib_tensor *t, const int64_t *index, double *out, sib_error *err);
/* Sets the element at index (rank) from a double, converted as sib_tensor_convert does. */
SIB_API sib_code sib_tensor_set(sib_tensor *t, const int64_t *index, double value, sib_error *err);
/* Strings: the tensor copies `value`; the result of sib_tensor_get_string lives until it is set again or
   freed.
   Errors: SIB_ERR_ARGUMENT (index out of range, not a string tensor), SIB_ERR_MEMORY, SIB_ERR_UNSUPPORTED
   (wrapped). */
SIB_API sib_code sib_tensor_get_string(const sib_tensor *t, const int64_t *index, sib_str *out,
                                       sib_error *err);
SIB_API sib_code sib_tensor_set_string(sib_tensor *t, const int64_t *index, sib_str value, sib_error *err);

/* ---- Views: no copy; *out is owned by the caller ------------------------------------------------- */

/* All of them return SIB_ERR_ARGUMENT for arguments that do not fit, SIB_ERR_UNSUPPORTED where a packed type
   would not stay dense, SIB_ERR_SIZE or SIB_ERR_MEMORY; *out is then NULL. */

/* out[i] = t[begin + i * step] along one axis (negative axes count from the end), count elements; step may be
   negative, and 0 repeats an element. Errors: SIB_ERR_ARGUMENT (anything out of range), SIB_ERR_UNSUPPORTED
   (packed type). */
SIB_API sib_code sib_tensor_slice(const sib_tensor *t, int64_t axis, int64_t begin, int64_t count,
                                  int64_t step, sib_tensor **out, sib_error *err);
/* Axes in the order of permutation (rank): out.dims[i] = t.dims[permutation[i]]. */
SIB_API sib_code sib_tensor_transpose(const sib_tensor *t, const int64_t *permutation, sib_tensor **out,
                                      sib_error *err);
/* The same elements with other dims. Errors: SIB_ERR_ARGUMENT (t is not dense, another count). */
SIB_API sib_code sib_tensor_reshape(const sib_tensor *t, size_t rank, const int64_t *dims, sib_tensor **out,
                                    sib_error *err);
/* Dims of size 1 (and missing leading ones) repeated with stride 0: NumPy's broadcasting. */
SIB_API sib_code sib_tensor_broadcast(const sib_tensor *t, size_t rank, const int64_t *dims, sib_tensor **out,
                                      sib_error *err);
/* A dense copy. */
SIB_API sib_code sib_tensor_copy(const sib_tensor *t, sib_tensor **out, sib_error *err);

/* ---- Conversion --------------------------------------------------------------------------------- */

typedef enum sib_overflow {
    SIB_OVERFLOW_SATURATE = 0, /* floats: to the largest finite value; to integers: clamp, NaN gives 0 */
    SIB_OVERFLOW_IEEE = 1 /* floats: to infinity where the type has one, else NaN, and float4e2m1, which has
                             neither, to the largest value; to integers: wrap modulo 2^bits after truncation,
                             NaN and infinities give 0 */
} sib_overflow;

/* A dense copy of t with another element type. Floats round to nearest, ties to even, once, from every type;
   integers from floats truncate toward zero; bool is x != 0 (NaN is true); complex to real takes the real
   part. NaN stays NaN with its sign, and becomes -0 in float4e2m1, which has none. float8e8m0 rounds up to
   the next power of two, as ONNX Cast does by default; zero, negative and smaller numbers become 2^-127 when
   saturating and NaN otherwise. Strings hold the shortest decimal that reads back to the same value ("0.1",
   "1e-05", "-inf", "nan"; complex numbers "1+2j"), and are parsed as C numbers, decimal or hexadecimal,
   independent of the locale, with surrounding spaces allowed. overflow applies to the 8-bit and 4-bit floats
   and to integers; wider floats always follow IEEE 754 (overflow to infinity). ONNX Cast between integers
   wraps: SIB_OVERFLOW_IEEE. Errors: SIB_ERR_ARGUMENT (dtype), SIB_ERR_VALUE (a string that is not a number,
   with its index), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_tensor_convert(const sib_tensor *t, sib_dtype dtype, sib_overflow overflow,
                                    sib_tensor **out, sib_error *err);

/* The same for dense arrays: n elements of `from` at src into n of `to` at dst, which must not overlap and
   may have any alignment. The last byte of packed elements is filled with zero bits. Strings are not
   accepted. Errors: SIB_ERR_ARGUMENT. */
SIB_API sib_code sib_convert(sib_dtype from, const void *src, sib_dtype to, void *dst, size_t n,
                             sib_overflow overflow, sib_error *err);

/* ---- Comparison --------------------------------------------------------------------------------- */

/* Element by element: a and b differ where !(|a - b| <= atol + rtol * |b|), so NaN equals only NaN and an
   infinity only itself, whatever the tolerances. With max_ulp > 0 a pair of finite floats also passes when a
   and b are at most that many representable values of their dtype apart (both zeros count as one). b is the
   reference. Complex numbers compare by the modulus of the difference, integers exactly in 128-bit, strings
   byte by byte. */
typedef struct sib_tolerance {
    double atol, rtol;
    uint64_t max_ulp;
} sib_tolerance;

typedef struct sib_comparison {
    bool equal;     /* no element differs */
    uint64_t count; /* elements compared */
    uint64_t n_different;
    uint64_t n_nan_mismatch; /* NaN on one side only; counted in n_different too */
    double max_abs;          /* largest |a - b| over pairs that are both finite */
    double max_rel;          /* largest |a - b| / |b| over those with b != 0 */
    uint64_t max_ulp;        /* largest distance in representable values; floats only, else 0 */
    uint64_t worst; /* row-major index of the largest |a - b| among those that differ, or among all where none
                       differs; a mismatch of NaN or infinity takes precedence; UINT64_MAX if all are
                       identical */
    uint64_t first; /* row-major index of the first that differs, UINT64_MAX for none */
    double worst_a, worst_b; /* that pair, complex numbers by their modulus; 0 where all are identical */
    double first_a, first_b; /* likewise; 0 where none differs */
} sib_comparison;

/* Errors: SIB_ERR_ARGUMENT where dtype or dims differ, with both, or a tolerance is negative or NaN. */
SIB_API sib_code sib_tensor_compare(const sib_tensor *a, const sib_tensor *b, const sib_tolerance *tolerance,
                                    sib_comparison *out, sib_error *err);

/* ---- Statistics --------------------------------------------------------------------------------- */

#define SIB_HISTOGRAM_MAX 4096

typedef struct sib_stats {
    uint64_t count, n_nan, n_inf, n_zero;
    double min, max;  /* over values that are not NaN; NaN where there are none */
    double mean, std; /* over finite values (population), two-pass in double; NaN where there are none */
} sib_stats;

/* Statistics of every element as double (complex: of its modulus).
   histogram: (bins) counts, or NULL with bins 0: finite values in equal bins from lo to hi, the last bin
   closed; where lo >= hi the range is the finite minimum and maximum, and where these are equal all are in
   the last bin. Bin i begins at lo + i * ((hi - lo) / bins). Values out of the range are not counted. Errors:
   SIB_ERR_ARGUMENT (strings, bins above SIB_HISTOGRAM_MAX, lo or hi not finite). */
SIB_API sib_code sib_tensor_stats(const sib_tensor *t, sib_stats *out, uint64_t *histogram, size_t bins,
                                  double lo, double hi, sib_error *err);

/* ---- Files -------------------------------------------------------------------------------------- */

/* Writes t as NumPy's .npy (format 1.0, which fits every possible header) in C order, to another file that is
   then renamed. bfloat16, the 8-bit and narrower floats and 4- and 2-bit integers are stored as NumPy stores
   the types of ml_dtypes: one byte each (two for bfloat16) under a void descriptor ('<V2', '|V1'), which
   readers without those types see as raw bytes; a comment in the header ("# float8e4m3fn"), which NumPy
   skips, gives sib_npy_load the type. Strings are stored as '<U', which loses characters U+0000 at the end,
   as in NumPy. Errors: SIB_ERR_IO names the path; SIB_ERR_VALUE (strings that are not UTF-8);
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_npy_save(const char *path, const sib_tensor *t, sib_error *err);

/* Reads a .npy file (format 1 to 3, C or Fortran order, either byte order, '<U' and '|S' strings). *out is
   dense and owns its memory. Without a comment as above, 'V2' is read as bfloat16, 'V1' as uint8. Bytes after
   the array are ignored. Errors: SIB_ERR_IO, SIB_ERR_MEMORY, SIB_ERR_FORMAT with the offset (also for a shape
   that overflows or claims more than the file holds), SIB_ERR_UNSUPPORTED (object, structured, times,
   extended precision, rank above SIB_MAX_RANK). */
SIB_API sib_code sib_npy_load(const char *path, sib_tensor **out, sib_error *err);
/* The same from the (size) bytes of a file, which need not outlive the call. name: for messages. max_bytes: of memory for
   the elements, 0 for any. Further errors: SIB_ERR_SIZE (more than max_bytes). */
SIB_API sib_code sib_npy_load_bytes(const char *name, const void *data, size_t size, uint64_t max_bytes,
                                    sib_tensor **out, sib_error *err);

/* One named array of an archive. */
typedef struct sib_npz_entry {
    char *name; /* without ".npy" */
    sib_tensor *tensor;
} sib_npz_entry;

/* Writes an uncompressed (compress false) or deflated .npz; names must be unique, UTF-8 and not empty.
   Written to another file and renamed; equal arrays make equal files. Errors: as sib_npy_save;
   SIB_ERR_ARGUMENT (names). */
SIB_API sib_code sib_npz_save(const char *path, const sib_npz_entry *entries, size_t n, bool compress,
                              sib_error *err);
/* Reads every array, in the order of the archive; members whose names do not end in ".npy" are skipped.
   *entries: (*n), owned by the caller: sib_npz_free(&entries, n). Errors: as sib_npy_load; SIB_ERR_FORMAT
   (not a zip archive, damaged), SIB_ERR_UNSUPPORTED (encrypted, unknown compression). */
SIB_API sib_code sib_npz_load(const char *path, sib_npz_entry **entries, size_t *n, sib_error *err);
SIB_API void sib_npz_free(sib_npz_entry **entries, size_t n);

#ifdef __cplusplus
}
#endif
#endif
