/* Values between the nodes of a job: reference-counted and immutable. */
#ifndef JOB_DOCUMENT_VALUE_H
#define JOB_DOCUMENT_VALUE_H

#include <sibyl/job.h>
#include <stdatomic.h>

typedef struct job_value {
    atomic_size_t references; /* atomic since runs in several threads share a document's literals */
    sib_port_value v;
    sib_value *tensor; /* the value that holds v.tensor, or NULL */
    void *owner;       /* the other memory that v points into, or NULL */
    void (*drop)(void *owner);
} job_value;

/* Each makes a value with one reference, or NULL where memory cannot be allocated. The arguments are copied,
   except that job_value_tensor takes `tensor` over (also where it fails), and job_value_borrow points where v
   points. */
job_value *job_value_text(const char *data, size_t size);
job_value *job_value_tokens(const int32_t *ids, size_t n);
job_value *job_value_number(double number);
job_value *job_value_flag(bool flag);
job_value *job_value_numbers(const double *data, size_t n);
job_value *job_value_texts(const char *const *data, size_t n);
job_value *job_value_spans(const sib_span *data, size_t n);
job_value *job_value_tensor(sib_value *tensor, sib_port_type type);
/* A tensor over elements that outlive it, dims (rank); NULL where memory is short. */
job_value *job_value_over(sib_dtype dtype, size_t rank, const int64_t *dims, const void *data);
job_value *job_value_borrow(const sib_port_value *v);
/* A value over memory of `owner`; drop(owner) is called at the end, also where this fails. */
job_value *job_value_owning(sib_port_value v, void *owner, void (*drop)(void *));

/* v itself (one more reference), or a copy where v is borrowed, so that it may outlive the run. NULL where
   memory cannot be allocated. */
job_value *job_value_own(job_value *v);

job_value *job_value_keep(job_value *v); /* NULL is allowed */
void job_value_release(job_value *v);    /* NULL is allowed */
/* Replaces *slot by v, taking over v's reference. */
void job_value_put(job_value **slot, job_value *v);

/* Converts v to a type that accepts it (job_type_takes): v itself (one more reference), or a new value for
   numbers as a tensor, a number as numbers, or a text as texts. NULL where memory cannot be allocated. */
job_value *job_value_as(job_value *v, sib_port_type type);

/* Name of a type ("audio"), and the type of a name. */
const char *job_type_name(sib_port_type type);
sib_port_type job_type_named(const char *name);
/* True where a port of type `want` accepts a value of type `have`: the same type, any type of numbers for a
   tensor, a tensor for audio, a number for numbers, a text for texts. */
bool job_type_takes(sib_port_type want, sib_port_type have);

#endif
