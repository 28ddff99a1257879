"""Imported models against the originals in PyTorch, with random weights of real dimensions, cached and all at once."""

import contextlib
import importlib
import json
import struct
import sys

import numpy as np
import exported_decoders as made
import pytest
from conftest import note_model, peer

import sibyl

STEPS = 40


def spread(model, torch, seed=0, turned=()):
    """Random weights of the sizes that trained ones have; turned: names of matrices that stand [in, out]."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                one = name.endswith(("weight", ".D"))
                p.copy_((1 if one else 0) + 0.1 * torch.randn_like(p))
            elif any(word in name for word in ("embed", "wte", "wpe")):
                p.copy_(0.05 * torch.randn_like(p))
            else:
                fan_in = p.shape[0] if any(word in name for word in turned) else p[0].numel()
                p.copy_(torch.randn_like(p) * fan_in**-0.5)
    return model.eval()


def part(path, outputs):
    return sibyl.InferenceSession(path, sibyl.SessionOptions(outputs=outputs))


def gap(ours, theirs):
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max()


def close(ours, theirs):
    """Whether they differ by what two sums in float32 may, each 2e-6 of the scale from the exact one."""
    return gap(ours, theirs) < 4e-6 * np.abs(theirs).max()


@contextlib.contextmanager
def doubles(torch, on=True):
    """What a model computes in float32 whatever its weights are (Mamba 2's states) is in double, too."""
    kept = torch.float32, torch.Tensor.float
    if on:
        torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
    yield
    torch.float32, torch.Tensor.float = kept


def exact(model, tokens, forced=False):
    """A decoder's logits in double, and how far from them float32 may be: 2e-6 of their scale, or as far as the original."""
    torch = peer("torch")
    with torch.no_grad():
        theirs = model(tokens).logits.numpy()
        with doubles(torch, forced):
            expected = model.double()(tokens).logits.numpy()
    return expected, max(2e-6 * np.abs(expected).max(), gap(theirs, expected))


# ---- Whisper -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whisper():
    """Whisper tiny of openai-whisper, its dims, and the logits of 40 tokens on some audio."""
    torch, package = peer("torch"), peer("whisper")
    dims = package.model.ModelDimensions(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4)
    model = spread(package.model.Whisper(dims), torch)
    rng = np.random.default_rng(1)
    mel = (0.5 * rng.standard_normal((1, 80, 3000))).astype("f4")
    tokens = rng.integers(0, dims.n_vocab, (1, STEPS))
    with torch.no_grad():
        audio = model.encoder(torch.from_numpy(mel))
        logits = model.decoder(torch.from_numpy(tokens), audio).numpy()
    return torch, model, dims, mel, tokens, audio, logits


def save_openai(path, torch, model, dims):
    torch.save({"dims": dict(dims.__dict__), "model_state_dict": model.state_dict()}, path)
    return path


def save_hugging_face(path, torch, model, dims):
    """The same weights in the model of transformers."""
    transformers = peer("transformers")
    names = [("encoder.positional_embedding", "encoder.embed_positions.weight"),
             ("decoder.positional_embedding", "decoder.embed_positions.weight"),
             ("token_embedding", "embed_tokens"), ("encoder.ln_post", "encoder.layer_norm"),
             ("decoder.ln.", "decoder.layer_norm."), (".blocks.", ".layers."), ("cross_attn_ln", "encoder_attn_layer_norm"),
             ("cross_attn.", "encoder_attn."), (".attn_ln", ".self_attn_layer_norm"), (".attn.", ".self_attn."),
             ("mlp_ln", "final_layer_norm"), ("mlp.0", "fc1"), ("mlp.2", "fc2"), (".query", ".q_proj"), (".key", ".k_proj"),
             (".value", ".v_proj"), (".out.", ".out_proj.")]  # fmt: skip
    state = {}
    for name, tensor in model.state_dict().items():
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        state["model." + name] = tensor
    config = transformers.WhisperConfig(
        vocab_size=dims.n_vocab, num_mel_bins=dims.n_mels, d_model=dims.n_audio_state, encoder_layers=dims.n_audio_layer,
        decoder_layers=dims.n_text_layer, encoder_attention_heads=dims.n_audio_head,
        decoder_attention_heads=dims.n_text_head, encoder_ffn_dim=4 * dims.n_audio_state,
        decoder_ffn_dim=4 * dims.n_text_state, max_source_positions=dims.n_audio_ctx,
        max_target_positions=dims.n_text_ctx)  # fmt: skip
    theirs = transformers.WhisperForConditionalGeneration(config)
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert set(missing) <= {"proj_out.weight"} and not unexpected
    theirs.save_pretrained(path)
    return path


@pytest.mark.parametrize("save, opset", [(save_openai, 23), (save_openai, 20), (save_hugging_face, 23)])
def test_whisper(whisper, tmp_path, save, opset):
    torch, model, dims, mel, tokens, audio, logits = whisper
    layers, heads = range(dims.n_text_layer), dims.n_text_head
    out = tmp_path / "w.onnx"
    found = sibyl.import_model(save(tmp_path / "w.pt", torch, model, dims), out, opset=opset)
    assert found["recipe"] == "whisper"
    keys = [f"audio_{what}.{i}" for i in layers for what in "kv"]
    caches = [f"present_{what}.{i}" for i in layers for what in "kv"]
    encoder, decoder = part(out, ["audio", *keys]), part(out, ["logits", *caches])
    heard, *cross = encoder.run(None, {"mel": mel})
    assert close(heard, audio.numpy())
    still = {f"cross_{what}.{i}": cross[2 * i + (what == "v")] for i in layers for what in "kv"}
    empty = [np.zeros((1, heads, 0, dims.n_text_state // heads), "f4")] * (2 * len(layers))

    def decode(tokens, past, at):
        cached = {name.replace("present", "past"): value for name, value in zip(caches, past)}
        return decoder.run(None, {"tokens": tokens, "at": np.array(at), **cached, **still})

    whole = decode(tokens, empty, range(STEPS))[0]
    assert close(whole, logits)
    past = empty
    for t in range(STEPS):
        step, *past = decode(tokens[:, t : t + 1], past, [0])
        assert close(step[:, 0], logits[:, t]) and close(step[:, 0], whole[:, t])


def test_whisper_beams_and_scores(whisper, tmp_path):
    """Several beams on one audio, and what words' times are read from."""
    torch, model, dims, mel, _, audio, _ = whisper
    disable = peer("whisper").model.disable_sdpa
    out = tmp_path / "w.onnx"
    sibyl.import_model(save_openai(tmp_path / "w.pt", torch, model, dims), out)
    keys = [f"audio_{what}.{i}" for i in range(4) for what in "kv"]
    cross = part(out, keys).run(None, {"mel": mel})
    tokens = np.random.default_rng(2).integers(0, dims.n_vocab, (3, 7))
    feed = {"tokens": tokens, "at": np.array([6, 2])}
    for name, value in zip(keys, cross):
        feed[name.replace("audio", "cross")] = value
        feed[name.replace("audio", "past")] = np.zeros((3, 6, 0, 64), "f4")
    logits, *scores = part(out, ["logits", *(f"cross_weights.{i}" for i in range(4))]).run(None, feed)
    seen = []
    hooks = [b.cross_attn.register_forward_hook(lambda m, i, o: seen.append(o[1].numpy())) for b in model.decoder.blocks]
    with torch.no_grad(), disable():
        expected = model.decoder(torch.from_numpy(tokens), audio.expand(3, -1, -1)).numpy()
    for hook in hooks:
        hook.remove()
    assert close(logits, expected[:, [6, 2]])
    assert all(close(a, b) for a, b in zip(scores, seen, strict=True))


def save_whisper_cpp(path, torch, model, dims):
    """whisper.cpp's file, matrices as halves, after its FILE FORMAT: hyperparameters, filters, vocabulary, weights."""
    head = [dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer, dims.n_text_ctx,
            dims.n_text_state, dims.n_text_head, dims.n_text_layer, dims.n_mels, 1]  # fmt: skip
    with path.open("wb") as file:
        file.write(struct.pack("<12i", 0x67676D6C, *head))
        file.write(struct.pack("<2i", dims.n_mels, 201) + bytes(4 * dims.n_mels * 201))
        file.write(struct.pack("<i", 256) + b"".join(struct.pack("<i", 1) + bytes([i]) for i in range(256)))
        for name, tensor in model.state_dict().items():
            half = tensor.ndim > 1 and "positional" not in name
            if name.endswith(("conv1.bias", "conv2.bias")):
                tensor = tensor[:, None]
            data = tensor.numpy().astype("<f2" if half else "<f4")
            file.write(struct.pack(f"<{3 + data.ndim}i", data.ndim, len(name), int(half), *data.shape[::-1]))
            file.write(name.encode() + data.tobytes())
    return path


@pytest.mark.parametrize("save", [save_openai, save_whisper_cpp])
def test_whisper_of_other_heads(tmp_path, save):
    """Heads that are not of 64 numbers are told by the file."""
    torch, package = peer("torch"), peer("whisper")
    dims = package.model.ModelDimensions(80, 100, 96, 3, 2, 500, 32, 96, 3, 2)
    model = spread(package.model.Whisper(dims), torch).half().float().eval()
    out = tmp_path / "w.onnx"
    sibyl.import_model(save(tmp_path / "w.bin", torch, model, dims), out)
    mel = (0.5 * np.random.default_rng(1).standard_normal((1, 80, 200))).astype("f4")
    tokens = np.arange(0, 300, 30)[None]
    keys = [f"audio_{what}.{i}" for i in range(2) for what in "kv"]
    heard, *cross = part(out, ["audio", *keys]).run(None, {"mel": mel})
    feed = {"tokens": tokens, "at": np.arange(10)}
    for name, value in zip(keys, cross):
        feed[name.replace("audio", "cross")] = value
        feed[name.replace("audio", "past")] = np.zeros((1, 3, 0, 32), "f4")
    (logits,) = part(out, ["logits"]).run(None, feed)
    with torch.no_grad():
        audio = model.encoder(torch.from_numpy(mel))
        assert close(heard, audio.numpy())
        assert gap(logits, model.decoder(torch.from_numpy(tokens), audio).numpy()) < 1e-3


# ---- Decoders of text ----------------------------------------------------------------------------------------------------

SMALL = dict(vocab_size=300, hidden_size=128, intermediate_size=352, num_hidden_layers=3, num_attention_heads=8,
             num_key_value_heads=2, max_position_embeddings=256)  # fmt: skip
LLAMA_3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
               original_max_position_embeddings=64)  # fmt: skip
LINEAR = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)
PART = dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)
DYNAMIC = dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)


