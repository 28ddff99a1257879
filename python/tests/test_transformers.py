"""sibyl.transformers beside transformers: a row of docs/moving-from-whisper.md is a scenario here, run by both."""

import copy
import json
import pickle
import re

import numpy as np
import pytest
from conftest import ROOT, peer

RATE = {"sampling_rate": 16000}


@pytest.fixture(scope="module")
def classes():
    """Ours and theirs."""
    transformers = peer("transformers")
    import sibyl.transformers

    return sibyl.transformers.WhisperFeatureExtractor, transformers.WhisperFeatureExtractor


@pytest.fixture(scope="module")
def recordings():
    random = np.random.default_rng(5)
    return [(random.standard_normal(n) * 0.1).astype(np.float32) for n in (16000, 40123, 800)]


def assert_same(ours, theirs):
    assert sorted(ours.keys()) == sorted(theirs.keys())
    for name, value in theirs.items():
        assert type(ours[name]) is type(value) and ours[name].dtype == value.dtype and tuple(ours[name].shape) == tuple(value.shape), name
        np.testing.assert_allclose(np.asarray(ours[name]), np.asarray(value), atol=1e-4, err_msg=name)


def calls(of=None, **options):
    """A scenario: an extractor made with `of` is called with one recording and with several."""

    def called(cls, recordings):
        extractor = cls(**(of or {}))
        rate = {"sampling_rate": extractor.sampling_rate}
        return [extractor(given, **(rate | options)) for given in (recordings[0], recordings[1:], [list(map(float, recordings[2]))])]

    return called


def dithers(cls, recordings):
    peer("torch").manual_seed(3)
    return [cls(dither=0.01)(recordings[0], **RATE)]


SCENARIOS = {
    "features": calls(return_tensors="np"),
    "tensors": calls({"feature_size": 128}, return_tensors="pt", return_attention_mask=True),
    "padding": calls(padding="longest", return_attention_mask=True, pad_to_multiple_of=250),
    "lengths": calls(max_length=12345, truncation=True, return_attention_mask=True),
    "chunks": calls({"chunk_length": 5, "return_attention_mask": True}, device="cpu"),
    "normalized": calls(do_normalize=True, return_tensors="np"),
    "windows": calls({"n_fft": 512, "hop_length": 200, "sampling_rate": 22050, "chunk_length": 2}),
    "dither": dithers,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(classes, recordings, name):
    for ours, theirs in zip(*(SCENARIOS[name](cls, recordings) for cls in classes), strict=True):
        assert_same(ours, theirs)


def test_the_document_has_every_row():
    text = (ROOT / "docs" / "moving-from-whisper.md").read_text(encoding="utf-8")
    text = text[text.index("## transformers\n") :]
    rows = {name for row in re.findall(r"^\| .* \| ((?:`\w+`(?:, )?)+) \|$", text, re.M) for name in re.findall(r"\w+", row)}
    assert rows == set(SCENARIOS) | {"files", "pipeline", "install"}


def test_files(classes, recordings, tmp_path):
    ours, theirs = classes
    made = ours(feature_size=128, chunk_length=10)
    assert isinstance(made, theirs) and made.to_dict() == theirs(feature_size=128, chunk_length=10).to_dict()
    made.save_pretrained(tmp_path)
    kept = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert kept["feature_extractor_type"] == "WhisperFeatureExtractor" and kept["feature_size"] == 128
    read = ours.from_pretrained(tmp_path)
    assert type(read) is ours and read.to_dict() == made.to_dict() == theirs.from_pretrained(tmp_path).to_dict()
    for other in (read, copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert_same(other(recordings[0], **RATE), made(recordings[0], **RATE))


def test_wrong_rates_are_refused(classes, recordings):
    for cls in classes:
        with pytest.raises(ValueError, match="22050"):
            cls()(recordings[0], sampling_rate=22050)


def byte_tokenizer(transformers):
    """Whisper's tokenizer with a token per byte."""
    from tokenizers.pre_tokenizers import ByteLevel

    names = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    vocabulary = {token: i for i, token in enumerate([*sorted(ByteLevel.alphabet()), *names])}
    return transformers.WhisperTokenizer(vocab=vocabulary, merges=[], eos_token=names[0], pad_token=names[0], extra_special_tokens=names[1:])


def test_pipeline(classes, recordings):
    """transformers' own pipeline, with a model of random weights, gives the same text by either extractor."""
    transformers, torch = peer("transformers"), peer("torch")
    torch.manual_seed(1)
    config = transformers.WhisperConfig(
        vocab_size=261, num_mel_bins=80, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=1500, max_target_positions=64, init_std=0.5, decoder_start_token_id=257,
        eos_token_id=256, bos_token_id=256, pad_token_id=256, suppress_tokens=None, begin_suppress_tokens=None)  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config).eval()
    texts = []
    for cls in classes:
        hear = transformers.pipeline("automatic-speech-recognition", model=model, tokenizer=byte_tokenizer(transformers), feature_extractor=cls())
        assert type(hear.feature_extractor) is cls
        found = hear([recording.copy() for recording in recordings[:2]], generate_kwargs={"max_new_tokens": 20, "do_sample": False}, batch_size=2)
        texts.append([each["text"] for each in found])
    assert texts[0] == texts[1] and all(texts[0])


def test_install(classes, recordings, monkeypatch):
    """transformers' own class computes with Sibyl."""
    import sibyl.transformers

    ours, theirs = classes
    for method in ("_torch_extract_fbank_features", "_np_extract_fbank_features"):
        monkeypatch.setattr(theirs, method, getattr(theirs, method))  # put back in the end
    sibyl.transformers.install()
    found = theirs()(recordings[0], **RATE)["input_features"]
    assert np.array_equal(found, ours()(recordings[0], **RATE)["input_features"])
