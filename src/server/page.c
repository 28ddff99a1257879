/* The page: its files from the program's own memory. */
#include "server/page.h"

#include "server/handlers.h"
#include "server/http/state.h"

#include <string.h>

static const char without_page[] =
    "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Sibyl</title></head>\n<body>\n"
    "<h1>Sibyl</h1>\n<p>This server answers its API, but was built without its page. In Sibyl's source "
    "folder, "
    "<code>make serve</code> builds the page (it needs Node.js, which it installs) and starts the server "
    "with it.</p>\n"
    "<p><a href=\"/api/models\">/api/models</a> lists the models that are open.</p>\n</body>\n</html>\n";

static const page_file *find(const char *path)
{
    for (size_t i = 0; i < n_page_files; i++)
        if (!strcmp(page_files[i].path, path))
            return &page_files[i];
    return NULL;
}

void handle_page(exchange *x)
{
    const char *path = exchange_path(x);
    bool root = !strcmp(path, "/");
    const page_file *f = find(root ? "/index.html" : path);
    if (f) {
        answer_header(x, "Cache-Control", f->hashed ? "public, max-age=31536000, immutable" : "no-cache");
        if (!answer_unchanged(x, f->tag))
            answer_packed(x, f->type, f->packed, f->packed_size, f->size);
    } else if (root)
        answer_bytes(x, 404, "text/html; charset=utf-8", without_page, sizeof without_page - 1);
    else
        answer_error(x, 404, NULL, "there is no '%.200s' here", path);
}
