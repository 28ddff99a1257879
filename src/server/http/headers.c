/* Headers and queries as libwebsockets keeps them, and who is refused by them. */
#include "server/http/guard.h"
#include "server/http/listener_inner.h"

#include <stdlib.h>
#include <string.h>

char *header_copy(struct lws *wsi, enum lws_token_indexes token)
{
    int n = lws_hdr_total_length(wsi, token);
    char *text = n > 0 ? calloc(1, (size_t)n + 1) : NULL;
    if (text && lws_hdr_copy(wsi, text, n + 1, token) < 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *query_copy(struct lws *wsi, const char *name)
{
    char text[2048];
    size_t n = strlen(name);
    for (int i = 0, size;
         (size = lws_hdr_copy_fragment(wsi, text, sizeof text, WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0; i++)
        if (size > 0 && !strncmp(text, name, n) && text[n] == '=')
            return strdup(text + n + 1);
    return NULL;
}

/* libwebsockets undoes %0A in the request line before it looks for the line's end, and takes what follows for a header:
   a page could name a Host of its choice. Such a line has lost its version. */
static bool has_version(struct lws *wsi)
{
    char *version = header_copy(wsi, WSI_TOKEN_HTTP);
    bool is = lws_get_network_wsi(wsi) != wsi || (version && !strncmp(version, "HTTP/1.", 7));
    free(version);
    return is;
}

unsigned request_refused(listener *l, struct lws *wsi, bool open, bool writes, const char **why)
{
    char *host = header_copy(wsi, WSI_TOKEN_HOST), *origin = header_copy(wsi, WSI_TOKEN_ORIGIN);
    char *authorization = header_copy(wsi, WSI_TOKEN_HTTP_AUTHORIZATION), *token = query_copy(wsi, "token");
    if (!host)
        host = header_copy(wsi, WSI_TOKEN_HTTP_COLON_AUTHORITY);
    unsigned status = 0;
    if (!has_version(wsi)) {
        *why = "the request line holds an encoded line end, or no version of HTTP";
        status = 400;
    } else if (!guard_host(l->server, host)) {
        *why = "the header Host names another server";
        status = 403;
    } else if (writes && !guard_origin(origin, host)) {
        *why = "the request comes from a page of another origin";
        status = 403;
    } else if (!open && !guard_token(l->server, authorization, token)) {
        *why = "a token is needed: send it as 'Authorization: Bearer TOKEN'";
        status = 401;
    }
    free(host);
    free(origin);
    free(authorization);
    free(token);
    return status;
}
