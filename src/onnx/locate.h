/* Where external data may stand. */
#ifndef ONNX_LOCATE_H
#define ONNX_LOCATE_H

#include <sibyl/tensor.h>

/* The path of the file `location`, from inside `folder` and nowhere else: relative, without "..", and also after
   following links not outside. anywhere: all of that is allowed. Release with mem_free.
   Errors: SIB_ERR_FORMAT (location), SIB_ERR_IO (no such file), SIB_ERR_MEMORY. */
sib_code locate_external(const char *folder, sib_str location, bool anywhere, char **path, sib_error *err);

#endif
