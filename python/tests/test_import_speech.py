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
    "conformer": ("Wav2Vec2Conformer", dict(hidden_act="swish", conv_depthwise_kernel_size=5), True),
    "conformer-rotary": ("Wav2Vec2Conformer", dict(position_embeddings_type="rotary", rotary_embedding_base=500, conv_depthwise_kernel_size=7), False),
    "conformer-unplaced": ("Wav2Vec2Conformer", dict(position_embeddings_type="none", feat_extract_norm="layer", conv_bias=True), True),
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


# ---- Moonshine ----------------------------------------------------------------------------------------------------------

MOONSHINE = dict(vocab_size=300, hidden_size=48, intermediate_size=72, encoder_num_hidden_layers=3, decoder_num_hidden_layers=2, encoder_num_attention_heads=4,
                 decoder_num_attention_heads=4, max_position_embeddings=194)  # fmt: skip
MOONSHINES = {
    "moonshine": {},  # 10 of the 12 numbers of a head are rotated
    "moonshine-all": dict(partial_rotary_factor=1.0, attention_bias=True, encoder_hidden_act="relu", pad_head_dim_to_multiple_of=8, rope_theta=500.0),
    "moonshine-apart": dict(tie_word_embeddings=False, decoder_hidden_act="gelu"),
}


