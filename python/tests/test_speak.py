"""Text to speech: imported models against the originals of transformers with small random weights, and spelling against their tokenizers."""

import io
import json
import subprocess

import numpy as np
import pytest
from conftest import ROOT, note_model, peer

import sibyl

SIBYL = ROOT / "build" / "sibyl"
SMALL = dict(vocab_size=17, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, window_size=3, ffn_dim=40, ffn_kernel_size=4, flow_size=10,
             spectrogram_bins=9, upsample_initial_channel=36, upsample_rates=[5, 3], upsample_kernel_sizes=[9, 6], resblock_kernel_sizes=[3, 5],
             resblock_dilation_sizes=[[1, 3], [1, 2]], duration_predictor_flow_bins=7, duration_predictor_num_flows=3, duration_predictor_filter_channels=14,
             prior_encoder_num_flows=3, prior_encoder_num_wavenet_layers=3, posterior_encoder_num_wavenet_layers=1, wavenet_dilation_rate=2,
             wavenet_kernel_size=3, sampling_rate=8000)  # fmt: skip
SYMBOLS = "k'abcdefghi -lmno"
TOKENIZER = dict(tokenizer_class="VitsTokenizer", pad_token="k", unk_token="<unk>", language="eng", add_blank=True, normalize=True, phonemize=False)
TEXT = "Bad Hand-ball, like: ok!"
VITS = {
    "stochastic": {},
    "plain": dict(use_stochastic_duration_prediction=False, window_size=40),
    "speakers": dict(num_speakers=4, speaker_embedding_size=6, speaking_rate=1.3, noise_scale=0.5, noise_scale_duration=0.3),
    "speakers-plain": dict(num_speakers=3, speaker_embedding_size=5, use_stochastic_duration_prediction=False, use_bias=False, hidden_act="gelu",
                           leaky_relu_slope=0.2, ffn_kernel_size=1),
}  # fmt: skip


def small_vits(folder, torch, tokenizer=TOKENIZER, symbols=SYMBOLS, **more):
    """A model whose speech depends on every weight, saved with a tokenizer."""
    transformers = peer("transformers")
    torch.manual_seed(3)
    model = transformers.VitsModel(transformers.VitsConfig(**{**SMALL, **more})).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "original0" in name:
                p.copy_(torch.rand_like(p) + 0.5)
            elif p.ndim == 1 or "translate" in name or "log_scale" in name:
                p.copy_(("norm" in name and name.endswith("weight")) + 0.2 * torch.randn_like(p))
        model.decoder.conv_post.weight.mul_(0.02)
    model.save_pretrained(folder)
    save_tokenizer(folder, tokenizer, symbols)
    return model.double()


def save_tokenizer(folder, tokenizer, symbols=SYMBOLS):
    (folder / "vocab.json").write_text(json.dumps({symbol: i for i, symbol in enumerate(symbols)}))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))


def original(model, folder, torch, monkeypatch, **options):
    """What transformers says of TEXT, and the noise that it drew."""
    drawn = {}
    ids = torch.tensor([peer("transformers").VitsTokenizer.from_pretrained(folder)(TEXT)["input_ids"]])
    real = torch.randn

    def keep(name, made):
        drawn[name] = made[0].float().numpy()
        return made

    with monkeypatch.context() as m, torch.no_grad():
        m.setattr(torch, "randn", lambda *dims: keep("duration_noise", real(*dims)))
        m.setattr(torch, "randn_like", lambda x: keep("noise", real(x.shape).to(x.dtype)))
        torch.manual_seed(5)
        return model(ids, **options).waveform[0].numpy(), drawn


