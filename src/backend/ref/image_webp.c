/* WebP through libwebp. */
#include "backend/ref/image.h"
#include "base/error.h"

#include <webp/decode.h>

sib_code image_read_webp(image_file from, image *to, sib_error *err)
{
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(from.data, from.size, &features) != VP8_STATUS_OK)
        return err_set(err, SIB_ERR_FORMAT, "WebP: the header is damaged");
    if (features.has_animation)
        return err_set(err, SIB_ERR_UNSUPPORTED, "WebP: animations are not supported");
    sib_code code = image_begin(to, (uint64_t)features.width, (uint64_t)features.height, err);
    if (code == SIB_OK &&
        !WebPDecodeRGBInto(from.data, from.size, to->rgb, to->width * to->height * 3, (int)to->width * 3))
        code = err_set(err, SIB_ERR_FORMAT, "WebP: the data are damaged");
    return code;
}