def moonshine(folder, torch, words=1, **more):
    """A small Moonshine and its folder, whose tokenizer has pieces that begin words and others."""
    transformers, tk = peer("transformers"), peer("tokenizers")
    model = scatter(transformers.MoonshineForConditionalGeneration(transformers.MoonshineConfig(**{**MOONSHINE, **more})), torch)
    with torch.no_grad():  # so that no softmax is near to one of its terms alone
        for name, p in model.named_parameters():
            p.mul_(0.5 if name.endswith(("proj.weight", "fc1.weight")) else words if "embed_tokens" in name else 1)
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    pieces = ["<unk>", "<s>", "</s>", *(f"\u2581w{i}" if i % 3 else f"x{i}" for i in range(297))]
    tokenizer = tk.Tokenizer(tk.models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = tk.normalizers.Sequence([tk.normalizers.Prepend("\u2581"), tk.normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = tk.decoders.Sequence([tk.decoders.Replace("\u2581", " "), tk.decoders.Fuse(), tk.decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(pieces[:3])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False, "sampling_rate": 16000}))
    return model, tokenizer


def listen(session, samples, tokens, layers, heads, size):
    """Logits behind all tokens at once, and by steps with a cache."""
    pairs = [f"{what}.{i}" for i in range(layers) for what in "kv"]
    past, cross = [np.zeros((1, heads, 0, size), "f4")] * len(pairs), [np.zeros((1, heads, 1, size), "f4")] * len(pairs)

    def run(outputs, samples, tokens, past, at):  # both graphs are one file, whose inputs are all given
        cached = {**{"past_" + n: x for n, x in zip(pairs, past)}, **{"cross_" + n: x for n, x in zip(pairs, cross)}}
        return session.run(outputs, {"samples": samples, "tokens": tokens, "at": np.array(at), **cached})

    cross, steps = run(["source_" + n for n in pairs], samples, tokens, past, [0]), []
    whole = run(["logits"], samples[:, :1000], tokens, past, range(tokens.shape[1]))[0]
    for t in range(tokens.shape[1]):
        step, *past = run(["logits", *("present_" + n for n in pairs)], samples[:, :1000], tokens[:, t : t + 1], past, [0])
        steps.append(step)
    return whole, np.concatenate(steps, axis=1)


@pytest.mark.parametrize("kind, opset", [*((kind, 23) for kind in MOONSHINES), ("moonshine", 20)])
def test_moonshine(tmp_path, torch, kind, opset):
    model, _ = moonshine(tmp_path / "model", torch, **MOONSHINES[kind])
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    samples, tokens = noise(0.7, 5)[None], np.random.default_rng(0).integers(3, 300, (1, 21))
    given = {"input_values": torch.from_numpy(samples), "decoder_input_ids": torch.from_numpy(tokens)}
    with torch.no_grad():
        single = model(**given).logits.numpy()
        expected = model.double()(**{**given, "input_values": given["input_values"].double()}).logits.numpy()
    allowed = max(2e-6, np.abs(single - expected).max() / np.abs(expected).max())
    session = sibyl.InferenceSession(tmp_path / "m.onnx")
    said = session.get_modelmeta().custom_metadata_map
    assert (said["frame_samples"], said["min_samples"], said["target_tokens"]) == ("384", "895", "[1]")
    sizes = [int(said[key]) for key in ("n_layer", "n_head", "head_size")]
    error = max(np.abs(x - expected).max() for x in listen(session, samples, tokens, *sizes)) / np.abs(expected).max()
    assert error <= allowed
    note_model("folder", "Moonshine", error)
    if kind == "moonshine" and opset == 23:  # the file is ordinary ONNX
        other = peer("onnxruntime").InferenceSession(tmp_path / "m.onnx")
        assert all(np.abs(x - expected).max() < 3 * allowed * np.abs(expected).max() for x in listen(other, samples, tokens, *sizes))


def test_texts_of_moonshine_are_what_generate_writes(tmp_path, torch):
    model, tokenizer = moonshine(tmp_path / "model", torch, words=4, tie_word_embeddings=False)
    job = sibyl.load_model(tmp_path / "model")

    def expected(samples, n):
        ids = model.generate(torch.from_numpy(samples)[None], do_sample=False, num_beams=1, max_new_tokens=n)[0].tolist()
        return tokenizer.decode(ids, skip_special_tokens=True).strip()

    for seconds in (0.9, 2.5):
        samples = noise(seconds, 6)
        heard = job.transcribe(samples, tokens_per_s=30, language="en")
        assert heard["text"] == expected(samples, int(len(samples) / 16000 * 30)) and len(set(heard["segments"][0]["tokens"])) > 9
        assert (heard["language"], [s["text"] for s in heard["segments"]]) == ("en", [heard["text"]])
        assert (heard["segments"][0]["start"], heard["segments"][0]["end"]) == (0, pytest.approx(seconds))
    assert job.transcribe(noise(0.05, 1))["text"] == ""  # shorter than a frame
    part = job.transcribe(samples, clip_timestamps=[0.5, 1.5])
    assert part["text"] == expected(samples[8000:24000], 6) and part["segments"][0]["start"] == 0.5
    for options, words in (({"word_timestamps": True}, "word_timestamps"), ({"chunk_length_s": 0.05}, "chunks"), ({"tokens_per_s": -1}, "tokens_per_s")):
        with pytest.raises(sibyl.SibylError, match=words):
            job.transcribe(samples, **options)


def test_chunks_of_moonshine_end_in_silence(tmp_path, torch):
    model, tokenizer = moonshine(tmp_path / "model", torch)
    samples = noise(3, 7)
    for at in (0.75, 1.5):
        samples[int(16000 * at) : int(16000 * (at + 0.125))] = 0
    heard = sibyl.load_model(tmp_path / "model").transcribe(samples, chunk_length_s=1)
    edges = [s["start"] for s in heard["segments"]]
    assert heard["segments"][-1]["end"] == 3 and all(0 < b - a <= 1 for a, b in zip(edges, edges[1:]))
    assert any(0.75 < x < 0.875 for x in edges) and any(1.5 < x < 1.625 for x in edges)
    assert heard["text"] == "".join(s["text"] for s in heard["segments"]).strip()


def test_moonshines_that_no_code_knows_are_refused(tmp_path, torch):
    moonshine(tmp_path / "model", torch)
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for change, said in (({"encoder_num_key_value_heads": 2}, "encoder_num_key_value_heads"), ({"decoder_num_attention_heads": 2}, "decoder_num_attention_heads"),
                         ({"encoder_hidden_act": "sine"}, "sine"), ({"max_position_embeddings": 0}, "position"),
                         ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.1}}, "partial_rotary_factor")):  # fmt: skip
        path.write_text(json.dumps(config | change))
        with pytest.raises(sibyl.SibylError, match=said):
            sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")


# ---- Parakeet -----------------------------------------------------------------------------------------------------------

PARAKEET = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40, conv_kernel_size=5, subsampling_factor=4,
                subsampling_conv_channels=6, num_mel_bins=32, max_position_embeddings=50)  # fmt: skip
