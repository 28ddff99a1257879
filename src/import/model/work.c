#include "import/model/work.h"

#include "base/cancel.h"
#include "base/error.h"

sib_code work_did(import_work *w, uint64_t bytes, const char *what, sib_error *err)
{
    w->done += bytes;
    const uint64_t total = w->total > w->foreseen ? w->total : w->foreseen;
    if (w->options->on_progress)
        w->options->on_progress(w->options->context,
                                total ? (double)(w->done < total ? w->done : total) / (double)total : 0,
                                what);
    return cancel_is_set(w->options->cancel) ? err_set(err, SIB_ERR_CANCELLED, "the import was cancelled")
                                             : SIB_OK;
}
