/* Locates files of external data. */
#ifndef ONNX_LOCATE_H
#define ONNX_LOCATE_H

#include <sibyl/tensor.h>

/* Gets the path of the file `location`, which must be inside `folder`: relative, without "..", and still
   inside after links are followed. anywhere: lifts these restrictions. Release with mem_free. Errors:
   SIB_ERR_FORMAT (location), SIB_ERR_IO (no such file), SIB_ERR_MEMORY. */
sib_code locate_external(const char *folder, sib_str location, bool anywhere, char **path, sib_error *err);

#endif
