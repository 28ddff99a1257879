"""sibyl.whisper beside openai-whisper: a row of docs/moving-from-whisper.md is a scenario here, run by both."""

import base64
import contextlib
import functools
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, loud_noise, peer, save_random_whisper, write_wav

import sibyl
import sibyl.whisper as sibyl_whisper

DIGITS = ROOT / "assets" / "digits"
SAMPLE = str(DIGITS / "sample.flac")
FRAME = 0.02 + 1e-6  # a tie of two alignments moves a word by one
PEER = {"fp16": False}  # halves are not for the processor


def digits_encoding(*_, **__):
    """The vocabulary of the model that ships, as openai-whisper makes those of its own."""
    words = [base64.b64decode(line.split()[0]) for line in (DIGITS / "digits.tiktoken").read_bytes().splitlines()]
    names = "endoftext startoftranscript en translate transcribe startoflm startofprev nospeech notimestamps".split()
    names += [f"{i * 0.02:.2f}" for i in range(1501)]
    special = {f"<|{name}|>": len(words) + i for i, name in enumerate(names)}
    ranks = {word: i for i, word in enumerate(words)}
    return peer("tiktoken").Encoding("digits", pat_str=r" ?\S+|\s+", mergeable_ranks=ranks, special_tokens=special)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Where models are made, and where those of OpenAI's names are looked for."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("cache")
    patch.setenv("XDG_CACHE_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def checkpoint(cache):
    (cache / "whisper").mkdir()
    return save_random_whisper(cache / "whisper" / "tiny.pt")


def threads_of(whisper):
    return {"threads": 1} if whisper is sibyl_whisper else {}


@pytest.fixture(scope="module")
def worlds(checkpoint):
    """Ours and theirs: the package, the model that ships, and one with languages and random weights."""
    made = []
    for whisper in (sibyl_whisper, peer("whisper")):
        load = functools.partial(whisper.load_model, **threads_of(whisper))
        made.append(types.SimpleNamespace(whisper=whisper, digits=load(str(DIGITS / "digits.pt")), random=load(str(checkpoint))))
    peer("torch").set_num_threads(1)
    return made


@pytest.fixture(scope="module")
def noise():
    return loud_noise()[: 12 * 16000].astype(np.float32) / 32768


# ---- Sameness ----------------------------------------------------------------------------------------------


def assert_same(ours, theirs, name=""):
    if hasattr(theirs, "detach"):
        assert type(ours) is type(theirs) and ours.dtype == theirs.dtype
        assert_same(ours.numpy(), theirs.detach().numpy(), name)
    elif isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4, err_msg=name)
    elif isinstance(theirs, float):
        assert isinstance(ours, float), name
        # words end where the alignment says; segments where their tokens say, to the bit
        tolerance = FRAME if name in ("word.start", "word.end", "start", "end") else 1e-4
        assert ours == pytest.approx(theirs, abs=tolerance, nan_ok=True), name
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs) or sorted(ours) == sorted(theirs), name
        for key, value in theirs.items():
            assert_same(ours[key], value, key)
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs) and len(ours) == len(theirs), name
        for one, other in zip(ours, theirs):
            assert_same(one, other, name)
    else:
        assert type(ours) is type(theirs) and ours == theirs, name