def longrope(pairs):
    """Factors of Phi-3's kind: those of longer texts far above those of short ones."""
    part = np.arange(pairs) / pairs
    return dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=16,
                short_factor=list(1 + part), long_factor=list(1 + 20 * part**2))  # fmt: skip


GEMMA_3 = dict(full_attention=dict(LINEAR, rope_theta=1e6), sliding_attention=dict(rope_type="default", rope_theta=10000.0))
EXPERTS = dict(num_experts_per_tok=3, moe_intermediate_size=64)
BASIC = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
DECODERS = {
    "gpt2": ("GPT2", dict(n_layer=12)),  # its real dimensions
    "llama": ("Llama", SMALL),
    "llama-3-tied": ("Llama", dict(SMALL, tie_word_embeddings=True, rope_parameters=LLAMA_3)),
    "llama-linear": ("Llama", dict(SMALL, rope_parameters=LINEAR, attention_bias=True)),
    "llama-yarn": ("Llama", dict(SMALL, rope_parameters=YARN)),
    "llama-yarn-mscale": ("Llama", dict(SMALL, rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.5, beta_fast=4, truncate=False))),
    "llama-dynamic": ("Llama", dict(SMALL, max_position_embeddings=16, rope_parameters=DYNAMIC)),
    "mistral": ("Mistral", dict(SMALL, sliding_window=None)),
    "mistral-window": ("Mistral", dict(SMALL, sliding_window=16)),
    "qwen2": ("Qwen2", SMALL),
    "qwen2-window": ("Qwen2", dict(SMALL, use_sliding_window=True, sliding_window=8, max_window_layers=1)),
    "qwen3": ("Qwen3", dict(SMALL, head_dim=32)),
    "gemma": ("Gemma", dict(SMALL, head_dim=32)),
    "gemma2": ("Gemma2", dict(SMALL, head_dim=32, query_pre_attn_scalar=24, sliding_window=8, attn_logit_softcapping=5.0,
                              final_logit_softcapping=3.0)),
    "gemma3": ("Gemma3Text", dict(SMALL, head_dim=32, sliding_window=8, num_hidden_layers=7, rope_parameters=GEMMA_3)),
    "phi3": ("Phi3", dict(SMALL, sliding_window=8, **BASIC)),
    "phi4-mini": ("Phi3", dict(SMALL, tie_word_embeddings=True, rope_parameters=PART, **BASIC)),
    "phi3-long": ("Phi3", dict(SMALL, max_position_embeddings=64, original_max_position_embeddings=16, rope_parameters=longrope(8), **BASIC)),
    "phi4-mini-long": ("Phi3", dict(SMALL, original_max_position_embeddings=16, **BASIC,
                                    rope_parameters=dict(longrope(6), partial_rotary_factor=0.75))),
    "olmo2": ("Olmo2", SMALL),
    "mixtral": ("Mixtral", dict(SMALL, num_local_experts=8, sliding_window=16)),
    "mixtral-fused": ("Mixtral", dict(SMALL, num_local_experts=4, sliding_window=None)),
    "qwen2-moe": ("Qwen2Moe", dict(SMALL, **EXPERTS, num_experts=6, shared_expert_intermediate_size=96, decoder_sparse_step=2)),
    "qwen3-moe": ("Qwen3Moe", dict(SMALL, **EXPERTS, num_experts=6, head_dim=32, norm_topk_prob=True, mlp_only_layers=[0])),
    "olmoe": ("Olmoe", dict(SMALL, num_experts=6, num_experts_per_tok=3, **BASIC)),
    "granite-moe": ("GraniteMoe", dict(SMALL, num_local_experts=6, num_experts_per_tok=3, residual_multiplier=0.22,
                                       attention_multiplier=0.05, logits_scaling=8.0)),
    "granite-moe-fused": ("GraniteMoe", dict(SMALL, num_local_experts=6, num_experts_per_tok=3, attention_multiplier=0.05)),
    "granite-moe-shared-fused": ("GraniteMoeShared", dict(SMALL, num_local_experts=4, attention_multiplier=0.05, shared_intermediate_size=96)),
    "granite-moe-shared": ("GraniteMoeShared", dict(SMALL, num_local_experts=6, shared_intermediate_size=96)),
    "smollm3": ("SmolLM3", dict(SMALL, num_hidden_layers=5, **BASIC)),
    "granite": ("Granite", dict(SMALL, embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.05,
                                logits_scaling=8.0)),
    "stablelm": ("StableLm", dict(SMALL, use_qkv_bias=True, rope_parameters=PART)),
    "stablelm-parallel": ("StableLm", dict(SMALL, use_parallel_residual=True)),
    "starcoder2": ("Starcoder2", dict(SMALL, sliding_window=8)),
    "stablelm-norms": ("StableLm", dict(SMALL, qk_layernorm=True)),
    "cohere": ("Cohere", SMALL),
    "cohere-norms": ("Cohere", dict(SMALL, use_qk_norm=True)),
    "cohere2": ("Cohere2", dict(SMALL, num_hidden_layers=5, sliding_window=8)),
    "gpt-neox": ("GPTNeoX", dict(SMALL, rope_parameters=dict(PART, partial_rotary_factor=0.25))),
    "gpt-neox-apart": ("GPTNeoX", dict(SMALL, use_parallel_residual=False)),
    "falcon-7b": ("Falcon", dict(SMALL, alibi=False)),
    "falcon-40b": ("Falcon", dict(SMALL, alibi=False, new_decoder_architecture=True, num_kv_heads=2)),
    "falcon-11b": ("Falcon", dict(SMALL, alibi=False, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1)),
    "falcon-apart": ("Falcon", dict(SMALL, alibi=False, multi_query=False, parallel_attn=False, bias=True)),
    "falcon-alibi": ("Falcon", dict(SMALL, alibi=True, multi_query=False, parallel_attn=False, bias=True)),
    "opt": ("OPT", dict(SMALL, ffn_dim=352, word_embed_proj_dim=128, **BASIC)),
    "opt-behind": ("OPT", dict(SMALL, ffn_dim=352, word_embed_proj_dim=64, do_layer_norm_before=False, **BASIC)),
    "bloom": ("Bloom", dict(vocab_size=300, hidden_size=96, n_layer=3, n_head=6)),
    "gptj": ("GPTJ", dict(vocab_size=300, n_embd=128, n_layer=3, n_head=4, n_positions=256, rotary_dim=8, **BASIC)),
    "mpt": ("Mpt", dict(vocab_size=300, d_model=96, n_layers=3, n_heads=6, max_seq_len=256, attn_config=dict(clip_qkv=1.5))),
}  # fmt: skip


