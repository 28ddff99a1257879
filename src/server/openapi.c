/* /api/openapi.json: the document of Sibyl's own API. */
#include "handlers.h"
#include "openapi_json.h" /* made of openapi.json by CMake */
#include "server_inner.h"

void handle_openapi(exchange *x)
{
    answer_bytes(x, 200, "application/json", openapi_json, sizeof openapi_json - 1);
}