def attempt(call):
    """What it gives, or the type of what it raises, whose words are each library's own."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


@contextlib.contextmanager
def english(world, patch):
    """openai-whisper with the vocabulary of the model that ships; ours has it with the model."""
    if world.whisper is not sibyl_whisper:
        patch.setattr("whisper.tokenizer.get_encoding", digits_encoding)
        world.whisper.tokenizer.get_tokenizer.cache_clear()
    yield
    if world.whisper is not sibyl_whisper:
        patch.undo()
        world.whisper.tokenizer.get_tokenizer.cache_clear()


def hears(**options):
    """A scenario: the model that ships hears its sample."""
    return lambda world, noise: world.digits.transcribe(SAMPLE, **PEER, **options)


def hears_noise(**options):
    """A scenario: random weights hear noise, for some tokens."""
    shared = {"temperature": 0.0, "sample_len": 24, "no_speech_threshold": None, **PEER}
    return lambda world, noise: world.random.transcribe(noise, **shared, **options)


def mel_of(world, audio):
    whisper = world.whisper
    return whisper.log_mel_spectrogram(whisper.pad_or_trim(audio), n_mels=world.digits.dims.n_mels).to(world.digits.device)


def fields(result):
    return {name: getattr(result, name) for name in ("language", "language_probs", "tokens", "text", "avg_logprob", "no_speech_prob",
                                                      "temperature", "compression_ratio", "audio_features")}  # fmt: skip


def decode_digits(world, noise):
    mel = mel_of(world, world.whisper.load_audio(SAMPLE))
    options = [{}, {"beam_size": 3, "patience": 1.5}, {"without_timestamps": True}, {"prompt": " one two", "length_penalty": 0.3},
               {"prompt": [326, 273], "prefix": " four", "sample_len": 20}, {"suppress_tokens": "326", "suppress_blank": False},
               {"max_initial_timestamp": None}]  # fmt: skip
    made = [world.whisper.decode(world.digits, mel, world.whisper.DecodingOptions(language="en", **PEER, **one)) for one in options]
    return [fields(result) for result in made]


def decode_languages(world, noise):
    mel = mel_of(world, noise)
    short = {"sample_len": 12, **PEER}
    made = [world.random.decode(mel, world.whisper.DecodingOptions(**short)),
            world.random.decode(mel, world.whisper.DecodingOptions(language="fr", task="translate"), **short),
            *world.whisper.decode(world.random, mel[None], language="ja", **short),
            world.whisper.decode(world.random, mel, task="lang_id", **PEER)]  # fmt: skip
    return [fields(result) for result in made]


def decode_refuses(world, noise):
    mel = mel_of(world, noise)
    wrong = [{"beam_size": 2, "best_of": 2}, {"best_of": 2}, {"patience": 1.0}, {"length_penalty": 2.0}, {"nosuch": 1}]
    return [attempt(lambda one=one: world.random.decode(mel, **PEER, **one)) for one in wrong]


def detects(world, noise):
    mel = mel_of(world, noise)
    batch = world.random.detect_language(mel[None])
    return [world.random.detect_language(mel), world.whisper.detect_language(world.random, mel), batch,
            attempt(lambda: world.digits.detect_language(mel))]  # fmt: skip


def embeds(world, noise):
    mel = mel_of(world, noise)
    return [world.digits.embed_audio(mel[None]), world.random.embed_audio(mel[None])]


def dimensions(world, noise):
    models = [world.digits, world.random]
    return [[vars(m.dims), m.is_multilingual, m.num_languages, str(m.device)] for m in models] + [world.whisper.available_models()]


def prints(scenario):
    """What a scenario prints."""

    def told(world, noise):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            scenario(world, noise)
        lines = text.getvalue().splitlines()
        return [line for line in lines if not line.startswith("Detecting ")]  # the notice has each library's own words

    return told


def audio_functions(world, noise):
    audio, whisper = world.whisper.audio, world.whisper
    names = ("SAMPLE_RATE", "N_FFT", "HOP_LENGTH", "CHUNK_LENGTH", "N_SAMPLES", "N_FRAMES", "N_SAMPLES_PER_TOKEN", "FRAMES_PER_SECOND",
             "TOKENS_PER_SECOND")  # fmt: skip
    tensor = peer("torch").from_numpy(noise)
    return [[getattr(audio, name) for name in names], audio.load_audio(SAMPLE), audio.load_audio(SAMPLE, 8000),
            whisper.log_mel_spectrogram(SAMPLE, 128), whisper.log_mel_spectrogram(noise, padding=160, device="cpu"),
            whisper.log_mel_spectrogram(tensor), whisper.pad_or_trim(noise, 100), whisper.pad_or_trim(tensor[:50], 60),
            audio.mel_filters("cpu", 80), attempt(lambda: audio.load_audio("nosuch.flac"))]  # fmt: skip


def tokenizers(world, noise):
    found = []
    for given in ({}, {"language": "de"}, {"language": "German", "task": "translate"}, {"num_languages": 100, "language": "yue"}):
        t = world.whisper.tokenizer.get_tokenizer(True, **given)
        found += [t.sot_sequence, t.sot_sequence_including_notimestamps, t.language, t.task, t.language_token, t.eot, t.sot, t.sot_prev,
                  t.sot_lm, t.no_speech, t.no_timestamps, t.timestamp_begin, t.transcribe, t.translate, sorted(t.all_language_codes),
                  sorted(t.all_language_tokens), dict(sorted(t.special_tokens.items())), t.encode(" Hello, wörld ♪ <|endoftext|>".replace("<|endoftext|>", "")),
                  t.decode([50364, 2425, 11, 257, 1002, 50464]), t.decode_with_timestamps([50364, 2425, 50464]), t.to_language_token("fr")]  # fmt: skip
    t = world.whisper.tokenizer.get_tokenizer(False)
    found += [t.sot_sequence, t.eot, t.timestamp_begin, t.language, t.task, t.encode("to be"), attempt(lambda: t.language_token)]
    found += [attempt(lambda: world.whisper.tokenizer.get_tokenizer(True, language="elvish")), world.whisper.tokenizer.LANGUAGES]
    return found


def written(world, noise):
    """Every file of every writer, with and without words."""
    utils, files = world.whisper.utils, {}
    plain, words = RESULTS
    folder = RESULTS_FOLDER / world.whisper.__name__
    options = [{}, {"max_line_width": 12}, {"max_line_width": 12, "max_line_count": 1}, {"highlight_words": True}, {"max_words_per_line": 2},
               {"max_line_count": 1, "max_line_width": 9, "highlight_words": True}]  # fmt: skip
    for i, (result, given) in enumerate([(plain, {}), *((words, one) for one in options)]):
        (folder / str(i)).mkdir(parents=True)
        utils.get_writer("all", str(folder / str(i)))(result, "a/b.c.flac", given)
        utils.get_writer("srt", str(folder / str(i)))(result, "one.wav", **given)
        files |= {f"{i}/{path.name}": path.read_text() for path in sorted((folder / str(i)).iterdir())}
    times = [utils.format_timestamp(t, hours, mark) for t in (0.0, 59.9996, 3661.5) for hours in (False, True) for mark in ".,"]
    return [files, times, utils.compression_ratio("aaaa bbbb aaaa"), attempt(lambda: utils.get_writer("doc", ""))]


def timings(world, noise):
    """Words of a window and of its segments, with the pieces that they are made of."""
    timing, mel = world.whisper.timing, mel_of(world, noise)
    texts = {"en": " Hello, there; it's 5 o'clock! \"Yes,\" (he) said - wörld ♪.", "ja": "これは何ですか。はい、そうです!"}
    found = []
    for language, text in texts.items():
        tokenizer = world.whisper.tokenizer.get_tokenizer(True, language=language, task="transcribe")
        tokens = tokenizer.encode(text)
        found += [tokenizer.split_to_word_tokens([*tokens, tokenizer.eot]), tokenizer.split_tokens_on_unicode([*tokens, 50364, 50400])]
        found += [vars(word) for word in timing.find_alignment(world.random, tokenizer, tokens, mel, 1200)]
        found += [vars(word) for word in timing.find_alignment(world.random, tokenizer, tokens, mel, 900, medfilt_width=3, qk_scale=2.0)]
        cut = len(tokens) // 3
        parts = [tokens[:cut], [50364, *tokens[cut : 2 * cut], 50500], tokens[2 * cut :]]
        segments = [{"seek": 300, "start": 3.0 + i, "end": 5.0 + 3 * i, "tokens": part} for i, part in enumerate(parts)]
        timing.add_word_timestamps(segments=segments, model=world.random, tokenizer=tokenizer, mel=mel, num_frames=1200, last_speech_timestamp=1.0)
        found += segments
    return [found, timing.find_alignment(world.random, tokenizer, [], mel, 900)]


def normalizes(world, noise):
    """A few texts; test_normalizers.py has thousands."""
    importlib.import_module(f"{world.whisper.__name__}.normalizers")
    texts = ["Mr. Smith's twenty-first [laughs] (hm) £5 million, uh, colour", "Ünïcode, naïve — ½ x²! ♪", "nineteen ninety nine point five per cent", ""]
    made = [world.whisper.normalizers.EnglishTextNormalizer(), world.whisper.normalizers.BasicTextNormalizer(),
            world.whisper.normalizers.BasicTextNormalizer(True, True)]  # fmt: skip
    return [[normalize(text) for text in texts] for normalize in made]


def warps(world, noise):
    """The functions that times of words are found by, on random matrices."""
    torch, timing = peer("torch"), world.whisper.timing
    random, found = np.random.default_rng(7), []
    for shape in ((1, 1), (1, 9), (6, 1), (5, 40), (30, 200), (12, 12)):
        found.append(timing.dtw(torch.from_numpy(random.integers(0, 5, shape).astype(np.float32))))  # with ties
        found.append(timing.dtw(torch.from_numpy(random.standard_normal(shape))))
    for shape in ((4,), (50,), (3, 50), (2, 3, 50), (2, 1, 3, 9)):
        found += [timing.median_filter(torch.from_numpy(random.standard_normal(shape).astype(np.float32)), width) for width in (1, 3, 7)]
    return [*found, attempt(lambda: timing.median_filter(torch.zeros(2, 3, 50), 4))]


SCENARIOS = {
    "timing": timings,
    "warps": warps,
    "normalizers": normalizes,
    "transcribe": hears(),
    "transcribe_words": hears(word_timestamps=True, hallucination_silence_threshold=2.0),
    "transcribe_beams": hears(beam_size=4, best_of=3, patience=1.2, length_penalty=0.2),
    "transcribe_prompts": hears(initial_prompt="one two three", carry_initial_prompt=True, condition_on_previous_text=False),
    "transcribe_clips": hears(clip_timestamps="1,3,4.5", word_timestamps=True),
    "transcribe_thresholds": hears(logprob_threshold=None, compression_ratio_threshold=None, no_speech_threshold=None,
                                   temperature=(0.0, 0.4), suppress_tokens=[-1, 412], max_initial_timestamp=None),
    "transcribe_text": hears(without_timestamps=True, suppress_blank=False, suppress_tokens=""),
    "transcribe_languages": hears_noise(),
    "transcribe_translates": hears_noise(language="French", task="translate"),
    "decode": decode_digits,
    "decode_languages": decode_languages,
    "decode_refuses": decode_refuses,
    "detect_language": detects,
    "embed_audio": embeds,
    "dimensions": dimensions,
    "verbose": prints(hears(verbose=True)),
    "verbose_languages": prints(hears_noise(verbose=True)),
    "audio": audio_functions,
    "tokenizer": tokenizers,
    "writers": written,
}  # fmt: skip


# Those of the model with languages, or of none.
LANGUAGES = {"transcribe_languages", "transcribe_translates", "decode_languages", "decode_refuses", "detect_language", "tokenizer", "timing",
             "verbose_languages"}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios(worlds, noise, monkeypatch, tmp_path_factory, name):
    if name == "writers":
        global RESULTS, RESULTS_FOLDER
        RESULTS = [worlds[0].digits.transcribe(SAMPLE, word_timestamps=words) for words in (False, True)]
        RESULTS_FOLDER = tmp_path_factory.mktemp("written")
    found = []
    for world in worlds:
        with contextlib.nullcontext() if name in LANGUAGES else english(world, monkeypatch):
            found.append(SCENARIOS[name](world, noise))
    assert_same(*found)


# ---- Programs as they are ----------------------------------------------------------------------------------

TRANSCRIBES = """
import whisper