def decode_all(session, tokens, layers, heads, size):
    """Logits of all tokens at once, and by steps with a cache."""
    names = [f"present_{what}.{i}" for i in range(layers) for what in "kv"]
    empty = [np.zeros((len(tokens), heads, 0, size), "f4")] * len(names)

    def decode(tokens, past, at):
        cached = {name.replace("present", "past"): value for name, value in zip(names, past)}
        return session.run(["logits", *names], {"tokens": tokens, "at": np.array(at), **cached})

    whole, past, steps = decode(tokens, empty, range(STEPS))[0], empty, []
    for t in range(STEPS):
        step, *past = decode(tokens[:, t : t + 1], past, [0])
        steps.append(step)
    return whole, np.concatenate(steps, axis=1)


def decode_theirs(model, tokens):
    """The same of theirs, where the steps see other angles than all tokens at once: (all, steps)."""
    past, steps = None, []
    whole = model(tokens).logits.numpy()
    for t in range(STEPS):
        out = model(tokens[:, t : t + 1], past_key_values=past, use_cache=True)
        past, steps = out.past_key_values, [*steps, out.logits.numpy()]
    return whole, np.concatenate(steps, axis=1)


def numbers(session):
    said = session.get_modelmeta().custom_metadata_map
    return [int(said[key]) for key in ("n_layer", "n_kv_head", "head_size")]


