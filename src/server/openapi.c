/* /api/openapi.json: the document of Sibyl's own API. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/openapi_json.h" /* made of openapi.json by CMake */

void handle_openapi(exchange *x)
{
    answer_bytes(x, 200, "application/json", openapi_json, sizeof openapi_json - 1);
}
