/* LogMelSpectrogram and the AveragePool3x3 behind it become one node: its kernel averages in place. */
#include "run/passes/match.h"
#include "run/passes/passes.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

static sib_code fuse_at(matcher *m, const node *pool)
{
    static const char *const modes[] = {"none", "same", "valid"};
    const node *mel = match_sibyl(pool, "AveragePool3x3") ? match_maker(m, node_in(pool, 0)) : NULL;
    match_nodes nodes = {0};
    if (!mel || !match_sibyl(mel, "LogMelSpectrogram") || spec_mel(mel).smooth != SIB_SMOOTH_NONE)
        return SIB_OK;
    match_add(&nodes, m, mel);
    match_add(&nodes, m, pool);
    value_id y = node_out(pool, 0);
    if (!match_closed(m, &nodes, y) || !match_same_rank(m, node_out(mel, 0), y) || !pass_admit(m->run))
        return SIB_OK;
    attribute *attributes = mem_alloc(mel->n_attributes + 1, sizeof *attributes);
    if (!attributes)
        return err_memory(m->err, sizeof *attributes, "attributes");
    node made = match_node("ai.sibyl", "LogMelSpectrogram", 1, pool);
    made.inputs = mel->inputs;
    made.outputs = (id_list){1, &y};
    made.attributes = attributes;
    for (size_t i = 0; i < mel->n_attributes; i++)
        if (!str_is(mel->attributes[i].name, "smooth"))
            attributes[made.n_attributes++] = mel->attributes[i];
    attributes[made.n_attributes++] = match_text("smooth", modes[spec_smooth(pool).mode]);
    const sib_code code = match_replace(m, &nodes, &made);
    mem_free(attributes);
    return code;
}

sib_code pass_features(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return match_each(g, r, p, fuse_at, err);
}