@pytest.mark.parametrize("kind, opset", [*((kind, 23) for kind in DECODERS), ("llama-3-tied", 20), ("mistral-window", 20),
                                         ("qwen3", 20), ("gemma2", 20), ("phi4-mini", 20), ("mixtral", 20), ("gptj", 20), ("bloom", 20)])  # fmt: skip
def test_decoders(kind, opset, tmp_path):
    torch, transformers = peer("torch"), peer("transformers")
    family, settings = DECODERS[kind]
    config = getattr(transformers, family + "Config")(**settings)
    head = "GPT2LMHeadModel" if family == "GPT2" else family.removesuffix("Text") + "ForCausalLM"
    turned = ("c_attn", "c_proj", "c_fc") if family == "GPT2" else ()
    model = spread(getattr(transformers, head)(config), torch, turned=turned)
    if "moe" in kind or family == "Mixtral":
        model.set_experts_implementation("eager")  # the others know no float64
    model.save_pretrained(tmp_path / "model", **({"save_original_format": False} if kind.endswith("fused") else {}))
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, (2, STEPS))
    expected, allowed = exact(model, torch.from_numpy(tokens))
    with peer("torch").no_grad():
        by_steps = decode_theirs(model, torch.from_numpy(tokens))[1] if kind.endswith(("long", "dynamic")) else expected
    session = sibyl.InferenceSession(tmp_path / "m.onnx")
    whole, steps = decode_all(session, tokens, *numbers(session))
    assert gap(whole, expected) < allowed and gap(steps, by_steps) < allowed
    note_model("folder", family, max(gap(whole, expected), gap(steps, by_steps)) / np.abs(expected).max())
    if kind in ("gpt2", "llama-3-tied", "mistral-window", "gemma2", "phi4-mini", "falcon-40b", "opt", "mixtral", "gptj") or (kind, opset) == ("bloom", 20):  # each operator once: the file is ordinary ONNX
        other = peer("onnxruntime").InferenceSession(tmp_path / "m.onnx")
        assert all(gap(x, expected) < 3 * allowed for x in decode_all(other, tokens, *numbers(session)))


