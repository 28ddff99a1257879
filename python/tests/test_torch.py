"""Tensors without copies, and the operators as torch sees them."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import sibyl
from sibyl._arrays import as_samples


@pytest.fixture
def tensor(torch, speech):
    return torch.from_numpy(speech.copy())


def test_tensors_in_tensors_out(torch, tensor, speech):
    mel = sibyl.log_mel_spectrogram(tensor, 128, 320)
    assert isinstance(mel, torch.Tensor) and mel.dtype == torch.float32 and mel.is_contiguous()
    assert np.array_equal(mel.numpy(), sibyl.log_mel_spectrogram(speech, 128, 320))
    assert torch.equal(sibyl.log_mel_spectrogram(tensor, 128, 320, threads=2), mel)
    kaldi = sibyl.LogMel("kaldi")
    assert np.array_equal(kaldi(tensor).numpy(), kaldi(speech))


def test_samples_are_read_where_they_are(torch, tensor):
    assert as_samples(tensor).data_ptr() == tensor.data_ptr()
    part = tensor[1234:]
    assert as_samples(part).data_ptr() == part.data_ptr() == tensor.data_ptr() + 4 * 1234
    learned = torch.nn.Parameter(tensor)
    assert as_samples(learned).data_ptr() == tensor.data_ptr()


def test_results_are_written_where_they_stay(torch, tensor):
    """The extension writes into the memory that torch made; nothing is moved after."""
    from sibyl import _sibyl

    out = torch.empty((80, len(tensor) // 160))
    pointer = out.data_ptr()
    _sibyl.mel_compute(sibyl.LogMel()._mel, None, tensor, out, 0, False)
    assert out.data_ptr() == pointer and torch.equal(out, sibyl.log_mel_spectrogram(tensor))
    parts = torch.zeros((3, 80, len(tensor) // 160))
    _sibyl.mel_compute(sibyl.LogMel()._mel, None, tensor, parts[1], 0, False)
    assert torch.equal(parts[1], out) and not parts[0].any() and not parts[2].any()


def test_other_tensors_are_converted(torch, tensor):
    expected = sibyl.log_mel_spectrogram(tensor)
    assert torch.equal(sibyl.log_mel_spectrogram(tensor.double()), expected)
    assert torch.equal(sibyl.log_mel_spectrogram(tensor.repeat_interleave(2)[::2]), expected)
    assert torch.equal(sibyl.log_mel_spectrogram(torch.nn.Parameter(tensor)).detach(), expected)
    for dtype in (torch.float16, torch.bfloat16):
        half = tensor.to(dtype)
        assert torch.equal(sibyl.log_mel_spectrogram(half), sibyl.log_mel_spectrogram(half.float()))
    pcm = (tensor * 32767).round().to(torch.int16)
    assert torch.equal(sibyl.log_mel_spectrogram(pcm), sibyl.log_mel_spectrogram(pcm.float() / 32768))


def test_wrong_tensors_are_refused(torch, tensor):
    for dtype in (torch.int32, torch.int64, torch.uint8, torch.bool, torch.complex64):
        with pytest.raises(TypeError, match="audio has the type"):
            sibyl.log_mel_spectrogram(torch.zeros(1000, dtype=dtype))
    with pytest.raises(ValueError, match="no dimensions"):
        sibyl.log_mel_spectrogram(torch.tensor(1.0))
    with pytest.raises(ValueError):
        sibyl.log_mel_spectrogram(tensor[:100])
    for padding in (-1, 2**70):
        with pytest.raises(ValueError, match="padding"):
            sibyl.log_mel_spectrogram(tensor, padding=padding)
    with pytest.raises(ValueError, match="n_mels"):
        sibyl.log_mel_spectrogram(tensor, 0)
    with pytest.raises(TypeError):
        sibyl.log_mel_spectrogram(tensor, 80.0)


def test_batches(torch, tensor):
    batch = torch.stack([tensor, tensor * 0.01])
    mel = sibyl.log_mel_spectrogram(batch)
    assert mel.shape == (2, 80, len(tensor) // 160)
    assert np.array_equal(mel.numpy(), sibyl.log_mel_spectrogram(batch.numpy()))


def test_device(torch, tensor, speech):
    for audio in (tensor, speech):
        mel = sibyl.log_mel_spectrogram(audio, device="cpu")
        assert isinstance(mel, torch.Tensor) and mel.device.type == "cpu"
        assert torch.equal(mel, sibyl.log_mel_spectrogram(tensor))
    shape = sibyl.log_mel_spectrogram(tensor.to("meta")).shape
    assert shape == (80, len(tensor) // 160)
    if torch.cuda.is_available():
        mel = sibyl.log_mel_spectrogram(tensor.cuda())
        assert mel.device.type == "cuda" and torch.equal(mel.cpu(), sibyl.log_mel_spectrogram(tensor))


def test_memory_comes_back(torch, tensor):
    import gc
    import weakref

    sibyl.log_mel_spectrogram(tensor)
    alive = weakref.ref(tensor.clone())
    assert alive() is None
    other = tensor.clone()
    storage = weakref.ref(other)
    sibyl.log_mel_spectrogram(other)
    with pytest.raises(ValueError):
        sibyl.log_mel_spectrogram(other[:10])
    del other
    gc.collect()
    assert storage() is None


# ---- Operators --------------------------------------------------------------------------------------


def test_operators_are_the_functions(torch, tensor):
    ops = torch.ops.sibyl
    assert torch.equal(ops.log_mel_spectrogram(tensor), sibyl.log_mel_spectrogram(tensor))
    assert torch.equal(ops.log_mel_spectrogram(tensor, 128, 480), sibyl.log_mel_spectrogram(tensor, 128, 480))
    x, w, bias = torch.randn(2, 6, 40), torch.randn(8, 3, 3), torch.randn(8)
    y = ops.conv1d(x, w, bias, 2, 1, 1, 2, True)
    assert torch.equal(y, sibyl.conv1d(x, w, bias, 2, 1, 1, 2, True))
    expected = torch.nn.functional.gelu(torch.nn.functional.conv1d(x, w, bias, 2, 1, 1, 2))
    assert torch.allclose(y, expected, atol=1e-5)
    assert torch.equal(ops.conv1d(x[0], w, None, groups=2), sibyl.conv1d(x[0], w, groups=2))


def test_meta(torch, tensor):
    ops = torch.ops.sibyl
    for shape in ((len(tensor),), (3, 5000), (2, 2, 401)):
        for n_mels, padding in ((80, 0), (128, 1599)):
            real = ops.log_mel_spectrogram(torch.zeros(shape), n_mels, padding)
            meta = ops.log_mel_spectrogram(torch.zeros(shape, device="meta"), n_mels, padding)
            assert meta.device.type == "meta" and meta.shape == real.shape and meta.dtype == real.dtype
            assert meta.stride() == real.stride()
    double = ops.log_mel_spectrogram(torch.zeros(5000, dtype=torch.float64, device="meta"))
    assert double.dtype == torch.float32
    for x_shape in ((2, 6, 40), (6, 40)):
        for sizes in ((1, 0, 1, 1), (2, 3, 2, 3)):
            for dtype in (torch.float32, torch.bfloat16):
                x, w = torch.zeros(x_shape, dtype=dtype), torch.zeros((9, 6 // sizes[3], 4), dtype=dtype)
                real, meta = ops.conv1d(x, w, None, *sizes), ops.conv1d(x.to("meta"), w.to("meta"), None, *sizes)
                assert meta.shape == real.shape and meta.dtype == real.dtype and meta.stride() == real.stride()


def needs(torch, name):
    found = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        pytest.skip(f"skipped for want of torch.{name} in torch {torch.__version__}")
    return found


def test_opcheck(torch, tensor):
    opcheck = needs(torch, "library.opcheck")
    for samples in (tensor, tensor.reshape(2, -1), tensor.double()):
        opcheck(torch.ops.sibyl.log_mel_spectrogram.default, (samples, 80, 160))
    x, w, bias = torch.randn(2, 6, 40), torch.randn(8, 3, 3), torch.randn(8)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        cast = [value.to(dtype) for value in (x, w, bias)]
        opcheck(torch.ops.sibyl.conv1d.default, (*cast, 2, 1, 1, 2, True))
    opcheck(torch.ops.sibyl.conv1d.default, (x[0], w, None, 1, 0, 1, 2, False))


def test_compile(torch, tensor):
    """Traced whole, with symbolic shapes, through the function of the package too."""
    compile_ = needs(torch, "compile")

    def front_end(samples):
        mel = torch.ops.sibyl.log_mel_spectrogram(samples * 0.5)
        return torch.relu(torch.ops.sibyl.conv1d(mel[None], torch.ones(4, 80, 3), None, 2, 1))

    traced = []

    def backend(graph, inputs):
        traced.append(graph)
        return graph.forward

    compiled = compile_(front_end, backend=backend, fullgraph=True, dynamic=True)
    for n in (16000, 8000, 4000):
        assert torch.equal(compiled(tensor[:n]), front_end(tensor[:n]))
    assert len(traced) == 1


def test_fake_tensors(torch, tensor):
    mode = needs(torch, "_subclasses.FakeTensorMode")
    with mode() as fake:
        mel = torch.ops.sibyl.log_mel_spectrogram(fake.from_tensor(tensor))
        assert mel.shape == (80, len(tensor) // 160)


# ---- Who imports whom, and when ---------------------------------------------------------------------

PROLOGUE = "import sys, importlib.util\n"
CHECK = """
samples = torch.sin(torch.arange(16000.0))
mel = torch.ops.sibyl.log_mel_spectrogram(samples)
assert mel.shape == (80, 100), mel.shape
import numpy as np
assert np.array_equal(mel.numpy(), sibyl.log_mel_spectrogram(samples.numpy()))
assert not [f for f in sys.meta_path if type(f).__name__ == "_TorchWatcher"]
print("fine")
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    "imports",
    [
        "import torch, sibyl",
        "import sibyl\nassert 'torch' not in sys.modules\nimport torch",
        "import sibyl\nassert importlib.util.find_spec('torch')\nassert 'torch' not in sys.modules\nimport torch",
        "import sibyl\nimport torch.nn.functional as F\nimport torch",
        "import sibyl\nimport importlib\ntorch = importlib.import_module('torch')",
        "import sibyl, sibyl.torch_ops\nimport torch",
        "import sibyl, importlib\nimport torch, sibyl.torch_ops\nimportlib.reload(sibyl.torch_ops)",
    ],
)
def test_operators_are_there_in_any_order(torch, imports):
    done = run(PROLOGUE + imports + CHECK)
    assert done.stdout == "fine\n" and "registered" not in done.stderr