PARAKEETS = {
    "parakeet": {},
    "parakeet-plain": dict(attention_bias=False, convolution_bias=False, scale_input=False, subsampling_factor=8, hidden_act="relu"),
}
EARS = dict(feature_size=32, sampling_rate=16000, hop_length=160, n_fft=512, win_length=400, preemphasis=0.97)
PIECES = ["<unk>", *(f"\u2581w{i}" if i % 3 else f"x{i}" for i in range(29)), "\u2581", "|"]


def parakeet(folder, torch, **more):
    """A small Parakeet whose last output is the blank, and its folder."""
    transformers, tk = peer("transformers"), peer("tokenizers")
    config = transformers.ParakeetCTCConfig(encoder_config={**PARAKEET, **more}, vocab_size=len(PIECES) + 1, pad_token_id=len(PIECES))
    model = scatter(transformers.ParakeetForCTC(config), torch)
    model.save_pretrained(folder)
    tokenizer = tk.Tokenizer(tk.models.BPE({piece: i for i, piece in enumerate(PIECES)}, [], unk_token="<unk>"))
    tokenizer.decoder = tk.decoders.Metaspace()
    tokenizer.add_special_tokens(["<unk>", "<pad>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": EARS}))
    return model


def exact_features(samples):
    """transformers' ParakeetFeatureExtractor of samples [T], in double precision."""
    from scipy.signal import lfilter

    filters = peer("transformers").audio_utils.mel_filter_bank(257, 32, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney", dtype=np.float32)
    padded = np.pad(lfilter([1, -0.97], [1], samples.astype("f8")), 200)
    frames = np.stack([padded[i : i + 400] for i in range(0, len(samples) // 160 * 160, 160)]) * np.hanning(400)
    x = np.log(np.abs(np.fft.rfft(frames, 512)) ** 2 @ filters.astype("f8") + 2.0**-24)
    return ((x - x.mean(0)) / (x.std(0, ddof=1) + 1e-5))[None]


@pytest.mark.parametrize("kind, opset", [*((kind, 23) for kind in PARAKEETS), ("parakeet", 20)])
def test_parakeet(tmp_path, torch, kind, opset):
    model = parakeet(tmp_path / "model", torch, **PARAKEETS[kind])
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    samples = noise(1.2345, 8)
    heard = peer("transformers").ParakeetFeatureExtractor(**EARS)(samples, sampling_rate=16000, return_tensors="pt")
    features = exact_features(samples)
    n = int(heard["attention_mask"].sum())
    np.testing.assert_allclose(heard["input_features"][:, :n].numpy(), features, atol=1e-4)
    with torch.no_grad():
        single = model(**heard).logits.numpy()
        expected = model.double()(torch.from_numpy(features)).logits.numpy()
    single = single[:, : expected.shape[1]]  # the frame that transformers hides goes without
    logits = sibyl.InferenceSession(tmp_path / "m.onnx").run(None, {"samples": samples[None]})[0]
    error, allowed = (np.abs(x - expected).max() / np.abs(expected).max() for x in (logits, single))
    assert logits.shape == expected.shape and error <= max(2e-6, allowed)
    note_model("folder", "ParakeetCTC", error)
    if (kind, opset) == ("parakeet", 23):  # the file is ordinary ONNX
        other = peer("onnxruntime").InferenceSession(tmp_path / "m.onnx").run(None, {"samples": samples[None]})[0]
        assert np.abs(other - expected).max() <= 3 * max(2e-6, allowed) * np.abs(expected).max()


def test_texts_of_parakeet_are_transformers(tmp_path, torch):
    model = parakeet(tmp_path / "model", torch)
    transformers = peer("transformers")
    extractor = transformers.ParakeetFeatureExtractor(**EARS)
    with torch.no_grad():  # so that all outputs are heard, and the blank more often
        model.ctc_head.weight.mul_(8)
        model.ctc_head.bias.sub_(model(**extractor(noise(3, 0), sampling_rate=16000, return_tensors="pt")).logits.mean((0, 1)))
        model.ctc_head.bias[-1] += 2
    model.save_pretrained(tmp_path / "model")
    tokenizer = transformers.ParakeetTokenizer(tokenizer_file=str(tmp_path / "model" / "tokenizer.json"), pad_token="<pad>", unk_token="<unk>")
    job = sibyl.load_model(tmp_path / "model")
    for seconds in (0.6, 2.34567):
        samples = noise(seconds, 9)
        ids = model.generate(**extractor(samples, sampling_rate=16000, return_tensors="pt"))
        heard = job.transcribe(samples, word_timestamps=True, chunk_length_s=0)
        assert heard["text"] == tokenizer.decode(ids[0], skip_special_tokens=True).strip() and len(set(heard["text"].split())) > 5 * seconds
        words = [word for segment in heard["segments"] for word in segment["words"]]
        assert "".join(word["word"] for word in words).split() == heard["text"].split()
        assert all(0 <= word["start"] < word["end"] <= seconds + 0.04 for word in words)
    assert job.transcribe(samples[:200])["text"] == ""
    (tmp_path / "model" / "tokenizer.json").unlink()
    with pytest.raises(sibyl.SibylError, match=r"tokenizer\.json"):
        sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")


def test_parakeets_that_make_no_sense_are_refused(tmp_path, torch):
    parakeet(tmp_path / "model", torch)
    path, ears = (tmp_path / "model" / name for name in ("config.json", "processor_config.json"))
    config = json.loads(path.read_text())
    for change, said in (({"num_attention_heads": 7}, "heads"), ({"hidden_act": "sine"}, "sine"), ({"num_mel_bins": 27}, "num_mel_bins"),
                         ({"subsampling_conv_stride": 0}, "stride")):  # fmt: skip
        path.write_text(json.dumps(config | {"encoder_config": config["encoder_config"] | change}))
        with pytest.raises(sibyl.SibylError, match=said):
            sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    path.write_text(json.dumps(config))
    for change in ({"n_fft": 511}, {"win_length": 100}, {"hop_length": 0}, {"feature_size": 10**9}, {"preemphasis": 3}):
        ears.write_text(json.dumps({"feature_extractor": EARS | change}))
        with pytest.raises(sibyl.SibylError, match="bands"):
            sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")


# ---- Parakeet with a transducer -----------------------------------------------------------------------------------------

SPOKEN = ["<unk>", *(f"\u2581w{i}" if i % 3 else f"x{i}" for i in range(20)), "\u2581", ".", ",", "?", "<s>", "<blank>"]
TRANSDUCERS = {
    "tdt": ("ParakeetTDT", dict(num_decoder_layers=2)),
    "tdt-long": ("ParakeetTDT", dict(durations=list(range(8)), num_decoder_layers=1, hidden_act="silu", max_symbols_per_step=3)),
    "rnnt": ("ParakeetRNNT", dict(num_decoder_layers=1)),
    "rnnt-deep": ("ParakeetRNNT", dict(num_decoder_layers=3, hidden_act="tanh", max_symbols_per_step=2)),
}


def melody(seconds, seed):
    """Tones of a fifth of a second in noise, so that frames differ more than those of noise."""
    n = int(16000 * seconds)
    tones = np.random.default_rng(seed).uniform(100, 6000, n // 3200 + 1).repeat(3200)[:n]
    return noise(seconds, seed)[:n] * 0.1 + 0.2 * np.sin(2 * np.pi * tones * np.arange(n) / 16000).astype("f4")


def level(model, extractor, torch, blanks):
    """Makes all outputs of a transducer likely, and the blank more so."""
    n = len(SPOKEN)
    with torch.no_grad():
        model.decoder.embedding.weight.mul_(6)
        heard = extractor(melody(5, 0), sampling_rate=16000, return_tensors="pt")
        for linear, x, scale in ((model.encoder_projector, model.get_audio_features(**heard).pooler_output[:, :-1], 3),
                                 (model.decoder.decoder_projector, model.decoder(torch.arange(n)[None]), 1)):  # fmt: skip
            linear.bias.sub_(x.mean((0, 1)))
            linear.weight.mul_(scale / (x - x.mean(1)).std())
            linear.bias.mul_(scale / (x - x.mean(1)).std())
        logits = model(**heard, decoder_input_ids=torch.arange(n)[None]).logits
        model.joint.head.bias.sub_(logits.mean((0, 1, 2)))
        model.joint.head.bias[n - 1] += blanks * logits[..., :n].std()


def transducer(folder, torch, kind, blanks=1.0, begin=26):
    """A small Parakeet with a transducer that says all kinds of pieces, and its processor."""
    transformers, tk = peer("transformers"), peer("tokenizers")
    family, more = TRANSDUCERS[kind]
    n = len(SPOKEN)
    config = getattr(transformers, family + "Config")(encoder_config={**PARAKEET, "subsampling_factor": 8}, vocab_size=n, blank_token_id=n - 1,
                                                      pad_token_id=0, decoder_hidden_size=20, **more)  # fmt: skip
    model = scatter(getattr(transformers, family.replace("Parakeet", "ParakeetFor"))(config), torch)
    extractor = transformers.ParakeetFeatureExtractor(**EARS)
    if blanks is not None:
        level(model, extractor, torch, blanks)
    model.generation_config.decoder_start_token_id = begin
    model.generation_config.suppress_tokens = list(range(n, model.joint.head.out_features)) or None  # durations are no tokens
    model.save_pretrained(folder)
    tokenizer = tk.Tokenizer(tk.models.BPE({piece: i for i, piece in enumerate(SPOKEN)}, [], unk_token="<unk>"))
    tokenizer.decoder = tk.decoders.Metaspace()
    tokenizer.add_special_tokens(["<unk>", "<s>", "<blank>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": EARS}))
    tokenizer = transformers.ParakeetTokenizer(tokenizer_file=str(folder / "tokenizer.json"), pad_token="<unk>", unk_token="<unk>")
    return model, transformers.ParakeetProcessor(extractor, tokenizer, decoder_type=kind.split("-")[0])


def score(session, samples, tokens, layers, width, torch):
    """Logits [1, frames, tokens, outputs] by the three graphs of a file, whose inputs are all given."""
    states = {f"state.{i}.{what}": np.zeros((1, width), "f4") for i in range(layers) for what in ("hidden", "cell")}
    given = {"samples": samples[:, :1000], "token": np.zeros(1, "i8"), "frame": np.zeros((1, width), "f4"), "prediction": np.zeros((1, width), "f4")}
    encoded, rows = session.run(["encoded"], {**given, **states, "samples": samples})[0][0], []
    for token in tokens:
        row, *made = session.run(["predicted", *(name.replace("state", "next") for name in states)], {**given, **states, "token": np.array([token])})
        states = dict(zip(states, made))
        rows.append(row[0])
    pairs = {"frame": np.repeat(encoded, len(rows), 0), "prediction": np.tile(rows, (len(encoded), 1))}
    return session.run(["logits"], {**given, **states, **pairs})[0].reshape(1, len(encoded), len(rows), -1)


@pytest.mark.parametrize("kind, opset", [*((kind, 23) for kind in TRANSDUCERS), ("tdt", 20)])
def test_transducers(tmp_path, torch, kind, opset):
    model, processor = transducer(tmp_path / "model", torch, kind, blanks=None)
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    samples, tokens = noise(1.2345, 8), [26, 3, 7, 7, 22]
    features = exact_features(samples)
    heard = processor.feature_extractor(samples, sampling_rate=16000, return_tensors="pt")
    given = torch.tensor([tokens])
    with torch.no_grad():
        single = model(**heard, decoder_input_ids=given).logits.numpy()
        expected = model.double()(torch.from_numpy(features), decoder_input_ids=given).logits.numpy()
    single = single[:, : expected.shape[1]]  # the frame that transformers hides goes without
    allowed = max(2e-6, np.abs(single - expected).max() / np.abs(expected).max())
    layers = TRANSDUCERS[kind][1]["num_decoder_layers"]
    logits = score(sibyl.InferenceSession(tmp_path / "m.onnx"), samples[None], tokens, layers, 20, torch)
    error = np.abs(logits - expected).max() / np.abs(expected).max()
    assert logits.shape == expected.shape and error <= allowed
    note_model("folder", TRANSDUCERS[kind][0], error)
    if (kind, opset) == ("tdt", 23):  # the file is ordinary ONNX
        other = score(peer("onnxruntime").InferenceSession(tmp_path / "m.onnx"), samples[None], tokens, layers, 20, torch)
        assert np.abs(other - expected).max() <= 3 * allowed * np.abs(expected).max()


def words_of(tokens, ids):
    """Words of transformers' tokens with times."""
    words, apart = [], True
    for token, piece in zip(tokens, ids):
        apart = apart or piece.startswith("\u2581")
        if piece == "\u2581":
            continue
        if apart:
            words.append(["", token["start"], 0])
        words[-1][0] += piece.removeprefix("\u2581")
        words[-1][2] = token["end"]
        apart = False
    return words


@pytest.mark.parametrize("kind", TRANSDUCERS)
def test_texts_and_times_of_transducers_are_transformers(tmp_path, torch, kind):
    for blanks, seconds, begin in ((1.0, 4.567, 26), (0.5, 3.21, 3)):
        folder = tmp_path / f"model-{begin}"
        model, processor = transducer(folder, torch, kind, blanks, begin)
        job = sibyl.load_model(folder)
        samples = melody(seconds, 9)
        made = model.generate(**processor.feature_extractor(samples, sampling_rate=16000, return_tensors="pt"))
        ids, durations = made.sequences[:, 1:], made.durations[:, 1:]  # without what texts begin with
        text, times = processor.decode(ids, durations=durations, skip_special_tokens=True)
        heard = job.transcribe(samples, word_timestamps=True, chunk_length_s=0)
        assert heard["text"] == text[0].strip() and len(set(heard["text"].split())) > 2
        shown = [SPOKEN[i] for i in ids[0].tolist() if SPOKEN[i][0] != "<"]
        shown = shown[shown[0] == "\u2581" :]  # which transformers' stream of text leaves out
        expected = words_of(times[0], shown)
        words = [word for segment in heard["segments"] for word in segment["words"]]
        assert len(times[0]) == len(shown) and [word["word"].strip() for word in words] == [word for word, *_ in expected]
        for i, edge in ((1, "start"), (2, "end")):
            np.testing.assert_allclose([word[edge] for word in words], [word[i] for word in expected], atol=1e-9)
        assert all(0 < word["probability"] <= 1 for word in words)


def test_chunks_and_clips_of_transducers(tmp_path, torch):
    model, processor = transducer(tmp_path / "model", torch, "tdt")
    job, samples = sibyl.load_model(tmp_path / "model"), melody(3, 7)

    def expected(part):
        ids = model.generate(**processor.feature_extractor(part, sampling_rate=16000, return_tensors="pt")).sequences
        return processor.decode(ids[0, 1:], skip_special_tokens=True).strip()

    part = job.transcribe(samples, clip_timestamps=[0.5, 2.5], language="en")
    assert (part["text"], part["language"]) == (expected(samples[8000:40000]), "en")
    silent = samples.copy()
    silent[22400:25600] = 0
    heard = job.transcribe(silent, chunk_length_s=2, word_timestamps=True)
    cut = 22400 + 800  # the middle of the first tenth of a second without a sound
    assert heard["text"].split() == (expected(silent[:cut]) + " " + expected(silent[cut:])).split() != job.transcribe(silent)["text"].split()
    assert job.transcribe(samples[:200])["text"] == ""
    for options, words in (({"beam_size": 5}, "beam_size"), ({"chunk_length_s": 0.01}, "chunks"), ({"chunk_length_s": -1}, "chunk_length_s"), ({"pause_s": 0}, "pause_s")):
        with pytest.raises(sibyl.SibylError, match=words):
            job.transcribe(samples, **options)


def test_transducers_that_make_no_sense_are_refused(tmp_path, torch):
    transducer(tmp_path / "model", torch, "tdt")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for change, said in (({"durations": [0, 1, 2, 4, 8]}, "durations"), ({"durations": [0, 1]}, "durations"), ({"hidden_act": "sine"}, "sine"),
                         ({"blank_token_id": 27}, "blank"), ({"blank_token_id": -1}, "blank"), ({"max_symbols_per_step": 0}, "max_symbols_per_step")):  # fmt: skip
        path.write_text(json.dumps(config | change))
        with pytest.raises(sibyl.SibylError, match=said):
            sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    path.write_text(json.dumps(config))
    (tmp_path / "model" / "generation_config.json").write_text('{"decoder_start_token_id": 27}')
    with pytest.raises(sibyl.SibylError, match="27"):
        sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
