/* The graph of an open job. */
#ifndef JOB_GRAPH_H
#define JOB_GRAPH_H

#include "job/document/doc.h"

/* Lives as long as j. */
const job_doc *job_doc_of(const sib_job *j);

#endif
