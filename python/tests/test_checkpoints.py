"""Checkpoints that PyTorch, safetensors and gguf write, read by the library and compared element by element.

Goes through the program dump_checkpoint, which the tests' build makes.
"""

import json
import subprocess
from collections import OrderedDict

import numpy as np
import pytest
from conftest import ROOT, peer

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]
LATER_DTYPES = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]


@pytest.fixture(scope="module")
def program():
    path = ROOT / "build" / "release" / "tests" / "import" / "read" / "dump_checkpoint"
    if not path.exists():
        pytest.skip("skipped for want of build/release/tests/import/read/dump_checkpoint: run make test-c")
    return path


@pytest.fixture
def read(program, tmp_path):
    """Weights as arrays, and facts, of the files at these paths."""

    def read(*paths):
        out = tmp_path / "read.npz"
        done = subprocess.run([program, out, *paths], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        with np.load(out) as arrays:
            return dict(arrays), dict(json.loads(line) for line in done.stdout.splitlines())

    return read


@pytest.fixture
def refused(program, tmp_path):
    def refused(path, words):
        done = subprocess.run([program, tmp_path / "read.npz", path], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and words in done.stderr, done.stderr

    return refused


def random_tensor(torch, dtype, *dims):
    dtype = getattr(torch, dtype)
    values = torch.randn(dims) * 50
    if dtype == torch.bool:
        return values > 0
    if dtype.is_complex:
        return torch.complex(values, -values)
    return values.to(dtype) if dtype.is_floating_point or dtype.is_signed else values.abs().to(dtype)


def same(array, tensor):
    """The elements of a tensor, those of types that NumPy lacks as float32."""
    tensor = tensor.detach()
    narrow = tensor.dtype.is_floating_point and tensor.dtype.itemsize <= 2 and "float16" != str(tensor.dtype)[6:]
    expected = (tensor.float() if narrow else tensor).numpy()
    assert array.shape == expected.shape and array.dtype == expected.dtype
    assert array.tobytes() == np.ascontiguousarray(expected).tobytes()


def check(read, path, expected):
    arrays, facts = read(path)
    assert set(arrays) == set(expected)
    for name, tensor in expected.items():
        same(arrays[name], tensor)
    return facts


@pytest.fixture
def state(torch):
    """Every type of elements; views of one storage, turned, cut, repeated; parameters; nothing at all."""
    torch.manual_seed(1)
    base = torch.randn(6, 10, 4)
    state = OrderedDict((f"type.{name}", random_tensor(torch, name, 3, 5)) for name in DTYPES + LATER_DTYPES
                        if hasattr(torch, name))  # fmt: skip
    state.update({
        "base": base, "turned": base.permute(2, 0, 1), "cut": base[1:4, ::3, 1], "row": base[2, 3], "same": base,
        "repeated": base[0, 0].expand(3, 4), "one": base[0, :, None, 0].expand(10, 1), "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3), "empty turned": torch.zeros(3, 0).T, "half turned": torch.randn(7, 9).half().T,
        "parameter": torch.nn.Parameter(torch.randn(2, 2)), "буква": torch.arange(5),
        "no gradient": torch.nn.Parameter(torch.arange(4), requires_grad=False),
    })  # fmt: skip
    return state


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch(torch, state, read, tmp_path, zipped, protocol):
    path = tmp_path / "m.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    check(read, path, state)


@pytest.mark.parametrize("zipped", [True, False])
def test_module(torch, read, tmp_path, zipped):
    """A module's state dict has versions; tied weights are one storage; buffers are no parameters."""
    layer = torch.nn.Sequential(torch.nn.Conv1d(3, 4, 3), torch.nn.BatchNorm1d(4), torch.nn.LSTM(4, 5, bidirectional=True),
                                torch.nn.Linear(5, 7), torch.nn.Embedding(7, 5))  # fmt: skip
    layer[4].weight = layer[3].weight
    torch.save(layer.state_dict(), tmp_path / "m.pth", _use_new_zipfile_serialization=zipped)
    check(read, tmp_path / "m.pth", layer.state_dict())


@pytest.mark.parametrize("zipped", [True, False])
def test_whole_checkpoint(torch, read, tmp_path, zipped):
    """What trainers save: the model beside numbers and the optimizer's state."""
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.125)
    layer(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    whole = {"dims": {"n_mels": 80, "rate": 0.5, "name": "tiny", "tied": True}, "model_state_dict": layer.state_dict(),
             "optimizer": optimizer.state_dict(), "epoch": 3, "device": torch.device("cpu"), "dtype": torch.bfloat16,
             "size": torch.Size([4, 5]), "nothing": None, "list": [1, 2.5]}  # fmt: skip
    torch.save(whole, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    arrays, facts = read(tmp_path / "m.pt")
    same(arrays["weight"], layer.weight)
    same(arrays["bias"], layer.bias)
    same(arrays["optimizer.state.0.exp_avg"], optimizer.state[layer.weight]["exp_avg"])
    expected = {"dims.n_mels": 80, "dims.rate": 0.5, "dims.name": "tiny", "dims.tied": True, "epoch": 3, "device": "cpu",
                "size": [4, 5], "list": [1, 2.5], "optimizer.param_groups.0.lr": 0.125,
                "optimizer.param_groups.0.betas": [0.9, 0.999], "optimizer.param_groups.0.params": [0, 1]}  # fmt: skip
    assert {key: facts.get(key) for key in expected} == expected
    assert "nothing" not in facts


def test_large_storage_of_small_views(torch, read, tmp_path):
    table = torch.randn(200, 300)
    check_state = {f"row.{i}": table[i] for i in range(200)}
    torch.save(check_state, tmp_path / "m.pt")
    check(read, tmp_path / "m.pt", check_state)


def test_programs_are_refused(torch, refused, tmp_path):
    import argparse
    import os

    class Call:
        def __reduce__(self):
            return os.system, ("touch " + str(tmp_path / "hacked"),)

    for zipped in (True, False):
        torch.save({"w": torch.zeros(2), "x": Call()}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
        refused(tmp_path / "m.pt", ".system'")
        torch.save({"args": argparse.Namespace(a=1)}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
        refused(tmp_path / "m.pt", "'argparse.Namespace'")
        torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
        refused(tmp_path / "m.pt", "'torch.nn.modules.linear.Linear'")
        torch.save({"w": np.zeros(3)}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
        refused(tmp_path / "m.pt", "'numpy.")
        torch.save(torch.zeros(3), tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
        refused(tmp_path / "m.pt", "holds a tensor")
    assert not (tmp_path / "hacked").exists()


def test_zip_that_is_packed_again(torch, refused, tmp_path):
    import zipfile

    torch.save({"w": torch.zeros(1000)}, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as old, \
            zipfile.ZipFile(tmp_path / "p.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    refused(tmp_path / "p.pt", "is compressed (method 8)")


def test_zip_that_python_writes(torch, state, read, tmp_path):
    """Stored again by another writer, without PyTorch's padding: elements stand unaligned."""
    import zipfile

    torch.save(state, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as old, zipfile.ZipFile(tmp_path / "p.pt", "w") as new:
        for name in old.namelist():
            with new.open(name, "w", force_zip64=True) as file:
                file.write(old.read(name))
    check(read, tmp_path / "p.pt", state)


def test_safetensors(torch, read, tmp_path):
    peer("safetensors")
    from safetensors.torch import save_file

    torch.manual_seed(2)
    names = [name for name in DTYPES + LATER_DTYPES if hasattr(torch, name)]
    state = {f"type.{name}": random_tensor(torch, name, 3, 5) for name in names}
    state.update({"scalar": torch.tensor(2.0), "empty": torch.zeros(0, 4), "буква": torch.arange(3)})
    save_file(state, tmp_path / "m.safetensors", metadata={"format": "pt", "of": "a test"})
    facts = check(read, tmp_path / "m.safetensors", state)
    assert facts == {"__metadata__.format": "pt", "__metadata__.of": "a test"}
    shards = [{"a": torch.randn(3)}, {"b": torch.randn(4)}]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"hidden_size": 3, "rope": {"theta": 1e4}, "x": None}))
    for i, shard in enumerate(shards):
        save_file(shard, tmp_path / "model" / f"model-{i}.safetensors")
    facts = check(read, tmp_path / "model", shards[0] | shards[1])
    assert facts == {"hidden_size": 3, "rope.theta": 1e4}


BLOCKS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
WIDE_BLOCKS = ["Q4_K", "Q5_K", "Q6_K"]


def test_gguf(read, tmp_path):
    gguf = peer("gguf")
    types = gguf.GGMLQuantizationType
    rng = np.random.default_rng(3)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    expected = {}

    def add(name, data, dtype):
        writer.add_tensor(name, data, raw_dtype=dtype)
        expected[name] = gguf.quants.dequantize(data, dtype)

    writer.add_block_count(4)
    writer.add_rope_freq_base(10000.5)
    writer.add_bool("flag", False)
    writer.add_int64("wide", -(1 << 40))
    writer.add_uint8("byte", 200)
    writer.add_float64("double", 0.1)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<s>", "▁the", "\u0001", ""])
    writer.add_token_scores([0.0, -1.5, 2.0, 3.0])
    writer.add_token_types([1, 2, 3, 4])
    f32 = rng.standard_normal((3, 512), dtype=np.float32)
    add("f32", f32, types.F32)
    add("f16", f32.astype(np.float16), types.F16)
    add("bf16", gguf.quants.quantize(f32, types.BF16), types.BF16)
    for name in BLOCKS:
        add(name, gguf.quants.quantize(f32, types[name]), types[name])
    for name in WIDE_BLOCKS:  # any bytes are some block, but scales are finite
        block, size = gguf.GGML_QUANT_SIZES[types[name]]
        data = rng.integers(0, 256, (3, 512 // block, size), dtype=np.uint8)
        scales = [size - 2] if name == "Q6_K" else [0, 2]
        for at in scales:
            data[:, :, at:at + 2] = rng.standard_normal((3, 512 // block, 1)).astype(np.float16).view(np.uint8)
        add(name, data.reshape(3, -1), types[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    arrays, facts = read(tmp_path / "m.gguf")
    assert set(arrays) == set(expected)
    for name, array in expected.items():
        assert arrays[name].shape == (3, 512)
        assert np.array_equal(arrays[name], array), name
    told = {"general.architecture": "llama", "llama.block_count": 4, "llama.rope.freq_base": 10000.5, "flag": False,
            "wide": -(1 << 40), "byte": 200, "double": 0.1, "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.tokens": ["<s>", "▁the", "\u0001", ""], "tokenizer.ggml.scores": [0.0, -1.5, 2.0, 3.0],
            "tokenizer.ggml.token_type": [1, 2, 3, 4]}  # fmt: skip
    assert {key: facts.get(key) for key in told} == told
