"""Imported recognisers with a CTC head against the originals of transformers with small random weights."""

import json

import numpy as np
import pytest
from conftest import note_model, peer

import sibyl

SMALL = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, conv_dim=(12, 14, 10), conv_stride=(5, 4, 2),
             conv_kernel=(10, 7, 3), num_feat_extract_layers=3, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, vocab_size=18)  # fmt: skip
FAMILIES = {
    "wav2vec2": ("Wav2Vec2", dict(feat_extract_norm="group"), True),
    "mms": ("Wav2Vec2", dict(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True, num_conv_pos_embeddings=7,
                             hidden_act="gelu_new", adapter_attn_dim=6), True),
    "hubert": ("Hubert", dict(feat_extract_norm="layer", conv_bias=True, feat_proj_layer_norm=False), False),
    "hubert-batch-norm": ("Hubert", dict(conv_pos_batch_norm=True), True),
    "wavlm": ("WavLM", dict(num_buckets=32, max_bucket_distance=20, do_stable_layer_norm=True, feat_extract_norm="layer"), True),
    "wavlm-behind": ("WavLM", dict(num_buckets=12, max_bucket_distance=30), True),
    "data2vec": ("Data2VecAudio", dict(conv_pos_kernel_size=5, num_conv_pos_embeddings=2), True),
    "unispeech": ("UniSpeech", dict(), True),
    "unispeech-sat": ("UniSpeechSat", dict(do_stable_layer_norm=True), False),
}  # fmt: skip
TEXTS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLU'"]


def scatter(model, torch):
    """Random weights whose outputs depend on every one of them."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(("norm" in name and name.endswith("weight")) + 0.25 * torch.randn_like(p))
            if "original0" in name:  # lengths of what the convolution of places multiplies by
                p.abs_().add_(0.5)
        for name, p in model.named_buffers():
            if "running" in name:
                p.copy_(torch.rand_like(p) + 0.5)
    return model.eval()


def save(folder, model, normalize):
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({text: i for i, text in enumerate(TEXTS)}))
    # 10^30 is what tokenizers without a limit say
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Wav2Vec2CTCTokenizer", "model_max_length": 10**30}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalize, "sampling_rate": 16000}))
    return folder


def small_model(torch, family, **more):
    transformers = peer("transformers")
    config = getattr(transformers, family + "Config")(**{**SMALL, **more})
    return scatter(getattr(transformers, family + "ForCTC")(config), torch)


@pytest.mark.parametrize("kind", FAMILIES)
def test_logits_of_samples_are_transformers(tmp_path, torch, kind):
    family, more, normalize = FAMILIES[kind]
    model = small_model(torch, family, **more)
    sibyl.import_model(save(tmp_path / "model", model, normalize), tmp_path / "m.onnx")
    samples = 0.1 * np.random.default_rng(1).standard_normal((2, 2345)).astype("f4") + 0.05
    given = samples.astype("f8")
    if normalize:
        given = (given - given.mean(-1, keepdims=True)) / np.sqrt(given.var(-1, keepdims=True) + 1e-7)
    with torch.no_grad():
        expected = model.double()(torch.from_numpy(given)).logits.numpy()
    logits = sibyl.InferenceSession(tmp_path / "m.onnx").run(None, {"samples": samples})[0]
    error = np.abs(logits - expected).max() / np.abs(expected).max()
    assert logits.shape == expected.shape and error < 2e-6
    note_model("folder", family, error)


def test_what_is_no_recogniser_is_refused_by_name(tmp_path, torch):
    transformers = peer("transformers")
    config = transformers.Wav2Vec2Config(**SMALL)
    base = transformers.Wav2Vec2Model(config)
    for model, words in ((base, "no CTC head"), (small_model(torch, "Wav2Vec2", add_adapter=True, output_hidden_size=24), "add_adapter")):
        with pytest.raises(sibyl.SibylError, match=words):
            sibyl.import_model(save(tmp_path / words.replace(" ", "-"), model, True), tmp_path / "m.onnx")
    folder = save(tmp_path / "texts", small_model(torch, "Wav2Vec2"), True)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}')
    with pytest.raises(sibyl.SibylError, match="Wav2Vec2PhonemeCTCTokenizer"):
        sibyl.import_model(folder, tmp_path / "m.onnx")
    (folder / "vocab.json").unlink()
    with pytest.raises(sibyl.SibylError, match=r"vocab\.json"):
        sibyl.import_model(folder, tmp_path / "m.onnx")
