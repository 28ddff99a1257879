/* The scale is a path through Oklab (Ottosson 2020, "A perceptual color space for image processing"):
   lightness grows linearly, hue goes from violet over red to yellow, and chroma is the largest that sRGB can
   show along the way. */
#include "drawing/palette.h"

#include <math.h>
#include <stdbool.h>

#define DARKEST   0.14
#define LIGHTEST  0.97
#define FIRST_HUE 285.0 /* degrees: violet */
#define HUE_RANGE 175.0 /* to yellow */
#define CHROMA    0.17

/* Oklab (l, a, b) converted to linear sRGB. */
static void linear_rgb(double l, double a, double b, double rgb[3])
{
    double x = l + 0.3963377774 * a + 0.2158037573 * b;
    double y = l - 0.1055613458 * a - 0.0638541728 * b;
    double z = l - 0.0894841775 * a - 1.2914855480 * b;
    x = x * x * x, y = y * y * y, z = z * z * z;
    rgb[0] = 4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z;
    rgb[1] = -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z;
    rgb[2] = -0.0041960863 * x - 0.7034186147 * y + 1.7076147010 * z;
}

static bool displayable(const double rgb[3])
{
    for (int i = 0; i < 3; i++)
        if (rgb[i] < 0 || rgb[i] > 1)
            return false;
    return true;
}

/* Transfer function of sRGB (IEC 61966-2-1), to 8 bits. */
static uint8_t encode(double linear)
{
    double v = fmin(fmax(linear, 0), 1);
    v = v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
    return (uint8_t)lround(255 * v);
}

static palette_rgb scale_colour(double t)
{
    const double pi = 3.14159265358979323846;
    double l = DARKEST + (LIGHTEST - DARKEST) * t, hue = (FIRST_HUE + HUE_RANGE * t) * pi / 180;
    double rgb[3], low = 0, high = CHROMA;
    linear_rgb(l, high * cos(hue), high * sin(hue), rgb);
    if (!displayable(rgb)) {
        for (int i = 0; i < 30; i++) {
            double middle = (low + high) / 2;
            linear_rgb(l, middle * cos(hue), middle * sin(hue), rgb);
            *(displayable(rgb) ? &low : &high) = middle;
        }
        linear_rgb(l, low * cos(hue), low * sin(hue), rgb);
    }
    return (palette_rgb){encode(rgb[0]), encode(rgb[1]), encode(rgb[2])};
}

void palette_make(palette_rgb colours[PALETTE_COLOURS])
{
    for (int i = 0; i < PALETTE_STEPS; i++)
        colours[i] = scale_colour(i / (double)(PALETTE_STEPS - 1));
    colours[PALETTE_WHITE] = (palette_rgb){255, 255, 255};
    colours[PALETTE_BLACK] = (palette_rgb){20, 20, 20};
    colours[PALETTE_NAN] = (palette_rgb){128, 160, 128};
}
