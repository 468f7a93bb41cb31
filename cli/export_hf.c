/* export_hf.c - a run as a directory for transformers, and how exact it is. */
#include "cli/export_hf.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"

static const char *weights_name(const tern_spec *s, const tern_hf_options *how)
{
    if (s->quant == TERN_QUANT_NONE) return "float";
    return tern_hf_weights_name(how->weights == TERN_HF_AUTO
                                    ? TERN_HF_WRITE_AUTOBITLINEAR
                                    : (tern_hf_weights)how->weights);
}

static void print_report(const char *out, const tern_spec *s,
                         const tern_hf_options *how, const tern_hf_parity *p,
                         const char *verdict)
{
    char bytes[16], params[16];
    printf("%s: %s in %" PRId64 " file%s, %s parameters, %s, weights %s%s\n", out,
           tern_human_bytes(p->bytes, bytes), p->files, p->files == 1 ? "" : "s",
           tern_human_count(tern_spec_params(s), params),
           s->arch == TERN_ARCH_BITNET ? "BitNetForCausalLM" : "LlamaForCausalLM",
           weights_name(s, how), how->chat ? ", with a chat template" : "");
    puts("parity, the trained model against what transformers will compute with:");
    printf("  ternary codes   %" PRId64 " in %" PRId64 " matrices, %" PRId64
           " differ\n",
           p->codes, p->matrices, p->codes_differ);
    printf("  scales          %" PRId64 ", %" PRId64 " differ, by %.2g at most\n",
           p->matrices, p->scales_differ, p->scale_error);
    printf("  float weights   %" PRId64 ", %" PRId64 " differ in any bit\n", p->floats,
           p->floats_differ);
    puts(verdict);
}

static json_t *parity_json(const tern_hf_parity *p, bool exact, const char *verdict)
{
    return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:o}", "exact",
                     exact, "verdict", verdict, "codes", (json_int_t)p->codes,
                     "codes_differ", (json_int_t)p->codes_differ, "scales",
                     (json_int_t)p->matrices, "scales_differ",
                     (json_int_t)p->scales_differ, "max_scale_error",
                     tern_json_number(p->scale_error), "floats", (json_int_t)p->floats,
                     "floats_differ", (json_int_t)p->floats_differ, "max_float_error",
                     tern_json_number(p->float_error));
}

static void report(const char *out, const tern_spec *s, const tern_hf_options *how,
                   const tern_hf_parity *p, bool json)
{
    char verdict[512];
    const bool exact = tern_hf_verdict(p, verdict, sizeof verdict);
    if (!json) {
        print_report(out, s, how, p, verdict);
        return;
    }
    tern_print_json(json_pack("{s:o, s:s, s:s, s:s, s:b, s:I, s:I, s:o}", "directory",
                              tern_json_text(out), "format", "hf", "arch",
                              tern_arch_name(s->arch), "weights", weights_name(s, how),
                              "chat_template", how->chat != NULL, "bytes",
                              (json_int_t)p->bytes, "files", (json_int_t)p->files,
                              "parity", parity_json(p, exact, verdict)));
}

tern_status tern_export_hf_run(const char *run, bool best, const tern_hf_options *how,
                               const char *out, bool json)
{
    char path[TERN_PATH_MAX];
    tern_checkpoint *c;
    tern_model *model = NULL;
    tern_hf_parity parity;
    TERN_TRY(tern_run_find(run, best, path));
    TERN_TRY(tern_checkpoint_open(path, &c));
    const int64_t params = tern_spec_params(&tern_checkpoint_config(c)->model);
    tern_phase(params, "reading %s", run);
    tern_status s = tern_checkpoint_model(c, &model);
    if (s == TERN_OK && !tern_checkpoint_tokenizer(c))
        tern_warn("%s has no tokenizer, so none is written", path);
    if (s == TERN_OK) {
        tern_phase(params, "writing %s, and comparing", out);
        s = tern_export_hf(c, model, how, out, &parity);
        tern_phase_end();
    }
    if (s == TERN_OK) report(out, tern_model_spec(model), how, &parity, json);
    tern_model_free(model);
    tern_checkpoint_close(c);
    return s;
}
