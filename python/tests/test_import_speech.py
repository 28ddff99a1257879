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


# ---- The job ------------------------------------------------------------------------------------------------------------


def recogniser(folder, torch, normalize=True, **texts):
    """A recogniser that says letters, blanks and delimiters alike; its folder and the processor of transformers."""
    transformers = peer("transformers")
    model = small_model(torch, "Wav2Vec2")
    with torch.no_grad():
        model.lm_head.weight.mul_(4)
    save(folder, model, normalize)
    logits = model(torch.from_numpy(noise(3, 0))[None]).logits
    with torch.no_grad():
        model.lm_head.bias.sub_(logits.mean((0, 1)))
        for text in ("<pad>", "|"):
            model.lm_head.bias[TEXTS.index(text)] += 2
    save(folder, model, normalize)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **texts}))
    return model, transformers.Wav2Vec2CTCTokenizer(folder / "vocab.json", **texts), transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)


def noise(seconds, seed):
    return 0.1 * np.random.default_rng(seed).standard_normal(int(16000 * seconds)).astype("f4")


FRAME = 40  # samples; of conv_stride


def expected_words(model, tokenizer, extractor, samples, torch):
    with torch.no_grad():
        ids = model(extractor(samples, sampling_rate=16000, return_tensors="pt").input_values).logits[0].argmax(-1)
    return tokenizer.decode(ids, output_word_offsets=True)


@pytest.mark.parametrize("texts", [{}, {"do_lower_case": True, "clean_up_tokenization_spaces": True}, {"replace_word_delimiter_char": "_", "unk_token": "D"},
                                   {"word_delimiter_token": "E", "pad_token": "T"}])  # fmt: skip
def test_texts_and_times_of_words_are_transformers(tmp_path, torch, texts):
    folder = tmp_path / "model"
    model, tokenizer, extractor = recogniser(folder, torch, **texts)
    samples = noise(2.34567, 1)
    expected = expected_words(model, tokenizer, extractor, samples, torch)
    heard = sibyl.load_model(folder).transcribe(samples, word_timestamps=True)
    words = [word for segment in heard["segments"] for word in segment["words"]]
    assert (heard["text"], len(words) > 20) == (expected.text, True)
    lower = str.lower if "do_lower_case" in texts else str
    assert [word["word"].removeprefix(" ") for word in words] == [lower(word["word"]) for word in expected.word_offsets]
    for edge in ("start", "end"):
        times = [word[f"{edge}_offset"] * FRAME / 16000 for word in expected.word_offsets]
        np.testing.assert_allclose([word[edge] for word in words], times, atol=1e-9)
    assert all(0 < word["probability"] <= 1 for word in words)


@pytest.mark.parametrize("seconds", [(0.5, None), (0.4, 0.1), (0.3, 0)])
def test_chunks_are_those_of_the_pipeline(tmp_path, torch, seconds):
    folder = tmp_path / "model"
    model, tokenizer, extractor = recogniser(folder, torch)
    whole = peer("transformers").pipeline("automatic-speech-recognition", model=model, tokenizer=tokenizer, feature_extractor=extractor)
    length, stride = seconds
    samples = noise(2.0123, 2)
    options = {} if stride is None else {"stride_length_s": stride}
    expected = whole(samples, chunk_length_s=length, return_timestamps="word", **options)
    job = sibyl.load_model(folder)
    heard = job.transcribe(samples, chunk_length_s=length, word_timestamps=True, **options)
    assert heard["text"] == expected["text"] and heard["text"] != job.transcribe(samples)["text"]
    times = [time for chunk in expected["chunks"] for time in chunk["timestamp"]]
    found = [word[edge] for segment in heard["segments"] for word in segment["words"] for edge in ("start", "end")]
    if stride != 0:  # without, the pipeline's times lack the frames that chunks are short of
        np.testing.assert_allclose(found, times, atol=1e-9)


def test_segments_clips_and_options_of_a_recogniser(tmp_path, torch):
    folder = tmp_path / "model"
    model, tokenizer, extractor = recogniser(folder, torch)
    job = sibyl.load_model(folder)
    samples = noise(2, 3)
    all_of_it = job.transcribe(samples, segment_length_s=0.5, word_timestamps=True, language="de")
    assert all_of_it["language"] == "de" and len(all_of_it["segments"]) > 3
    assert "".join(segment["text"] for segment in all_of_it["segments"]).strip() == all_of_it["text"]
    assert all(segment["words"][-1]["start"] - segment["start"] <= 0.5 for segment in all_of_it["segments"])
    part = job.transcribe(samples, clip_timestamps=[0.5, 1.25], word_timestamps=True)
    expected = expected_words(model, tokenizer, extractor, samples[8000:20000], torch)
    assert part["text"] == expected.text
    assert part["segments"][0]["start"] == pytest.approx(0.5 + expected.word_offsets[0]["start_offset"] * FRAME / 16000)
    assert job.transcribe(samples[:50])["text"] == ""
    for options, words in (({"beam_size": 5}, "beam_size"), ({"chunk_length_s": 0.001}, "chunks"), ({"pause_s": 0}, "pause_s")):
        with pytest.raises(sibyl.SibylError, match=words):
            job.transcribe(samples, **options)


def test_a_tokenizer_json_stands_in_for_the_vocabulary(tmp_path, torch):
    folder = tmp_path / "model"
    recogniser(folder, torch)
    expected = sibyl.load_model(folder).transcribe(noise(1, 4))["text"]
    vocab = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    whole = {"model": {"vocab": vocab}, "decoder": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|"}}
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    assert sibyl.load_model(folder).transcribe(noise(1, 4))["text"] == expected
    (folder / "tokenizer.json").write_text(json.dumps({**whole, "decoder": {"type": "ByteLevel"}}))
    with pytest.raises(sibyl.SibylError, match="ByteLevel"):
        sibyl.load_model(folder)