@pytest.mark.parametrize("kind", VITS)
def test_speech_is_transformers(tmp_path, torch, monkeypatch, kind):
    folder = tmp_path / "model"
    model = small_vits(folder, torch, **VITS[kind])
    several = {"speaker": 2} if "speakers" in kind else {}
    expected, noise = original(model, folder, torch, monkeypatch, **({"speaker_id": 2} if several else {}))
    speak = sibyl.load_model(folder, "text-to-speech")
    spoken = speak(TEXT, **several, **noise)
    assert (spoken["sample_rate"], spoken["samples"].shape) == (8000, expected.shape)
    error = np.abs(spoken["samples"] - expected).max() / np.abs(expected).max()
    assert error < 2e-5 and np.abs(expected).max() > 0.02
    note_model("folder", "Vits", error)
    if several:
        one, other = (speak(TEXT, speaker=speaker)["samples"] for speaker in (1, 2))
        assert not np.array_equal(one[:100], other[:100])


def test_noise_is_of_the_seed(tmp_path, torch, monkeypatch):
    folder = tmp_path / "model"
    model = small_vits(folder, torch)
    speak = sibyl.load_model(folder, "text-to-speech")
    one, again, other = (speak(TEXT, seed=seed)["samples"] for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one[:200], other[:200])
    model.noise_scale = model.noise_scale_duration = 0
    still = {"noise_scale": 0, "duration_noise_scale": 0}
    expected, _ = original(model, folder, torch, monkeypatch)
    found = speak(TEXT, **still)["samples"]
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()
    assert np.array_equal(found, speak(TEXT, seed=9, **still)["samples"])
    expected, _ = original(model, folder, torch, monkeypatch, speaking_rate=0.4)
    slow = speak(TEXT, speed=0.4, **still)["samples"]
    assert slow.size > 1.5 * found.size and np.abs(slow - expected).max() < 2e-5 * np.abs(expected).max()
    drawn = speak.job.run({"text": TEXT})
    assert sum(drawn["durations"]) * 15 <= drawn["samples"].size and len(drawn["durations"]) == len(drawn["tokens"])
    frames = int(sum(drawn["durations"]))
    given = np.zeros((10, frames + 7), "f4")
    assert not np.array_equal(speak(TEXT, noise=given)["samples"], drawn["samples"])
    for options, words in (({"noise": given[:9]}, r"noise is none of float32 \[10, "), ({"noise": given[:, :9]}, "or more"), ({"speaker": 1}, "speaker is 1"),
                           ({"speed": 0}, "speed is 0"), ({"noise_scale": -1}, "noise_scale is -1"), ({"seed": 0.5}, "seed is 0.5")):  # fmt: skip
        with pytest.raises(sibyl.SibylError, match=words):
            speak(TEXT, **options)


def test_spelling_is_the_tokenizers(tmp_path, torch):
    folder, transformers = tmp_path / "model", peer("transformers")
    small_vits(folder, torch)
    texts = [TEXT, "KICK", "like", "  a\tb\n", "-", "naïve İok", "ooo <unk> k"]
    for changed in ({}, {"pad_token": "<pad>"}, {"add_blank": False}, {"pad_token": "o", "add_blank": False}, {"language": "ron"}):
        save_tokenizer(folder, {**TOKENIZER, **changed}, SYMBOLS.replace("o", "\u0163") if changed == {"language": "ron"} else SYMBOLS)
        tokenizer = transformers.VitsTokenizer.from_pretrained(folder)
        job = sibyl.load_model(folder).job
        for text in [*texts, "\u021ba \u021aa"]:
            assert job.run({"text": text}, ["tokens"])["tokens"] == tokenizer(text)["input_ids"], (changed, text)
    save_tokenizer(folder, {**TOKENIZER, "normalize": False})
    job, tokenizer = sibyl.load_model(folder).job, transformers.VitsTokenizer.from_pretrained(folder)
    assert job.run({"text": " lake- "}, ["tokens"])["tokens"] == tokenizer(" lake- ")["input_ids"]
    for text, words in (("Like", r"U\+004C"), ("", "no character")):
        with pytest.raises(sibyl.SibylError, match=words):
            job.run({"text": text})


