"""Imported encoders of text, and encoders with decoders, against the originals of transformers with small random weights."""

import json

import numpy as np
import pytest
from conftest import peer

import sibyl

SMALL = dict(vocab_size=300, hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=112,
             max_position_embeddings=48, pad_token_id=1, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2)  # fmt: skip
DEBERTA = dict(SMALL, relative_attention=True, type_vocab_size=0, position_biased_input=False, pos_att_type=["p2c", "c2p"])

ENCODERS = {
    "bert": ("Bert", SMALL),
    "bert-relu": ("Bert", dict(SMALL, hidden_act="relu", layer_norm_eps=1e-5)),
    "roberta": ("Roberta", SMALL),
    "xlm-roberta": ("XLMRoberta", dict(SMALL, type_vocab_size=1)),
    "camembert": ("Camembert", dict(SMALL, type_vocab_size=1)),
    "distilbert": ("DistilBert", dict(vocab_size=300, dim=64, n_layers=3, n_heads=4, hidden_dim=112, max_position_embeddings=48)),
    "electra": ("Electra", dict(SMALL, embedding_size=32)),
    "mpnet": ("MPNet", dict(SMALL, max_position_embeddings=220)),
    "modernbert": ("ModernBert", dict(SMALL, local_attention=12, num_hidden_layers=5)),
    "deberta-v3": ("DebertaV2", dict(DEBERTA, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                                     max_relative_positions=20)),
    "deberta-v2": ("DebertaV2", dict(DEBERTA, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                                     conv_kernel_size=3, conv_act="gelu")),
    "deberta-apart": ("DebertaV2", dict(DEBERTA, position_biased_input=True, type_vocab_size=2, max_relative_positions=10)),
}  # fmt: skip


def scatter(model, torch, seed=0):
    """Random weights whose outputs depend on every one of them."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.copy_(("norm" in name.lower() and name.endswith("weight")) + 0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (1 if "embed" in name or "bias" in name else p[0].numel() ** -0.5))
    return model.eval()


def some_tokens(config, n, pads):
    """[len(pads), n] ids, each row with padding behind it, and the mask."""
    tokens = np.random.default_rng(0).integers(3, config.vocab_size, (len(pads), n))
    mask = np.ones_like(tokens)
    for row, pad in enumerate(pads):
        tokens[row, n - pad :], mask[row, n - pad :] = config.pad_token_id, 0
    return tokens, mask


def gap(ours, theirs, mask=None):
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    return (difference[mask != 0] if mask is not None else difference).max()


def run_theirs(model, torch, given):
    """What model computes, and how far float32 is from double there."""
    with torch.no_grad():
        single, double = (dict(m(**given)) for m in (model, model.double()))
    return {name: value.numpy() for name, value in double.items() if hasattr(value, "numpy")}, single


HEADS = [*((kind, "ForMaskedLM") for kind in ("bert", "roberta", "distilbert", "electra", "mpnet", "modernbert", "deberta-v2")),
         *((kind, "ForSequenceClassification") for kind in ("bert", "roberta", "distilbert", "electra", "modernbert", "deberta-v2")),
         *((kind, "ForTokenClassification") for kind in ("bert", "modernbert")), ("bert", "ForQuestionAnswering")]  # fmt: skip


@pytest.mark.parametrize("kind, head, opset", [*((kind, "Model", 23) for kind in ENCODERS), *((*pair, 23) for pair in HEADS),
                                               *((kind, "Model", 20) for kind in ("bert", "modernbert", "deberta-v2"))])  # fmt: skip
def test_encoders(kind, head, opset, tmp_path):
    torch, transformers = peer("torch"), peer("transformers")
    family, settings = ENCODERS[kind]
    config = getattr(transformers, family + "Config")(**settings)
    model = scatter(getattr(transformers, family + head)(config), torch)
    model.save_pretrained(tmp_path / "model")
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx", opset=opset)
    session = sibyl.InferenceSession(tmp_path / "m.onnx")
    tokens, mask = some_tokens(config, 200 if kind == "mpnet" else 40, [0, 11])
    given = {"input_ids": tokens, "attention_mask": mask}
    if "token_type_ids" in [x.name for x in session.get_inputs()]:
        given["token_type_ids"] = np.random.default_rng(1).integers(0, 2, tokens.shape)
    expected, single = run_theirs(model, torch, {name: torch.from_numpy(x) for name, x in given.items()})
    for name, value in expected.items():
        kept = mask if value.ndim > 1 and value.shape[:2] == mask.shape else None
        allowed = max(2e-6 * np.abs(value).max(), gap(single[name].numpy(), value, kept))
        assert gap(session.run([name], given)[0], value, kept) <= allowed, name
