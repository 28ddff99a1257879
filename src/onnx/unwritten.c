/* Writing is not built yet. */
#include "base/error.h"
#include "onnx/onnx.h"

sib_code onnx_write_file(const onnx_model *m, const char *path, const char *external, sib_error *err)
{
    (void)m;
    (void)external;
    return err_set(err, SIB_ERR_UNSUPPORTED, "%s: writing ONNX is not built yet", path);
}

sib_code onnx_write_value(const char *path, const sib_value *v, const char *name, sib_error *err)
{
    (void)v;
    (void)name;
    return err_set(err, SIB_ERR_UNSUPPORTED, "%s: writing values is not built yet", path);
}