def test_what_needs_other_programs_is_refused_by_name(tmp_path, torch):
    folder = tmp_path / "model"
    small_vits(folder, torch)
    with pytest.raises(sibyl.SibylError, match="no phonemes"):
        sibyl.load_model(folder)(TEXT, phonemes=True)
    save_tokenizer(folder, {**TOKENIZER, "phonemize": True})
    speak = sibyl.load_model(folder)
    with pytest.raises(sibyl.SibylError, match="espeak"):
        speak("hello")
    assert speak("hello", phonemes=True)["samples"].size
    save_tokenizer(folder, {**TOKENIZER, "is_uroman": True})
    with pytest.raises(sibyl.SibylError, match="uroman"):
        sibyl.load_model(folder)("naïve")
    save_tokenizer(folder, {"tokenizer_class": "SpeechT5Tokenizer"})
    with pytest.raises(sibyl.SibylError, match="SpeechT5Tokenizer"):
        sibyl.load_model(folder)
    (folder / "vocab.json").unlink()
    with pytest.raises(sibyl.SibylError, match=r"vocab\.json"):
        sibyl.load_model(folder)


# ---- SpeechT5 ------------------------------------------------------------------------------------------------------------

STEPS = dict(vocab_size=30, hidden_size=24, encoder_layers=2, encoder_attention_heads=3, encoder_ffn_dim=40, decoder_layers=2, decoder_attention_heads=2,
             decoder_ffn_dim=36, num_mel_bins=9, speech_decoder_prenet_units=14, speaker_embedding_dim=7, speech_decoder_postnet_layers=3,
             speech_decoder_postnet_units=11, max_speech_positions=60, max_text_positions=50, encoder_max_relative_position=5, conv_dim=[8],
             conv_stride=[5], conv_kernel=[10])  # fmt: skip
VOCODER = dict(model_in_dim=9, upsample_initial_channel=36, upsample_rates=[5, 3], upsample_kernel_sizes=[9, 6], resblock_kernel_sizes=[3, 5],
               resblock_dilation_sizes=[[1, 3], [1, 2]], sampling_rate=8000)  # fmt: skip
SPEECHT5 = {
    "plain": {},
    "beside": dict(encoder_max_relative_position=30, reduction_factor=3, speech_decoder_prenet_layers=3, speech_decoder_prenet_dropout=0.25, hidden_act="relu",
                   speech_decoder_postnet_layers=1, normalize_before=False, speech_decoder_postnet_kernel=3),
    "one": dict(reduction_factor=1, speech_decoder_prenet_layers=1, decoder_layers=1, encoder_layers=1, layer_norm_eps=1e-3, leaky_relu_slope=0.2),
}  # fmt: skip
SPOKEN = "bad hand, like: ok"


def randomize(model, torch):
    with torch.no_grad():
        for name, p in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith((".pe", "num_batches_tracked")):
                continue
            positive = name.endswith(("running_var", "scale", "norm.weight", "alpha"))
            p.copy_(torch.rand_like(p) + 0.5 if positive else (0.2 if p.ndim < 2 else 1.5 / p[0].numel() ** 0.5) * torch.randn_like(p))
    return model.eval()


def small_speecht5(folder, torch, beside=False, **more):
    """A model, its vocoder and its tokenizer of characters, in a folder or in two."""
    transformers = peer("transformers")
    torch.manual_seed(4)
    vocoder_only = ("normalize_before", "leaky_relu_slope")
    model = transformers.SpeechT5ForTextToSpeech(transformers.SpeechT5Config(**{**STEPS, **{k: v for k, v in more.items() if k not in vocoder_only}}))
    vocoder = transformers.SpeechT5HifiGan(transformers.SpeechT5HifiGanConfig(**{**VOCODER, **{k: v for k, v in more.items() if k in vocoder_only}}))
    randomize(model, torch)
    randomize(vocoder, torch)
    with torch.no_grad():
        model.speech_decoder_postnet.prob_out.weight.mul_(3)  # it ends by what is said
        vocoder.conv_post.weight.mul_(0.1)
    model.save_pretrained(folder)
    vocoder.save_pretrained(folder.parent / "speecht5_hifigan" if beside else folder / "vocoder")
    raw = io.BytesIO()
    peer("sentencepiece").SentencePieceTrainer.train(sentence_iterator=iter([SPOKEN, "Né Ⅷ mn"] * 9), model_writer=raw, model_type="char", vocab_size=28,
                                                     bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2, hard_vocab_limit=False)  # fmt: skip
    (folder / "spm_char.model").write_bytes(raw.getvalue())
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(tokenizer_class="SpeechT5Tokenizer", pad_token="<pad>")))
    return model.double(), vocoder.double()


