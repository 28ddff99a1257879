"""Imported encoders of images, and of texts beside them, against the originals of transformers with small random weights."""

import json

import numpy as np
import pytest
from conftest import note_model, peer

import sibyl

IMAGE = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, image_size=16, patch_size=4)
OBLONG = dict(IMAGE, image_size=[16, 21], patch_size=[4, 5])
TEXT = dict(vocab_size=70, hidden_size=20, num_hidden_layers=2, num_attention_heads=2, intermediate_size=36, max_position_embeddings=14)
CLIP_TEXT, SIGLIP_TEXT = dict(TEXT, eos_token_id=69, bos_token_id=68), dict(TEXT, hidden_size=24, num_attention_heads=4)
# family, class, settings
MODELS = {
    "vit-classes": ("ViT", "ForImageClassification", dict(OBLONG, id2label={0: "a cat", 1: "a \"dog\"", 2: "none"})),
    "vit": ("ViT", "Model", dict(IMAGE, qkv_bias=False, hidden_act="gelu_new", pooler_output_size=11, pooler_act="relu")),
    "deit-classes": ("DeiT", "ForImageClassification", dict(IMAGE, num_labels=7)),
    "deit-teacher": ("DeiT", "ForImageClassificationWithTeacher", dict(OBLONG, num_labels=4)),
    "clip": ("CLIP", "Model", dict(text_config=CLIP_TEXT, vision_config=IMAGE, projection_dim=18)),
    "clip-old-end": ("CLIP", "Model", dict(text_config=dict(TEXT, eos_token_id=2), vision_config=dict(IMAGE, hidden_act="gelu"), projection_dim=9)),
    "clip-classes": ("CLIP", "ForImageClassification", dict(text_config=CLIP_TEXT, vision_config=IMAGE, num_labels=3)),
    "clip-image": ("CLIPVision", "Model", IMAGE),
    "clip-image-projected": ("CLIPVision", "ModelWithProjection", dict(IMAGE, projection_dim=10)),
    "clip-text": ("CLIPText", "Model", CLIP_TEXT),
    "clip-text-projected": ("CLIPText", "ModelWithProjection", dict(CLIP_TEXT, projection_dim=10)),
    "siglip": ("Siglip", "Model", dict(text_config=SIGLIP_TEXT, vision_config=IMAGE)),
    "siglip-classes": ("Siglip", "ForImageClassification", dict(text_config=SIGLIP_TEXT, vision_config=IMAGE, num_labels=3)),
    "siglip-image": ("SiglipVision", "Model", IMAGE),
    "siglip-text": ("SiglipText", "Model", dict(SIGLIP_TEXT, projection_size=13)),
}  # fmt: skip


def small_model(torch, kind):
    transformers = peer("transformers")
    family, head, settings = MODELS[kind]
    torch.manual_seed(7)
    model = getattr(transformers, family + head)(getattr(transformers, family + "Config")(**settings))
    with torch.no_grad():
        for name, p in model.named_parameters():
            norm = ("norm" in name or "layrnorm" in name) and name.endswith("weight")
            p.copy_(norm + 0.25 * torch.randn_like(p))
    return model.eval()


def inputs_of(session, vision):
    """Three images and two texts, of which the second ends earlier and is filled up."""
    random = np.random.default_rng(3)
    sides = np.broadcast_to(vision, 2) if vision else None
    made = {"pixel_values": random.normal(size=(3, 3, *sides)).astype("f4") if vision else None,
            "input_ids": np.array([[68, 3, 40, 7, 11, 69], [68, 21, 69, 1, 69, 1]])}  # fmt: skip
    return {i.name: made[i.name] for i in session.get_inputs()}


@pytest.mark.parametrize("kind", MODELS)
def test_outputs_are_those_of_transformers(tmp_path, torch, kind):
    family, _, settings = MODELS[kind]
    model = small_model(torch, kind)
    model.save_pretrained(tmp_path / "model")
    sibyl.import_model(tmp_path / "model", tmp_path / "m.onnx")
    session = sibyl.InferenceSession(tmp_path / "m.onnx")
    given = inputs_of(session, settings.get("vision_config", settings).get("image_size"))
    with torch.no_grad():
        original = model.double()(**{name: torch.from_numpy(x.astype("f8") if x.dtype == "f4" else x) for name, x in given.items()})
    names = [o.name for o in session.get_outputs()]
    for name, value in zip(names, session.run(None, given), strict=True):
        expected = original[name].numpy()
        error = np.abs(value - expected).max() / np.abs(expected).max()
        assert value.shape == expected.shape and error < 2e-6, name
        note_model("folder", family, error)
    several = {"clip": 4, "siglip": 4, "classes": 1, "teacher": 1}
    assert len(names) >= several.get(kind.split("-")[-1], 2), names
