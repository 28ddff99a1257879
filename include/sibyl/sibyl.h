/* The entire public interface of Sibyl.
   A call that can fail returns a sib_code and takes a last `sib_error *err`, which may be NULL. Nothing in
   the library aborts, exits or prints. Each prototype states who owns what; sib_x_free(sib_x **) clears the
   pointer. Functions are thread-safe on different objects unless stated otherwise. */
#ifndef SIBYL_SIBYL_H
#define SIBYL_SIBYL_H

#include <sibyl/attention.h>
#include <sibyl/audio.h>
#include <sibyl/base.h>
#include <sibyl/batch.h>
#include <sibyl/build.h>
#include <sibyl/chat.h>
#include <sibyl/conform.h>
#include <sibyl/conv1d.h>
#include <sibyl/diff.h>
#include <sibyl/digest.h>
#include <sibyl/drawing.h>
#include <sibyl/extend.h>
#include <sibyl/features.h>
#include <sibyl/fixed.h>
#include <sibyl/graph.h>
#include <sibyl/import.h>
#include <sibyl/job.h>
#include <sibyl/lens.h>
#include <sibyl/live.h>
#include <sibyl/lowering.h>
#include <sibyl/model.h>
#include <sibyl/npy_file.h>
#include <sibyl/ops.h>
#include <sibyl/plan.h>
#include <sibyl/prefix_cache.h>
#include <sibyl/quantize.h>
#include <sibyl/recording.h>
#include <sibyl/session.h>
#include <sibyl/speculate.h>
#include <sibyl/tensor.h>
#include <sibyl/text.h>
#include <sibyl/tile.h>
#include <sibyl/timing.h>
#include <sibyl/transcript.h>
#include <sibyl/value.h>
#include <sibyl/watch.h>

#endif