def originals(models, ids, speaker, torch, monkeypatch, kept=None, **options):
    """What transformers says of ids: frames and samples, what its prenet kept [steps, layers, units], and the probabilities by
    which it ends [steps]. kept: 1: all."""
    model, vocoder = models
    drawn, ends, real, sigmoid = [], [], torch.bernoulli, torch.sigmoid

    def bernoulli(x, p):
        drawn.append(torch.ones_like(x) if kept else real(torch.full_like(x, p)))
        return drawn[-1]

    def count(x):
        ends.append(float(sigmoid(x).sum()))
        return sigmoid(x)

    with monkeypatch.context() as m, torch.no_grad():
        m.setattr(torch, "bernoulli", bernoulli)
        m.setattr(torch, "sigmoid", count)
        frames = model.generate_speech(torch.tensor([ids]), torch.tensor(speaker[None]).double(), **options)
        samples = vocoder(frames)
    masks = torch.stack([x[-1] for x in drawn]).reshape(-1, model.config.speech_decoder_prenet_layers, model.config.speech_decoder_prenet_units)
    return frames.numpy(), samples.numpy(), masks.float().numpy(), ends


def error_of(found, expected):
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("kind", SPEECHT5)
def test_steps_are_transformers(tmp_path, torch, monkeypatch, kind):
    folder = tmp_path / "model"
    models = small_speecht5(folder, torch, beside=kind == "beside", **SPEECHT5[kind])
    speaker = np.random.default_rng(1).standard_normal(7).astype("f4") * 3
    speak = sibyl.load_model(folder, "text-to-speech")
    ids = speak.job.run({"text": SPOKEN, "speaker_embedding": speaker, "max_ratio": 0}, ["tokens"])["tokens"]
    assert ids == peer("transformers").SpeechT5Tokenizer.from_pretrained(folder)(SPOKEN)["input_ids"]
    *_, ends = originals(models, ids, speaker, torch, monkeypatch, kept=1, maxlenratio=2.3, threshold=9)
    rises = next(i for i in range(2, len(ends) - 1) if ends[i] > ends[i - 1] + 1e-5)
    by_threshold = {"threshold": (ends[rises] + ends[rises - 1]) / 2, "minlenratio": (rises + 0.1) * models[0].config.reduction_factor / len(ids)}
    lengths = set()
    for options in ({"maxlenratio": 2.3, "threshold": 9}, {"threshold": 1e-6}, {"threshold": 1e-6, "minlenratio": 0.9}, {"kept": 1, **by_threshold}):
        frames, samples, masks, _ = originals(models, ids, speaker, torch, monkeypatch, **options)
        options.pop("kept", None)
        given = {{"maxlenratio": "max_ratio", "minlenratio": "min_ratio"}.get(k, k): v for k, v in options.items()}
        found = speak.job.run({"text": SPOKEN, "speaker_embedding": speaker, "kept": masks, **given})
        error = max(error_of(found["spectrogram"][0], frames), error_of(found["samples"], samples))
        assert (found["sample_rate"], len(samples)) == (8000, 15 * len(frames) + 1)
        assert error < 2e-5 and np.abs(samples).max() > 0.02
        lengths.add(len(frames))
        note_model("folder", "SpeechT5", error)
    assert len(lengths) == 4 and (rises + 1) * models[0].config.reduction_factor in lengths


