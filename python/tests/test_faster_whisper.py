"""sibyl.faster_whisper beside faster-whisper: a row of docs/moving-from-whisper.md is a scenario here, run by both."""

import dataclasses
import importlib.util
import io
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, loud_noise, peer, save_random_whisper

import sibyl.faster_whisper as sibyl_faster

sys.path.insert(0, str(ROOT / "bench"))
import transcribe_peers  # noqa: E402

DIGITS = ROOT / "assets" / "digits"
SAMPLE = str(DIGITS / "sample.flac")
FRAME = 0.02 + 1e-6


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Ours and theirs: the package, the model that ships, and one with languages and random weights."""
    theirs, whisper, folder = peer("faster_whisper"), peer("whisper"), tmp_path_factory.mktemp("models")
    random = save_random_whisper(folder / "random.pt")
    ranks = {DIGITS / "digits.pt": DIGITS / "digits.tiktoken", random: Path(whisper.__file__).parent / "assets" / "multilingual.tiktoken"}
    ours = {"cpu_threads": 1}
    made = [types.SimpleNamespace(package=sibyl_faster, models=[sibyl_faster.WhisperModel(str(path), **ours) for path in ranks])]
    for checkpoint, file in ranks.items():
        transcribe_peers.make_ctranslate2(checkpoint, file, folder / checkpoint.stem)
    # the heads of the upper half of the layers, and the tokens of languages, which CTranslate2 has of its converter
    facts = {"digits": {"alignment_heads": [[1, head] for head in range(4)]}, "random": {"lang_ids": list(range(50259, 50358))}}
    for name, more in facts.items():
        config = folder / name / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | more))
    models = [theirs.WhisperModel(str(folder / path.stem), device="cpu", compute_type="float32", **ours) for path in ranks]
    models[0].max_length = 160
    # Silero's releases differ in single windows: both hear the same one
    theirs.vad.get_vad_model = lambda: sibyl_faster.vad.get_vad_model().probabilities
    made.append(types.SimpleNamespace(package=theirs, models=models))
    return made


def assert_same(ours, theirs, name=""):
    if dataclasses.is_dataclass(theirs):
        ours, theirs = dataclasses.asdict(ours), dataclasses.asdict(theirs)
    if isinstance(theirs, dict):
        assert sorted(ours) == sorted(theirs)
        for key, value in theirs.items():
            if key not in ("suppress_tokens", "clip_timestamps"):  # theirs are changed to what they stand for
                assert_same(ours[key], value, key)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), name
        for one, other in zip(ours, theirs):
            assert_same(one, other, name)
    elif isinstance(theirs, np.ndarray):
        np.testing.assert_allclose(ours, theirs, atol=1.01 / 32768)
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, abs=FRAME if name in ("start", "end") else 1e-4), name
    else:
        assert ours == theirs, name


def hears(**options):
    """A scenario: the model that ships hears its sample."""

    def heard(world):
        segments, info = world.models[0].transcribe(SAMPLE, **options)
        assert iter(segments) is iter(segments)  # they come as they are asked for
        return [list(segments), info]

    return heard


def languages(world):
    noise = loud_noise()[: 8 * 16000].astype(np.float32) / 32768
    _, info = world.models[1].transcribe(noise)
    return [world.models[1].detect_language(noise), info.language, info.language_probability, info.all_language_probs,
            [sorted(model.supported_languages) for model in world.models]]  # fmt: skip


def decodes(world):
    data = (DIGITS / "sample.flac").read_bytes()
    return [world.package.decode_audio(SAMPLE), world.package.decode_audio(io.BytesIO(data)), world.package.format_timestamp(3661.5)]


def files(world):
    with open(SAMPLE, "rb") as file:
        segments, _ = world.models[0].transcribe(file, language="en")
        return list(segments)


def batches(model=0, seconds=None, **options):
    """A scenario: a recording in parts, those of a batch side by side; of the noise as much as is said."""

    def heard(world):
        pipeline = world.package.BatchedInferencePipeline(model=world.models[model])
        audio = SAMPLE if seconds is None else loud_noise()[: seconds * 16000].astype(np.float32) / 32768
        segments, info = pipeline.transcribe(audio, **options)
        assert iter(segments) is iter(segments)
        return [list(segments), info]

    return heard


def detects(world):
    """Of features, and of several windows of a recording."""
    model, noise = world.models[1], loud_noise()[: 40 * 16000].astype(np.float32) / 32768
    features = model.feature_extractor(noise)
    return [features, model.detect_language(features=features), model.detect_language(noise, language_detection_segments=2, language_detection_threshold=0.99),
            model.transcribe(noise, clip_timestamps=[31.0, 33.0], language_detection_segments=2)[1].language_probability]  # fmt: skip


def attributes(world):
    found = [[model.input_stride, model.num_samples_per_token, model.frames_per_second, model.tokens_per_second, model.time_precision]
             for model in world.models]  # fmt: skip
    extractor = world.models[0].feature_extractor
    segment = next(iter(world.models[0].transcribe(SAMPLE)[0]))
    with pytest.warns(DeprecationWarning):
        found.append(segment._asdict())
    return [found, extractor.n_samples, extractor.nb_max_frames, extractor.time_per_frame, extractor.mel_filters, extractor(np.zeros(1000), padding=0)]


SCENARIOS = {
    "batched": batches(batch_size=2, vad_parameters={"min_silence_duration_ms": 200, "speech_pad_ms": 100}),
    "batched_clips": batches(batch_size=1, clip_timestamps=[{"start": 0.2, "end": 2.5}, {"start": 3.4, "end": 7.0}], without_timestamps=False,
                             beam_size=2, patience=1.5, initial_prompt="one two", hotwords="seven", max_new_tokens=30),
    "batched_words": batches(word_timestamps=True, clip_timestamps=[{"start": 0.2, "end": 2.5}, {"start": 3.4, "end": 7.0}]),
    "batched_voice_activity_words": batches(word_timestamps=True, vad_parameters={"min_silence_duration_ms": 200}),
    "batched_languages": batches(1, 8, vad_filter=False, multilingual=True, max_new_tokens=4, beam_size=1, suppress_tokens=[]),
    "detections": detects,
    "attributes": attributes,
    "transcribe": hears(),
    "words": hears(word_timestamps=True, beam_size=1, hallucination_silence_threshold=2.0),
    "options": hears(language="en", temperature=0.0, initial_prompt="one two", hotwords="seven", condition_on_previous_text=False,
                     no_speech_threshold=None, log_prob_threshold=None, compression_ratio_threshold=None, max_new_tokens=30),
    "clips": hears(clip_timestamps=[1.0, 3.0, 4.5], beam_size=3, patience=1.5),
    "text": hears(without_timestamps=True, suppress_blank=False),
    "voice_activity": hears(vad_filter=True, vad_parameters={"min_silence_duration_ms": 500}),
    "voice_activity_words": hears(vad_filter=True, vad_parameters={"min_silence_duration_ms": 300, "speech_pad_ms": 100}, word_timestamps=True),
    "languages": languages,
    "decode_audio": decodes,
    "file_objects": files,
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(worlds, name):
    assert_same(*(SCENARIOS[name](world) for world in worlds))


# ---- Ours alone --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return sibyl_faster.WhisperModel(DIGITS / "digits.pt", device="cpu", compute_type="int8", cpu_threads=1)


def test_the_document_has_every_row():
    text = (ROOT / "docs" / "moving-from-whisper.md").read_text(encoding="utf-8")
    text = text[text.index("## faster-whisper\n") : text.index("## transformers\n")]
    rows = {name for row in re.findall(r"^\| .* \| ((?:`\w+`(?:, )?)+) \|$", text, re.M) for name in re.findall(r"\w+", row)}
    assert rows == set(SCENARIOS)


def test_segments_may_be_given_up(digits):
    segments, _ = digits.transcribe(SAMPLE)
    assert next(segments).text == " four one five"
    segments.close()
    if importlib.util.find_spec("silero_vad") is None:
        pytest.skip("skipped for want of the Python package silero_vad")
    silence, _ = digits.transcribe(np.zeros(16000, np.float32), vad_filter=True)
    assert list(silence) == []


def test_what_is_not_built_says_so(digits, tmp_path):
    wrong = {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "length_penalty": 0.5, "prompt_reset_on_temperature": 0.2,
             "chunk_length": 10, "initial_prompt": [1], "prefix": [1]}  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(NotImplementedError, match=name):
            digits.transcribe(SAMPLE, **{name: value})
    for name in ("model", "hf_tokenizer"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(digits, name)
    pipeline = sibyl_faster.BatchedInferencePipeline(model=digits)
    with pytest.raises(NotImplementedError, match="BatchedInferencePipeline.transcribe.length_penalty"):
        pipeline.transcribe(SAMPLE, length_penalty=0.5)
    with pytest.raises(ValueError, match="batch_size"):
        pipeline.transcribe(SAMPLE, batch_size=0)
    with pytest.raises(RuntimeError, match="clip_timestamps"):
        pipeline.transcribe(np.zeros(31 * 16000, np.float32), vad_filter=False)
    with pytest.raises(NotImplementedError, match="hop_length"):
        sibyl_faster.feature_extractor.FeatureExtractor(hop_length=80)
    with pytest.raises(NotImplementedError, match="split_stereo"):
        sibyl_faster.decode_audio(SAMPLE, split_stereo=True)
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(NotImplementedError, match="CTranslate2"):
        sibyl_faster.WhisperModel(str(tmp_path))
    for call in (sibyl_faster.WhisperModel, sibyl_faster.download_model):
        with pytest.raises(RuntimeError, match="nothing is downloaded"):
            call("base")
    (tmp_path / "base.pt").write_bytes(b"")
    assert sibyl_faster.download_model("base", output_dir=str(tmp_path)) == str(tmp_path / "base.pt")


PROGRAM = """
import sys
from faster_whisper import WhisperModel

model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8")
segments, info = model.transcribe(sys.argv[2], beam_size=5)
print("Detected language '%s' with probability %f" % (info.language, info.language_probability))
for segment in segments:
    print("[%.2fs -> %.2fs] %s" % (segment.start, segment.end, segment.text))
"""


def test_programs_run_unchanged(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "sibyl.faster_whisper", "program.py", str(DIGITS / "digits.pt"), SAMPLE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    expected = ["Detected language 'en' with probability 1.000000", "[0.48s -> 2.20s]  four one five", "[3.68s -> 6.68s]  two seven one eight two eight"]
    assert done.stdout.splitlines() == expected, done.stderr