def test_torch_is_left_as_it_was(torch):
    run(
        """
        import sibyl, torch, inspect, importlib.machinery
        loader = torch.__spec__.loader
        assert type(loader) is importlib.machinery.SourceFileLoader and "exec_module" not in vars(loader)
        assert torch.__loader__ is loader and inspect.getsource(torch)
        """
    )


def test_sibyl_works_without_torch():
    done = run(
        """
        import sys
        sys.modules["torch"] = None  # as if it were not installed
        import numpy as np, sibyl
        assert sibyl.log_mel_spectrogram(np.zeros(16000, np.float32)).shape == (80, 100)
        assert sibyl.conv1d(np.ones((1, 1, 5), np.float32), np.ones((1, 1, 3), np.float32)).shape == (1, 1, 3)
        try:
            import torch
        except ImportError:
            print("fine")
        """
    )
    assert done.stdout == "fine\n" and not done.stderr


def test_a_torch_that_fails_to_import_is_not_hidden(tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('broken torch')\n")
    done = run(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import sibyl
        for _ in range(2):
            try:
                import torch
            except OSError as error:
                print(error)
        """
    )
    assert done.stdout == "broken torch\n" * 2


def test_a_torch_without_operators_costs_a_warning(tmp_path):
    (tmp_path / "torch.py").write_text("value = 3\n")
    done = run(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import numpy as np, sibyl, torch
        assert sibyl.log_mel_spectrogram(np.zeros(16000, np.float32)).shape == (80, 100)
        print(torch.value)
        """
    )
    assert done.stdout == "3\n" and "torch.ops.sibyl could not be registered" in done.stderr


def test_smoothing(torch, tensor):
    samples = tensor[:32000]
    for smooth in ("same", "valid"):
        plain = torch.ops.sibyl.log_mel_spectrogram(samples)
        got = torch.ops.sibyl.log_mel_spectrogram(samples, smooth=smooth)
        assert torch.equal(got, sibyl.smooth3x3(plain, smooth))
        assert torch.equal(got, sibyl.log_mel_spectrogram(samples, smooth=smooth))
        two = torch.stack([samples, samples / 8])
        both = torch.ops.sibyl.log_mel_spectrogram(two, smooth=smooth)
        for got, plain in zip(both, torch.ops.sibyl.log_mel_spectrogram(two)):
            assert torch.equal(got, sibyl.smooth3x3(plain, smooth))
        meta = torch.ops.sibyl.log_mel_spectrogram(two.to("meta"), smooth=smooth)
        assert meta.shape == both.shape
    with pytest.raises(ValueError, match="smooth is 'much'"):
        sibyl.log_mel_spectrogram(samples, smooth="much")


def test_what_a_notebook_shows_of_a_tensor(torch):
    x = np.random.default_rng(1).standard_normal((4, 900)).astype("f4")
    for upward in (False, True):
        assert sibyl.view(torch.from_numpy(x), upward=upward)._repr_html_() == sibyl.view(x, upward=upward)._repr_html_()


def test_level_and_chunks_of_tensors(torch):
    x = torch.linspace(-0.25, 0.5, 1000)
    made = sibyl.normalize(x)
    assert isinstance(made, torch.Tensor) and float(made.max()) == 1 and float(x.max()) == 0.5
    assert sibyl.normalize(x, target=0.25, in_place=True) is x and float(x.max()) == 0.25
    assert [len(part) for part in sibyl.chunk(x, 0.6, sr=1000)] == [600, 400] and sibyl.level(x).peak == 0.25
