/* What documents in HTML and SVG are written with. */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Text of a document: valid UTF-8 with its marks escaped; control characters become blanks. */
void html_text(FILE *f, const char *text);
/* (size) bytes in base64. */
void html_base64(FILE *f, const uint8_t *bytes, size_t size);
/* "1.25 ms", "3.2 us". */
void html_seconds(FILE *f, double seconds);

#endif
