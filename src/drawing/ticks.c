#include "drawing/ticks.h"

#include <math.h>
#include <stdio.h>

double ticks_step(double min)
{
    double power = pow(10, floor(log10(min)));
    const double steps[] = {1, 2, 5};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] * power >= min)
            return steps[i] * power;
    return 10 * power;
}

void ticks_label(char label[TICKS_LABEL], double k, double step)
{
    double value = k == 0 ? 0 : k * step;
    int decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
    if (fabs(value) < 1e7 && decimals <= 6)
        snprintf(label, TICKS_LABEL, "%.*f", decimals, value);
    else
        snprintf(label, TICKS_LABEL, "%.3g", value);
}