@pytest.mark.parametrize("kind", ["llama-3-tied", "gpt2"])
def test_lora(kind, tmp_path):
    """An adapter in PEFT's layout is as its product added to the weights beforehand, in double."""
    torch, transformers = peer("torch"), peer("transformers")
    family, settings = DECODERS[kind]
    across = family == "GPT2"
    model = getattr(transformers, "GPT2LMHeadModel" if across else family + "ForCausalLM")(getattr(transformers, family + "Config")(**settings))
    model.save_pretrained(tmp_path / "base")
    draws, weights = np.random.default_rng(3), {}
    for name, module in model.named_modules():
        if name.endswith(("c_attn", "c_fc", "q_proj", "down_proj", "lm_head")) and "lm_head" not in name:
            rows, columns = module.weight.shape
            a, b = (draws.normal(size=s).astype("f4") for s in ((4, rows if across else columns), (columns if across else rows, 4)))
            added = 2.5 * (b.astype("f8") @ a)
            module.weight.data = torch.from_numpy((module.weight.detach().double().numpy() + (added.T if across else added)).astype("f4"))
            weights |= {f"base_model.model.{name}.lora_A.weight": torch.from_numpy(a), f"base_model.model.{name}.lora_B.weight": torch.from_numpy(b)}
    model.save_pretrained(tmp_path / "merged")
    (tmp_path / "adapter").mkdir()
    peer("safetensors.torch").save_file(weights, tmp_path / "adapter" / "adapter_model.safetensors")
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": 4, "lora_alpha": 10, "fan_in_fan_out": across, "target_modules": ["q_proj"], "modules_to_save": None}))  # fmt: skip
    sibyl.import_model(tmp_path / "base", tmp_path / "a.onnx", lora=tmp_path / "adapter")
    sibyl.import_model(tmp_path / "merged", tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx.data").read_bytes() == (tmp_path / "b.onnx.data").read_bytes()
    sibyl.import_model(tmp_path / "base", tmp_path / "c.onnx")
    assert (tmp_path / "c.onnx.data").read_bytes() != (tmp_path / "b.onnx.data").read_bytes()


LATENT = dict(vocab_size=256, hidden_size=72, intermediate_size=88, moe_intermediate_size=20, num_hidden_layers=3, num_attention_heads=4, n_shared_experts=2,
              kv_lora_rank=28, q_lora_rank=36, qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=10, first_k_dense_replace=1, num_experts_per_tok=3,
              n_routed_experts=12, max_position_embeddings=256, **BASIC)  # fmt: skip
LFM2 = dict(vocab_size=256, hidden_size=72, intermediate_size=100, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, conv_L_cache=4,
            max_position_embeddings=256, layer_types=["conv", "full_attention", "conv", "full_attention"])  # fmt: skip
MAMBA2 = dict(vocab_size=256, hidden_size=48, state_size=10, num_hidden_layers=3, num_heads=6, head_dim=16, chunk_size=8, **BASIC)
BAMBA = dict(vocab_size=256, hidden_size=48, intermediate_size=88, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, mamba_n_heads=8, mamba_d_head=12,
             mamba_n_groups=2, mamba_d_state=10, mamba_d_conv=3, mamba_expand=2, mamba_chunk_size=8, max_position_embeddings=256, **BASIC)  # fmt: skip
GRANITE_HYBRID = dict(BAMBA, shared_intermediate_size=36, intermediate_size=28, embedding_multiplier=3.0, residual_multiplier=0.6, attention_multiplier=0.3, logits_scaling=2.5,
                      layer_types=["linear_attention", "full_attention", "linear_attention", "full_attention"])  # fmt: skip
FALCON_H1 = dict(BAMBA, mamba_d_ssm=96, embedding_multiplier=3.0, lm_head_multiplier=0.4, mlp_multipliers=[0.7, 1.3], key_multiplier=0.8, attention_in_multiplier=1.2,
                 attention_out_multiplier=0.9, ssm_multipliers=[0.35, 0.25, 0.7, 0.5, 0.4], ssm_in_multiplier=0.6, ssm_out_multiplier=0.4)  # fmt: skip
HYBRID = {  # latent attention, and layers with states among those with a cache
    "deepseek-v2": ("DeepseekV2", dict(LATENT, n_group=4, topk_group=2, topk_method="group_limited_greedy", routed_scaling_factor=1.5, rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.9))),
    "deepseek-v2-lite": ("DeepseekV2", dict(LATENT, q_lora_rank=None)),
    "deepseek-v3": ("DeepseekV3", dict(LATENT, n_group=4, topk_group=2, routed_scaling_factor=2.5, attention_bias=True, rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0))),
    "deepseek-v3-halves": ("DeepseekV3", dict(LATENT, n_group=1, topk_group=1, rope_interleave=False, norm_topk_prob=False)),
    "lfm2": ("Lfm2", dict(LFM2, conv_bias=True)),
    "lfm2-moe": ("Lfm2Moe", dict(LFM2, moe_intermediate_size=44, num_dense_layers=1, num_experts=6, num_experts_per_tok=3, routed_scaling_factor=1.5)),
    "qwen3-next": ("Qwen3Next", dict(vocab_size=256, hidden_size=72, intermediate_size=88, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=20,
                                     linear_conv_kernel_dim=3, linear_key_head_dim=12, linear_value_head_dim=14, linear_num_key_heads=2, linear_num_value_heads=6,
                                     moe_intermediate_size=28, shared_expert_intermediate_size=32, num_experts=6, num_experts_per_tok=3, max_position_embeddings=256,
                                     full_attention_interval=3, mlp_only_layers=[1], rope_parameters=PART)),
    "mamba2": ("Mamba2", dict(MAMBA2, n_groups=2, conv_kernel=3, use_bias=True)),
    "mamba2-limits": ("Mamba2", dict(MAMBA2, n_groups=1, use_conv_bias=False, time_step_limit=(0.5, 1.5), tie_word_embeddings=True)),
    "bamba": ("Bamba", dict(BAMBA, attn_layer_indices=[1, 3], mamba_proj_bias=True)),
    "granite-moe-hybrid": ("GraniteMoeHybrid", dict(GRANITE_HYBRID, num_local_experts=5, num_experts_per_tok=2, position_embedding_type="rope")),
    "granite-hybrid": ("GraniteMoeHybrid", dict(GRANITE_HYBRID, num_local_experts=0, mamba_conv_bias=False, tie_word_embeddings=True)),
    "falcon-h1": ("FalconH1", FALCON_H1),
    "falcon-h1-norm": ("FalconH1", dict(FALCON_H1, mamba_rms_norm=True, projectors_bias=True, mamba_conv_bias=False)),
    "falcon-h1-gated": ("FalconH1", dict(FALCON_H1, mamba_rms_norm=True, mamba_norm_before_gate=False)),
    "jamba": ("Jamba", dict(vocab_size=256, hidden_size=48, intermediate_size=44, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, num_experts=5,
                            num_experts_per_tok=2, expert_layer_period=2, expert_layer_offset=1, attn_layer_period=3, attn_layer_offset=1, mamba_d_state=10, mamba_d_conv=3,
                            mamba_dt_rank=7, **BASIC)),
}  # fmt: skip
STATES = ("mamba2", "bamba", "granite", "falcon-h1")  # kinds begin with these


def hybrid_model(kind, torch, transformers):
    family, settings = HYBRID[kind]
    config = getattr(transformers, family + "Config")(**settings)
    model = spread(getattr(transformers, family + "ForCausalLM")(config), torch)
    for name, buffer in model.named_buffers():
        if name.endswith("bias"):  # which experts a token chooses
            buffer.copy_(0.2 * torch.randn_like(buffer))
    if "moe" in kind or "deepseek" in kind or kind in ("qwen3-next", "jamba"):
        model.set_experts_implementation("eager")  # the others know no float64
    return family, config, model


def decode_hybrid(session, tokens):
    """Logits of all tokens at once, and by steps with what the model carries on."""
    kinds = {i.name: [len(tokens) if d == "B" else 0 if d == "P" else d for d in i.shape] for i in session.get_inputs() if i.name[:5] in ("past_", "state")}
    first = {name: np.zeros(dims, "f4") for name, dims in kinds.items()}
    names = ["logits", *(name.replace("state.", "next.").replace("past_", "present_") for name in first)]
    n = tokens.shape[1]
    whole, *_ = session.run(names, {"tokens": tokens, "at": np.arange(n), **first})
    steps, carried = [], first
    for t in range(n):
        step, *values = session.run(names, {"tokens": tokens[:, t : t + 1], "at": np.array([0]), **carried})
        carried = dict(zip(first, values))
        steps.append(step)
    return whole, np.concatenate(steps, axis=1)


