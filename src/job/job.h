/* An open job. */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include "job/chat.h"
#include "job/run.h"

struct sib_job {
    char *text; /* of the document */
    job_doc *doc;
    sib_model **models; /* (doc->n_models) */
    job_parts parts;
    job_chat chat;
    char *backends; /* of its sessions, or NULL */
    sib_logger log;
};

#endif
