/* For builds without the page. */
#include "server/page.h"

const page_file page_files[1];
const size_t n_page_files = 0;
