/* export_hf.h - `tern export --format hf` (inside cli/). */
#ifndef TERN_CLI_EXPORT_HF_H
#define TERN_CLI_EXPORT_HF_H

#include "export/hf_export.h"

/* Export `run` (a run or a checkpoint) to the directory `out` and print the report. */
tern_status tern_export_hf_run(const char *run, bool best, const tern_hf_options *how,
                               const char *out, bool json);

#endif /* TERN_CLI_EXPORT_HF_H */