def test_steps_drop_by_the_seed(tmp_path, torch, monkeypatch):
    folder = tmp_path / "model"
    models = small_speecht5(folder, torch)
    speaker = np.random.default_rng(2).standard_normal((1, 7)).astype("f4")
    speak = sibyl.load_model(folder, "text-to-speech")
    given = {"speaker_embedding": speaker, "max_ratio": 2.0, "threshold": 2}
    one, again, other = (speak(SPOKEN, seed=seed, **given)["samples"] for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    ids = speak.job.run({"text": SPOKEN, **given}, ["tokens"])["tokens"]
    frames, _, masks, _ = originals(models, ids, speaker[0], torch, monkeypatch, kept=1, maxlenratio=2, threshold=2)
    models[0].config.speech_decoder_prenet_dropout = 0
    still, *_ = originals(models, ids, speaker[0], torch, monkeypatch, kept=1, maxlenratio=2, threshold=2)
    job = speak.job
    assert error_of(job.run({"text": SPOKEN, "kept": np.ones_like(masks), **given})["spectrogram"][0], frames) < 2e-5
    assert error_of(job.run({"text": SPOKEN, "dropout": 0, "seed": 5, **given})["spectrogram"][0], still) < 2e-5
    for options, words in (({"kept": masks[:3]}, "kept has 3 steps"), ({"kept": masks[:, :1]}, r"none of float32 \[steps, 2, 14\]"), ({"dropout": 1}, "dropout is 1"),
                           ({"speaker_embedding": speaker[:, :6]}, "has 6 numbers, expected 7"), ({"max_ratio": 20.0}, "more than the 60 steps"),
                           ({"seed": 0.5}, "seed is 0.5"), ({"text": "a" * 60}, "from 1 to 50"), ({"text": "a<pad>b"}, "padding 1"),
                           ({"speaker_embedding": speaker * np.nan}, "not numbers")):  # fmt: skip
        with pytest.raises(sibyl.SibylError, match=words):
            job.run({"text": SPOKEN, **given, **options})
    with pytest.raises(sibyl.SibylError, match="speaker_embedding"):
        speak(SPOKEN)
    if SIBYL.exists():
        np.save(tmp_path / "x.npy", speaker)
        options = ["-i", f"speaker_embedding={tmp_path}/x.npy", "-i", "max_ratio=2", "-i", "threshold=2", "--seed", "2", "--float", "-o", "-"]
        wav = subprocess.run([SIBYL, "speak", SPOKEN, "--model", folder, *options], check=True, capture_output=True).stdout
        assert np.array_equal(np.frombuffer(wav[44:], "f4"), other)


def test_what_is_no_speecht5_is_refused_by_name(tmp_path, torch):
    folder = tmp_path / "model"
    small_speecht5(folder, torch)
    original, tokens = (folder / "config.json").read_text(), folder / "tokenizer_config.json"
    for changed, words in (({"encoder_attention_heads": 5}, "5 and 2 heads"), ({"num_mel_bins": 8}, "expected"), ({"reduction_factor": 0}, "reduction_factor is 0"),
                           ({"speech_decoder_postnet_kernel": 4}, "kernel 4"), ({"hidden_act": "sweetish"}, "sweetish"), ({"pad_token_id": 30}, "pad_token_id is 30"),
                           ({"speech_decoder_prenet_dropout": 1}, "dropout of 1"), ({"max_text_positions": 0}, "max_text_positions is 0")):  # fmt: skip
        (folder / "config.json").write_text(json.dumps({**json.loads(original), **changed}))
        with pytest.raises(sibyl.SibylError, match=words):
            sibyl.import_model(folder, tmp_path / "m.onnx")
    (folder / "config.json").write_text(original)
    kept = tokens.read_text()
    tokens.write_text(json.dumps({**json.loads(kept), "normalize": True}))
    with pytest.raises(sibyl.SibylError, match="numbers as words"):
        sibyl.import_model(folder, tmp_path / "m.onnx")
    tokens.write_text(kept)
    config = folder / "vocoder" / "config.json"
    sane = config.read_text()
    config.write_text(json.dumps({**json.loads(sane), "upsample_rates": [5]}))
    with pytest.raises(sibyl.SibylError, match="upsample_rates"):
        sibyl.import_model(folder, tmp_path / "m.onnx")
    (folder / "vocoder").rename(tmp_path / "other")
    with pytest.raises(sibyl.SibylError, match="no vocoder"):
        sibyl.import_model(folder, tmp_path / "m.onnx")
    small_vits(tmp_path / "vits", torch)
    with pytest.raises(sibyl.SibylError, match="recipe vits has no vocoder"):
        sibyl.import_model(tmp_path / "vits", tmp_path / "m.onnx", vocoder=tmp_path / "other")
    with pytest.raises(sibyl.SibylError, match="upsample_rates"):
        sibyl.import_model(folder, tmp_path / "m.onnx", vocoder=tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(sane)
    sibyl.import_model(folder, tmp_path / "m.onnx", vocoder=tmp_path / "other")
    assert sibyl.load_model(tmp_path / "m.onnx")(SPOKEN, speaker_embedding=np.ones(7, "f4"), max_ratio=1.0)["samples"].size


# ---- Piper ---------------------------------------------------------------------------------------------------------------

PIPER = "_^$ abcdeh\u0301"


def piper_voice(path, torch):
    """A model with the inputs and the output of Piper's voices, exported by torch, and what it computes."""

    class Voice(torch.nn.Module):
        def __init__(self, vits):
            super().__init__()
            self.vits = vits

        def forward(self, tokens, lengths, scales, speaker):
            m = self.vits
            mask = (torch.arange(tokens.shape[1])[None] < lengths[:, None]).unsqueeze(-1).float()
            said = m.text_encoder(input_ids=tokens, padding_mask=mask)
            by = m.embed_speaker(speaker).unsqueeze(-1)
            mask = mask.transpose(1, 2)
            frames = torch.ceil(torch.exp(m.duration_predictor(said.last_hidden_state.transpose(1, 2), mask, by)) * mask * scales[1])
            at = torch.arange(frames.sum().long())
            of = (at[:, None] >= torch.cumsum(frames, -1)[0, 0][None]).long().sum(-1)
            means, variances = (x[:, of].transpose(1, 2) for x in (said.prior_means, said.prior_log_variances))
            latents = means + torch.randn_like(means) * torch.exp(variances) * scales[0] + 0 * scales[2]
            return m.decoder(m.flow(latents, torch.ones_like(latents[:, :1]), by, reverse=True), by).unsqueeze(1)

    vits = small_vits(path.parent / "vits", torch, num_speakers=3, speaker_embedding_size=5, use_stochastic_duration_prediction=False, num_hidden_layers=1,
                      prior_encoder_num_flows=2, prior_encoder_num_wavenet_layers=1).float()  # fmt: skip
    voice = Voice(vits).eval()
    given = (torch.tensor([[1, 0, 3, 0, 2]]), torch.tensor([5]), torch.tensor([0.5, 1, 0.5]), torch.tensor([1]))
    torch.onnx.export(voice, given, path, dynamo=False, opset_version=15, input_names=["input", "input_lengths", "scales", "sid"], output_names=["output"],
                      dynamic_axes={"input": {1: "n"}, "output": {3: "t"}})  # fmt: skip
    return voice


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
def test_voices_of_piper(tmp_path, torch):
    path = tmp_path / "en.onnx"
    voice = piper_voice(path, torch)
    config = {"audio": {"sample_rate": 8000}, "espeak": {"voice": "en-us"}, "inference": {"noise_scale": 0.5, "length_scale": 1.25, "noise_w": 0.7},
              "phoneme_type": "text", "phoneme_map": {}, "phoneme_id_map": {symbol: [i] for i, symbol in enumerate(PIPER)}, "num_speakers": 3}  # fmt: skip
    (tmp_path / "en.onnx.json").write_text(json.dumps(config))
    speak = sibyl.load_model(path, "text-to-speech")
    ids = [1, 0, *(i for symbol in "bad e\u0301" for i in (PIPER.index(symbol), 0)), 2]
    found = speak.job.run({"text": "Bad \u00e9", "speaker": 2, "noise_scale": 0})
    assert (found["tokens"], found["sample_rate"]) == (ids, 8000)
    with torch.no_grad():
        expected = voice(torch.tensor([ids]), torch.tensor([len(ids)]), torch.tensor([0, 1.25, 0.7]), torch.tensor([2])).numpy().reshape(-1)
    assert found["samples"].shape == expected.shape and np.abs(found["samples"] - expected).max() < 2e-5 * np.abs(expected).max()
    noisy = speak("bad", speaker=2)["samples"]
    assert np.array_equal(noisy, speak("bad", speaker=2)["samples"]) and not np.array_equal(noisy, speak("bad", speaker=2, noise_scale=0)["samples"])
    assert speak("bad", speed=0.2)["samples"].size > speak("bad")["samples"].size
    for options, words in (({"speaker": 3}, "speaker is 3"), ({"phonemes": True}, "no phonemes")):
        with pytest.raises(sibyl.SibylError, match=words):
            speak("bad", **options)
    with pytest.raises(sibyl.SibylError, match=r"U\+007A"):
        speak("z")
    (tmp_path / "en.onnx.json").write_text(json.dumps({**config, "phoneme_type": "espeak"}))
    with pytest.raises(sibyl.SibylError, match="espeak"):
        sibyl.load_model(path)("bad")
    assert np.array_equal(sibyl.load_model(path)("bad", phonemes=True, speaker=2)["samples"], noisy)


# ---- Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"upsample_rates": [5, 0]}, "upsample_rates"),
        ({"upsample_rates": [5]}, "upsample_rates"),
        ({"upsample_kernel_sizes": [3, 6]}, "upsample_kernel_sizes"),
        ({"resblock_kernel_sizes": [3, 4]}, "odd"),
        ({"resblock_dilation_sizes": [[1, 3]]}, "resblock_dilation_sizes.1"),
        ({"upsample_initial_channel": 3}, "upsample_initial_channel"),
        ({"num_attention_heads": 5}, "5 heads"),
        ({"num_speakers": 4}, "speaker_embedding_size is 0"),
        ({"depth_separable_channels": 4}, "depth_separable_channels is 4"),
        ({"duration_predictor_tail_bound": 0}, "duration_predictor_tail_bound"),
        ({"wavenet_kernel_size": 4}, "wavenet_kernel_size"),
        ({"wavenet_dilation_rate": 1000}, "wavenet_dilation_rate is 1000"),
        ({"hidden_act": "sweetish"}, "sweetish"),
        ({"flow_size": 12}, "12"),
        ({"sampling_rate": 3}, "sampling_rate is 3"),
    ],
)
def test_configurations_of_no_model_are_refused(tmp_path, torch, changed, words):
    folder = tmp_path / "model"
    small_vits(folder, torch)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changed}))
    with pytest.raises(sibyl.SibylError, match=words):
        sibyl.import_model(folder, tmp_path / "m.onnx")


