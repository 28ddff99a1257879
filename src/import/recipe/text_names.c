#include "import/recipe/text_names.h"

#include <stddef.h>

/* GGUF's names. What is called post_attention_layernorm is behind attention in some families. */
#define GGUF_NAMES(post_attention)                                                                           \
    {                                                                                                        \
        {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"},          \
            {"model.layers.", "blk."}, {".self_attn.q_proj", ".attn_q"}, {".self_attn.k_proj", ".attn_k"},   \
            {".self_attn.v_proj", ".attn_v"}, {".self_attn.qkv_proj", ".attn_qkv"},                          \
            {".self_attn.o_proj", ".attn_output"}, {".self_attn.q_norm", ".attn_q_norm"},                    \
            {".self_attn.k_norm", ".attn_k_norm"}, {".input_layernorm", ".attn_norm"},                       \
            {".post_attention_layernorm", post_attention}, {".pre_feedforward_layernorm", ".ffn_norm"},      \
            {".post_feedforward_layernorm", ".post_ffw_norm"}, {".mlp.gate_proj", ".ffn_gate"},              \
            {".mlp.up_proj", ".ffn_up"}, {".mlp.gate_up_proj", ".ffn_up"}, {".mlp.down_proj", ".ffn_down"},  \
            {".mlp.c_fc", ".ffn_up"}, {".mlp.c_proj", ".ffn_down"}, {".mlp.gate.", ".ffn_gate_inp."},        \
            {".mlp.experts.gate_proj", ".ffn_gate_exps"}, {".mlp.experts.up_proj", ".ffn_up_exps"},          \
            {".mlp.experts.down_proj", ".ffn_down_exps"},                                                    \
            {".mlp.shared_expert_gate", ".ffn_gate_inp_shexp"},                                              \
            {".mlp.shared_expert.gate_proj", ".ffn_gate_shexp"},                                             \
            {".mlp.shared_expert.up_proj", ".ffn_up_shexp"},                                                 \
            {".mlp.shared_expert.down_proj", ".ffn_down_shexp"}, {"model.embed_norm", "token_embd_norm"},    \
            {".ln_attn", ".attn_norm_2"}, {".ln_mlp", ".attn_norm"}, {NULL, NULL},                           \
    }
const build_rename text_names_gguf[] = GGUF_NAMES(".ffn_norm");
const build_rename text_names_gguf_behind[] = GGUF_NAMES(".post_attention_norm");

/* Hugging Face's names where they are not Llama's. The first row that a part of a name begins with is taken, and what it takes
   no other row sees: the dot behind ".mlp" is left to those of the matrices. */
const build_rename text_names_neox[] = {
    {"model.embed_tokens", "gpt_neox.embed_in"},
    {"model.norm", "gpt_neox.final_layer_norm"},
    {"lm_head", "embed_out"},
    {"model.layers.", "gpt_neox.layers."},
    {".self_attn.qkv_proj", ".attention.query_key_value"},
    {".self_attn.o_proj", ".attention.dense"},
    {".mlp.c_fc", ".mlp.dense_h_to_4h"},
    {".mlp.c_proj", ".mlp.dense_4h_to_h"},
    {NULL, NULL},
};
const build_rename text_names_bloom[] = {
    /* and Falcon's, which has no norm of embeddings */
    {"model.embed_tokens", "transformer.word_embeddings"},
    {"model.embed_norm", "transformer.word_embeddings_layernorm"},
    {"model.norm", "transformer.ln_f"},
    {"model.layers.", "transformer.h."},
    {".self_attn.qkv_proj", ".self_attention.query_key_value"},
    {".self_attn.o_proj", ".self_attention.dense"},
    {".mlp.c_fc", ".mlp.dense_h_to_4h"},
    {".mlp.c_proj", ".mlp.dense_4h_to_h"},
    {NULL, NULL},
};
const build_rename text_names_gptj[] = {
    {"model.embed_tokens", "transformer.wte"},
    {"model.norm", "transformer.ln_f"},
    {"model.layers.", "transformer.h."},
    {".self_attn.o_proj", ".attn.out_proj"},
    {".self_attn.", ".attn."},
    {".input_layernorm", ".ln_1"},
    {".mlp.c_fc", ".mlp.fc_in"},
    {".mlp.c_proj", ".mlp.fc_out"},
    {NULL, NULL},
};
const build_rename text_names_mpt[] = {
    {"model.embed_tokens", "transformer.wte"}, {"model.norm", "transformer.norm_f"},
    {"model.layers.", "transformer.blocks."},  {".self_attn.qkv_proj", ".attn.Wqkv"},
    {".self_attn.o_proj", ".attn.out_proj"},   {".input_layernorm", ".norm_1"},
    {".post_attention_layernorm", ".norm_2"},  {".mlp.c_fc", ".ffn.up_proj"},
    {".mlp.c_proj", ".ffn.down_proj"},         {NULL, NULL},
};
const build_rename text_names_stablelm[] = {
    {".self_attn.q_norm", ".self_attn.q_layernorm"},
    {".self_attn.k_norm", ".self_attn.k_layernorm"},
    {NULL, NULL},
};
const build_rename text_names_mixtral[] = {
    {".mlp", ".block_sparse_moe"}, {".gate_proj", ".w1"}, {".up_proj", ".w3"},
    {".down_proj", ".w2"},         {NULL, NULL},
};
const build_rename text_names_granite_moe[] = {
    {".mlp.experts.gate_up_proj", ".block_sparse_moe.input_linear.weight"},
    {".mlp.experts.down_proj", ".block_sparse_moe.output_linear.weight"},
    {".mlp.gate.", ".block_sparse_moe.router.layer."},
    {".mlp.shared_expert.gate_up_proj", ".shared_mlp.input_linear"},
    {".mlp.shared_expert.down_proj", ".shared_mlp.output_linear"},
    {NULL, NULL},
};
const build_rename text_names_granite_moe_newer[] = {
    {".mlp.experts.", ".block_sparse_moe.experts."},
    {".mlp.gate.", ".block_sparse_moe.router."},
    {".mlp.shared_expert.gate_up_proj", ".shared_mlp.input_linear"},
    {".mlp.shared_expert.down_proj", ".shared_mlp.output_linear"},
    {NULL, NULL},
};
const build_rename text_names_granite_dense[] = {
    {".mlp.gate_up_proj", ".shared_mlp.input_linear"},
    {".mlp.down_proj", ".shared_mlp.output_linear"},
    {NULL, NULL},
};
const build_rename text_names_bamba[] = {
    {"model.norm", "model.final_layernorm"},
    {".post_attention_layernorm", ".pre_ff_layernorm"},
    {".mlp.gate.", ".feed_forward.router."},
    {".mlp", ".feed_forward"},
    {NULL, NULL},
};
const build_rename text_names_opt[] = {
    {"model.embed_tokens", "model.decoder.embed_tokens"},
    {"model.positions", "model.decoder.embed_positions"},
    {"model.project_", "model.decoder.project_"},
    {"model.norm", "model.decoder.final_layer_norm"},
    {"model.layers.", "model.decoder.layers."},
    {".self_attn.o_proj", ".self_attn.out_proj"},
    {".input_layernorm", ".self_attn_layer_norm"},
    {".post_attention_layernorm", ".final_layer_norm"},
    {".mlp.c_fc", ".fc1"},
    {".mlp.c_proj", ".fc2"},
    {NULL, NULL},
};
const build_rename text_names_deepseek[] = {{".mlp.shared_expert.", ".mlp.shared_experts."}, {NULL, NULL}};
const build_rename text_names_lfm2[] = {
    {"model.norm", "model.embedding_norm"},
    {".input_layernorm", ".operator_norm"},
    {".post_attention_layernorm", ".ffn_norm"},
    {".self_attn.o_proj", ".self_attn.out_proj"},
    {".self_attn.q_norm", ".self_attn.q_layernorm"},
    {".self_attn.k_norm", ".self_attn.k_layernorm"},
    {".mlp.gate.e_score_correction_bias", ".feed_forward.expert_bias"},
    {".mlp", ".feed_forward"},
    {".gate_proj", ".w1"},
    {".up_proj", ".w3"},
    {".down_proj", ".w2"},
    {NULL, NULL},
};