model = whisper.load_model("tiny")
result = model.transcribe("speech.wav", **OPTIONS)
print(result["text"])
"""

DECODES = """
import whisper

model = whisper.load_model("tiny")
audio = whisper.pad_or_trim(whisper.load_audio("speech.wav"))
mel = whisper.log_mel_spectrogram(audio, n_mels=model.dims.n_mels).to(model.device)
_, probs = model.detect_language(mel)
print(f"Detected language: {max(probs, key=probs.get)}")
options = whisper.DecodingOptions(**OPTIONS)
result = whisper.decode(model, mel, options)
print(result.text)
"""


@pytest.mark.parametrize("program", [TRANSCRIBES, DECODES], ids=["transcribes", "decodes"])
def test_programs_run_unchanged(worlds, cache, tmp_path, monkeypatch, noise, program):
    """The same text as that of openai-whisper, whose load_model is given the same checkpoint."""
    write_wav(tmp_path / "speech.wav", (noise[: 8 * 16000] * 32768).astype(np.int16))
    options = {"sample_len": 16, "fp16": False} | ({"temperature": 0.0, "no_speech_threshold": None} if program is TRANSCRIBES else {})
    program = f"OPTIONS = {options}\n{program}"
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sibyl.whisper", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worlds[1].whisper, "load_model", lambda name: worlds[1].random)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        exec(program, {})  # noqa: S102
    assert done.stdout == told.getvalue()
    assert told.getvalue().split()[3 if program is DECODES else 0 :], "no text beside the language"


# ---- Ours alone --------------------------------------------------------------------------------------------


def test_the_document_has_every_row():
    text = (ROOT / "docs" / "moving-from-whisper.md").read_text(encoding="utf-8")
    ours = text[: text.index("## faster-whisper\n")]
    rows = {name for row in re.findall(r"^\| .* \| ((?:`\w+`(?:, )?)+) \|$", ours, re.M) for name in re.findall(r"\w+", row)}
    assert rows == set(SCENARIOS)


def test_models_are_found(cache, tmp_path):
    digits = DIGITS / "digits.pt"
    first = sibyl_whisper.load_model(digits, threads=1)
    models = cache / "sibyl" / "models"
    made = sorted(models.iterdir())
    expected = first.transcribe(SAMPLE)
    copy, ranks = (shutil.copy(path, tmp_path / f"copy{path.suffix}") for path in (digits, digits.with_suffix(".tiktoken")))
    for path in (str(digits), copy):  # the same bytes, at another place and of another date
        assert sibyl_whisper.load_model(path, threads=1).transcribe(SAMPLE) == expected
    assert {path.name for path in models.iterdir() if not path.is_symlink()} == {path.name for path in made if not path.is_symlink()}
    model = Path(sibyl.import_cached(digits)).resolve()
    assert model.parent.parent == models.resolve() and sibyl.load_model(digits, "speech-to-text", threads=1).transcribe(SAMPLE)["text"] == expected["text"]
    ranks.unlink()
    with pytest.raises(OSError, match="multilingual.tiktoken|gpt2.tiktoken"):
        sibyl.load_model(copy, "speech-to-text")
    model = Path(shutil.copytree(model.parent, tmp_path / "moved")) / "model.onnx"
    document = model.with_name("model.job.json")
    document.write_text(sibyl.describe_job(model))
    for path in (model, document):
        assert sibyl_whisper.load_model(path, device="cpu", in_memory=True, threads=1).transcribe(SAMPLE) == expected
    (tmp_path / "job.json").write_text(json.dumps(json.loads(sibyl.describe_job(model))))
    with pytest.raises(RuntimeError, match="nothing is downloaded"):
        sibyl_whisper.load_model("base", download_root=str(tmp_path))
    with pytest.raises(RuntimeError, match="none of the models"):
        sibyl_whisper.load_model("nosuch")
    with pytest.raises(ValueError, match="nosuch"):
        sibyl_whisper.load_model(model, device="nosuch")
    (tmp_path / "broken.pt").write_bytes(b"PK not a checkpoint")
    with pytest.raises(sibyl.SibylError, match="broken.pt"):
        sibyl_whisper.load_model(tmp_path / "broken.pt")
    assert {path.name for path in models.iterdir() if not path.is_symlink()} == {path.name for path in made if not path.is_symlink()}


def test_what_is_not_built_says_so():
    model = sibyl_whisper.load_model(DIGITS / "digits.pt", threads=1)
    for name in ("logits", "encoder", "decoder", "set_alignment_heads", "parameters"):
        with pytest.raises(NotImplementedError, match=f"Whisper.{name}"):
            getattr(model, name)
    with pytest.raises(AttributeError):
        model.nosuch
    with pytest.raises(NotImplementedError, match="prefix"):
        model.transcribe(SAMPLE, prefix=[3])
    with pytest.raises(TypeError, match="'nosuch'"):
        model.transcribe(SAMPLE, nosuch=1)
    mel = np.zeros((80, 3000), np.float32)
    with pytest.raises(NotImplementedError, match="embed_audio"):
        model.decode(np.zeros((1500, 80), np.float32))
    with pytest.raises(AssertionError, match="mel has the shape"):
        model.decode(mel[:, :2000])
    with pytest.raises(TypeError, match="mel"):
        model.decode([1.0])
    with pytest.raises(ValueError, match="previous"):
        model.decode(mel, prompt=[99999])
    with pytest.raises(RuntimeError, match="nosuch.wav"):
        model.transcribe("nosuch.wav")


def test_install_refuses_beside_the_original():
    code = "import sys, types; sys.modules['whisper'] = types.ModuleType('whisper')\n"
    code += "import sibyl.whisper\ntry: sibyl.whisper.install()\nexcept RuntimeError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "imported already" in done.stdout


def test_without_torch():
    """Arrays that programs may treat as tensors."""
    code = "import importlib.util as u; find = u.find_spec; u.find_spec = lambda name, *more: None if name == 'torch' else find(name, *more)\n"
    code += "import sys, sibyl.whisper as w, numpy as np\nmodel = w.load_model(sys.argv[1] + '/digits.pt', threads=1)\n"
    code += "mel = w.log_mel_spectrogram(w.pad_or_trim(w.load_audio(sys.argv[1] + '/sample.flac'))).to(model.device)\n"
    code += "print(model.decode(mel.float()).text, model.embed_audio(mel.unsqueeze(0)).numpy().shape, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(DIGITS)], capture_output=True, text=True)
    assert done.stdout.endswith("four one five two seven one eight two eight (1, 1500, 80) False\n"), done.stderr
