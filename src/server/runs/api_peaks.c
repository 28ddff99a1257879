/* GET /api/peaks: the rates with which those of a profile are compared. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/peaks.h"

void handle_peaks(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_peak peak;
    if (peaks_get(exchange_server(x)->peaks, &peak, &err) != SIB_OK)
        answer_failure(x, &err);
    else
        answer_json(x, 200,
                    json_pack("{s:f, s:f, s:I}", "flops", peak.flops, "read_bytes", peak.read_bytes,
                              "threads", (json_int_t)peak.threads));
}