@pytest.mark.parametrize("kind, opset", [*((kind, 23) for kind in HYBRID), ("deepseek-v3", 20), ("lfm2", 20)])
def test_hybrid_decoders(kind, opset, tmp_path):
    """Latent attention, convolutions and delta rules, in logits and in what a job generates."""
    torch, transformers = peer("torch"), peer("transformers")
    family, config, model = hybrid_model(kind, torch, transformers)
    model.save_pretrained(tmp_path / "model")
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    states = kind.startswith(STATES)  # which are computed in chunks of 64 tokens
    tokens = np.random.default_rng(0).integers(3, config.vocab_size, (2, 150 if states else STEPS))
    with torch.no_grad():
        model.generation_config.eos_token_id = None
        cached = dict(use_cache="limits" not in kind)  # with states transformers forgets time_step_limit
        greedy = model.generate(torch.from_numpy(tokens[:1, :5]), do_sample=False, max_new_tokens=STEPS, **cached)[0, 5:]
    expected, allowed = exact(model, torch.from_numpy(tokens), states)
    allowed *= 1.5 if kind == "qwen3-next" else 1  # its original computes states in float32 always; 0.8 to 0.98 were measured
    whole, steps = decode_hybrid(sibyl.InferenceSession(tmp_path / "m.onnx"), tokens)
    assert gap(whole, expected) < allowed and gap(steps, expected) < allowed
    note_model("folder", family, max(gap(whole, expected), gap(steps, expected)) / np.abs(expected).max())
    (tmp_path / "tokenizer.json").write_text(made.byte_tokenizer())
    given = {"tokens": tokens[0, :5].tolist(), "max_tokens": STEPS, "temperature": 0, "stop_tokens": []}
    assert list(sibyl.Job(tmp_path / "m.onnx").run(given, ["tokens"])["tokens"]) == greedy.tolist()


GGUF_KINDS = {"Gemma3Text": "gemma3", "Cohere": "command-r", "Mixtral": "llama", "GraniteMoeShared": "granitemoe"}  # where it is not the family's name
INTERLEAVED = ("Llama", "Mixtral", "SmolLM3", "Granite", "GraniteMoe", "GraniteMoeShared")  # halves of queries and keys
GGUF_FACTS = {  # key there: how config.json calls it
    "embedding_scale": "embedding_multiplier", "residual_scale": "residual_multiplier", "attention.scale": "attention_multiplier",
    "logit_scale": ("logits_scaling", "logit_scale"), "use_parallel_residual": "use_parallel_residual", "expert_used_count": "num_experts_per_tok",
    "expert_count": ("num_local_experts", "num_experts"), "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.layer_norm_epsilon": ("layer_norm_eps", "norm_epsilon", "layer_norm_epsilon"), "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping", "final_logit_softcapping": "final_logit_softcapping",
    "context_length": ("max_position_embeddings", "max_seq_len", "seq_length"),
}  # fmt: skip


def gguf_facts(writer, config, name):
    for key, theirs in GGUF_FACTS.items():
        values = [getattr(config, k, None) for k in ((theirs,) if isinstance(theirs, str) else theirs)]
        for value in [v for v in values if v is not None][:1]:
            add = writer.add_bool if isinstance(value, bool) else writer.add_uint32 if isinstance(value, int) else writer.add_float32
            add(f"{name}.{key}", value)