def test_the_command_writes_what_is_said(tmp_path, torch):
    if not SIBYL.exists():
        pytest.skip("skipped for want of build/sibyl")
    folder = tmp_path / "model"
    small_vits(folder, torch)
    sibyl.import_model(folder, tmp_path / "m.onnx")
    spoken = sibyl.load_model(tmp_path / "m.onnx", "text-to-speech")(TEXT, seed=4, speed=0.5)["samples"]

    def run(text, *options, **more):
        return subprocess.run([SIBYL, "speak", text, "--model", tmp_path / "m.onnx", "--seed", "4", *options], check=True, capture_output=True, **more).stdout

    out = tmp_path / "a.wav"
    line = run(TEXT, "--speed", "0.5", "-o", out).decode()
    assert line == f"{out}: {spoken.size / 8000:.2f} s of speech, 8000 samples per second\n"
    assert np.array_equal(sibyl.load_audio(out, 8000), np.rint(spoken * 32768) / 32768)
    (tmp_path / "text").write_text(TEXT)
    assert run(f"@{tmp_path}/text", "--length-scale", "2", "-o", "-") == out.read_bytes()
    floats = run("-", "--speed", "0.5", "--float", "-o", "-", input=TEXT.encode())
    assert np.array_equal(np.frombuffer(floats[44:], "f4"), spoken) and len(floats) == 44 + spoken.nbytes