def gguf_weights(names, family, config, theirs, weights):
    """What llama.cpp's converters make of a weight: (name, data) of each part."""
    data, heads = weights[theirs], config.num_attention_heads
    layer = theirs.split(".")[2] if ".layers." in theirs else None
    if ".experts." in theirs or "shared_mlp" in theirs:  # gate and up apart
        parts = ("down",) if "down" in theirs or "output" in theirs else ("gate", "up")
        for what, part in zip(parts, np.split(data, len(parts), -2)):
            yield f"blk.{layer}.ffn_{what}_{'shexp' if 'shared' in theirs else 'exps'}.weight", part
        return
    if ".norms." in theirs:  # those of the heads as one
        if theirs.endswith(".norms.0.weight"):
            front, end = theirs.split(".norms.0")
            yield names.get_name(front) + end, np.stack([w for name, w in weights.items() if name.startswith(front)])
        return
    if "query_key_value" in theirs:  # queries, keys and values of all heads, one behind the other
        groups = heads if family != "Falcon" else config.num_kv_heads if config.new_decoder_architecture else 1
        rows = data.reshape(groups, -1, config.hidden_size // heads, *data.shape[1:])
        data = np.concatenate([part.reshape(-1, *data.shape[1:]) for part in (rows[:, :-2], rows[:, -2], rows[:, -1])])
    if family in INTERLEAVED and ("q_proj" in theirs or "k_proj" in theirs):
        pairs = data.reshape(heads if "q_proj" in theirs else config.num_key_value_heads, 2, -1, *data.shape[1:])
        data = pairs.swapaxes(1, 2).reshape(data.shape)
    if family.startswith("Gemma") and theirs.endswith("norm.weight"):
        data = data + 1
    known = {"model.layers.N.block_sparse_moe.router.weight": f"blk.{layer}.ffn_gate_inp.weight"}.get(theirs.replace(f".{layer}.", ".N."))
    yield known or names.get_name(theirs.removeprefix("transformer." if family == "Bloom" else ""), try_suffixes=(".weight", ".bias")), data


@pytest.mark.parametrize("stored, kind", [
    *(("F32", kind) for kind in ("llama", "llama-3-tied", "llama-yarn", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "phi4-mini", "phi3-long", "olmo2",
                                 "mixtral", "qwen2-moe", "qwen3-moe", "olmoe", "granite-moe", "granite-moe-shared", "smollm3", "granite", "stablelm",
                                 "stablelm-parallel", "stablelm-norms", "starcoder2", "cohere", "cohere-norms", "cohere2", "gpt-neox", "gpt-neox-apart",
                                 "falcon-7b", "falcon-40b", "falcon-11b", "bloom", "mpt")),
    *(("Q8_0", kind) for kind in ("llama", "qwen3", "gemma2", "phi3", "mixtral")), ("Q4_0", "llama")])  # fmt: skip
def test_gguf(stored, kind, tmp_path):
    """llama.cpp's files: other names, queries and keys of Llama interleaved, blocks of bytes."""
    torch, transformers, gguf = peer("torch"), peer("transformers"), peer("gguf")
    family, settings = DECODERS[kind]
    settings = dict(settings, **({} if kind in ("bloom", "mpt") else dict(intermediate_size=384)))
    if family in ("Gemma2", "Gemma3Text"):
        settings["query_pre_attn_scalar"] = settings["head_dim"]  # what GGUF's readers take
    settings |= {"Qwen2Moe": dict(decoder_sparse_step=1), "Qwen3Moe": dict(mlp_only_layers=[]), "Starcoder2": dict(sliding_window=None)}.get(family, {})
    config = getattr(transformers, family + "Config")(**settings)
    model = spread(getattr(transformers, family.removesuffix("Text") + "ForCausalLM")(config), torch)
    if "moe" in kind or family == "Mixtral":
        model.set_experts_implementation("eager")  # the others know no float64
    name = GGUF_KINDS.get(family, family.lower())
    arch = next(arch for arch, text in gguf.MODEL_ARCH_NAMES.items() if text == name)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", name)
    heads = config.num_attention_heads
    kv_heads = config.num_kv_heads if kind == "falcon-40b" or kind == "falcon-11b" else 1 if kind == "falcon-7b" else getattr(config, "num_key_value_heads", heads)
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    gguf_facts(writer, config, name)
    if kind == "mpt":
        writer.add_clamp_kqv(config.attn_config.clip_qkv)
        writer.add_max_alibi_bias(config.attn_config.alibi_bias_max)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(size)
    rope = getattr(config, "rope_parameters", None) or {"rope_type": "none"}
    rope = rope.get("full_attention", rope)
    if "rope_theta" in rope:
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_rope_dimension_count(int(size * rope.get("partial_rotary_factor", 1)))
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] in ("longrope", "yarn"):
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope["rope_type"] == "longrope":
        writer.add_rope_scaling_attn_factors(model.model.rotary_emb.attention_scaling)
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.array(rope[f"{length}_factor"], "f4"))
    if kind == "llama-3-tied":
        turns = 1 / config.rope_parameters["rope_theta"] ** (np.arange(0, size, 2) / size)
        writer.add_tensor("rope_freqs.weight", (turns / model.model.rotary_emb.inv_freq.numpy()).astype("f4"))
    kind_of = gguf.GGMLQuantizationType[stored]
    with torch.no_grad():
        for p in model.parameters() if stored != "F32" else ():
            if p.ndim > 1:
                p.copy_(torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(p.numpy(), kind_of), kind_of)))
        weights = {theirs: p.numpy() for theirs, p in model.named_parameters()}
    for theirs in weights:
        for ours, data in gguf_weights(names, family, config, theirs, weights):
            blocks = data.ndim > 1 and stored != "F32"  # of a row each: parts of rows have the same
            writer.add_tensor(ours, gguf.quants.quantize(data, kind_of) if blocks else data, raw_dtype=kind_of if blocks else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, (2, STEPS))
    expected, allowed = exact(model, torch.from_numpy(tokens))
    allowed *= 2  # steps and prompt sum in other orders than the original does
    for dtype in ("f32", *(() if stored == "F32" else ("keep",))):
        sibyl.import_model(tmp_path / "m.gguf", tmp_path / "m.onnx", dtype=dtype)
        session = sibyl.InferenceSession(tmp_path / "m.onnx")
        whole, steps = decode_all(session, tokens, *numbers(session))
        assert gap(whole, expected) < allowed
        note_model("gguf", family, gap(whole, expected) / np.abs(expected).max())
        if not kind.endswith("long"):  # whose steps see other angles
            assert gap(steps, expected) < allowed
    if stored != "F32":  # the blocks as they are
        assert (tmp_path / "m.onnx.data").stat().st_size < 1.1 * (tmp_path / "m.gguf").stat().st_size


def test_other_kinds_are_refused_by_name(tmp_path):
    transformers = peer("transformers")
    kinds = (("Olmo3", SMALL), ("Mpt", dict(DECODERS["mpt"][1], attn_config=dict(alibi=False))), ("Llama", dict(SMALL, rope_parameters=dict(LINEAR, rope_type="proportional"))))
    for family, settings in kinds:
        config = getattr(transformers, family + "Config")(**settings)
        getattr(transformers, family + "ForCausalLM")(config).save_pretrained(tmp_path / family)
        with pytest.raises(sibyl.SibylError, match="olmo3|alibi|proportional") as refused:
            sibyl.import_model(tmp_path / family, tmp_path / "m.onnx")
        assert refused.value.code == "unsupported"
    assert not (tmp_path / "m.onnx").exists() and not (tmp_path / "m.onnx.data").exists()


def test_numbers_that_no_model_has(tmp_path):
    transformers = peer("transformers")
    for what, settings in (("scale of logits", dict(logits_scaling=0.0)), ("positions", dict(max_position_embeddings=0))):
        config = transformers.GraniteConfig(**dict(SMALL, **settings))
        transformers.GraniteForCausalLM(config).save_pretrained(tmp_path / what)
        with pytest.raises(sibyl.SibylError, match=what) as refused:
            sibyl.import_model(tmp_path / what, tmp_path / "m.onnx")
        assert refused.value.code == "format"
    assert not (tmp_path / "m.onnx").exists()


# ---- RWKV ----------------------------------------------------------------------------------------------------------------

WIDTH, LAYERS, WORDS, HEAD = 128, 3, 65, 64


def rwkv_weights(torch, version):
    """Random weights with the names and shapes of BlinkDL's checkpoints."""
    torch.manual_seed(version)
    heads = WIDTH // HEAD

    def noise(*shape, scale=1.0):
        return torch.randn(*shape) * scale

    def linear(out, into):
        return noise(out, into, scale=into**-0.5)

    w = {"emb.weight": noise(WORDS, WIDTH), "head.weight": linear(WORDS, WIDTH)}

    def norm(name):
        w[name + ".weight"], w[name + ".bias"] = 1 + noise(WIDTH, scale=0.1), noise(WIDTH, scale=0.1)

    norm("ln_out")
    norm("blocks.0.ln0")
    for i in range(LAYERS):
        att, ffn = f"blocks.{i}.att.", f"blocks.{i}.ffn."
        norm(f"blocks.{i}.ln1")
        norm(f"blocks.{i}.ln2")
        for name in ("key", "value", "receptance", "output", *(["gate"] if version in (5, 6) else [])):
            w[att + name + ".weight"] = linear(WIDTH, WIDTH)
        w[ffn + "key.weight"], w[ffn + "value.weight"] = linear(4 * WIDTH, WIDTH), linear(WIDTH, 4 * WIDTH)
        mixes = {4: ("time_mix_", "kvr", "kr"), 5: ("time_mix_", "kvrg", "kr"), 6: ("time_maa_", "xwkvrg", "kr"),
                 7: ("x_", "rwkvag", "k")}[version]  # fmt: skip
        w.update({att + mixes[0] + c: torch.rand(1, 1, WIDTH) for c in mixes[1]})
        w.update({ffn + mixes[0] + c: torch.rand(1, 1, WIDTH) for c in mixes[2]})
        if version < 7:
            w[ffn + "receptance.weight"] = linear(WIDTH, WIDTH)
        if version == 4:
            w[att + "time_decay"], w[att + "time_first"] = noise(WIDTH), noise(WIDTH)
        else:
            norm(att + "ln_x")
        if version in (5, 6):
            w[att + "time_faaaa"] = noise(heads, HEAD, scale=0.3)
            w[att + "time_decay"] = noise(heads, HEAD) if version == 5 else noise(1, 1, WIDTH)
        if version == 6:
            for name, shape in (("maa_w1", (WIDTH, 160)), ("maa_w2", (5, 32, WIDTH)), ("decay_w1", (WIDTH, 64)),
                                ("decay_w2", (64, WIDTH))):  # fmt: skip
                w[att + "time_" + name] = noise(*shape, scale=0.1)
        if version == 7:
            for name, rank in (("w", 64), ("a", 64), ("v", 32), ("g", 128)):
                w[att + name + "1"], w[att + name + "2"] = noise(WIDTH, rank, scale=0.1), noise(rank, WIDTH, scale=0.1)
                if name != "g":
                    w[att + name + "0"] = noise(1, 1, WIDTH)
            w[att + "k_k"], w[att + "k_a"] = (1 + noise(1, 1, WIDTH, scale=0.1) for _ in range(2))
            w[att + "r_k"] = noise(heads, HEAD, scale=0.1)
    return w


@pytest.mark.parametrize("version", [4, 5, 6, 7])
def test_rwkv(version, tmp_path, monkeypatch):
    torch = peer("torch")
    peer("rwkv")
    torch.save(rwkv_weights(torch, version), tmp_path / "r.pth")
    tokens = [3, 60, 1, 1, 22, 7, 9]
    for name, on in {"JIT": 0, "CUDA": 0, "V7": int(version == 7)}.items():
        monkeypatch.setenv(f"RWKV_{name}_ON", str(on))
    monkeypatch.delitem(sys.modules, "rwkv.model", raising=False)  # which reads them once
    theirs = tmp_path / ("r" if version == 7 else "r.pth")  # as the package names them
    model = importlib.import_module("rwkv.model").RWKV(model=str(theirs), strategy="cpu fp32")
    expected = model.forward(tokens, None)[0].numpy().ravel()
    sibyl.import_model(tmp_path / "r.pth", tmp_path / "r.onnx")
    session = sibyl.InferenceSession(tmp_path / "r.onnx")
    state = {i.name: np.zeros(i.shape, "f4") for i in session.get_inputs() if i.name.startswith("state.")}
    names = ["logits", *(name.replace("state.", "next.") for name in state)]
    whole = session.run(names, {"tokens": np.array([tokens]), "at": np.array([len(tokens) - 1]), **state})
    assert close(whole[0].ravel(), expected)
    for token in tokens:
        logits, *values = session.run(names, {"tokens": np.array([[token]]), "at": np.array([0]), **state})
        state = dict(zip(state, values))
    assert close(logits.ravel(), expected)
    assert all(close(a, b) for a, b in zip(whole[1:], values))


def states_of(session):
    """Zero states, and names of outputs: logits and the states after."""
    state = {i.name: np.zeros(i.shape, "f4") for i in session.get_inputs() if i.name.startswith("state.")}
    return state, ["logits", *(name.replace("state.", "next.") for name in state)]


RECURRENT = {
    "rwkv": ("Rwkv", dict(vocab_size=65, hidden_size=64, num_hidden_layers=5, rescale_every=2, context_length=64)),
    "mamba": ("Mamba", dict(vocab_size=65, hidden_size=48, state_size=8, num_hidden_layers=3, time_step_rank=5, use_bias=True, tie_word_embeddings=False, **BASIC)),
    "falcon-mamba": ("FalconMamba", dict(vocab_size=65, hidden_size=64, state_size=16, num_hidden_layers=3, time_step_rank=16, conv_kernel=3, **BASIC)),
    "rwkv-tied": ("Rwkv", dict(vocab_size=65, hidden_size=64, num_hidden_layers=2, tie_word_embeddings=True)),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_decoders(kind, tmp_path):
    """Of Hugging Face's folders: all tokens at once, and one by one with states."""
    torch, transformers = peer("torch"), peer("transformers")
    family, settings = RECURRENT[kind]
    config = getattr(transformers, family + "Config")(**settings)
    model = spread(getattr(transformers, family + "ForCausalLM")(config), torch)
    model.save_pretrained(tmp_path / "model")
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, (1, STEPS))
    expected, allowed = exact(model, torch.from_numpy(tokens), "mamba" in kind)
    session = sibyl.InferenceSession(tmp_path / "m.onnx")
    state, names = states_of(session)
    whole = session.run(names, {"tokens": tokens, "at": np.arange(STEPS), **state})
    steps = []
    for t in range(STEPS):
        logits, *values = session.run(names, {"tokens": tokens[:, t : t + 1], "at": np.array([0]), **state})
        state = dict(zip(state, values))
        steps.append(logits)
    assert gap(whole[0], expected) < allowed and gap(np.concatenate(steps, axis=1), expected) < allowed
    note_model("folder", family, gap(whole[0], expected) / np.abs(expected).max())
    assert all(gap(a, b) < 1e-5 * (1 + np.abs(a).max()) for a, b in zip(whole[1:], values))
