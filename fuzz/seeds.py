#!/usr/bin/env python3
"""Writes seeds that need no build: seeds.py FOLDER [HF_FOLDER...] makes FOLDER/npy, image and audio (by the ffmpeg command,
where it is there), and FOLDER/import of checkpoints in Hugging Face's layout, of which it takes config.json, names and
dims."""
import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zipfile


def npy(descr: str, shape: tuple, data: bytes, version: int = 1, fortran: bool = False) -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def arrays() -> dict:
    made = {
        "f32": npy("<f4", (2, 3), struct.pack("<6f", 1, -2, 3.5, 4, 5, 6)),
        "fortran": npy(">i2", (2, 2), struct.pack(">4h", 1, 2, 3, -4), 2, True),
        "strings": npy("<U3", (2,), "ab\0x\u00e9z".encode("utf-32-le"), 3),
        "bytes": npy("|S2", (3,), b"ab\0\0c\0"),
        "scalar": npy("<c8", (), struct.pack("<2f", 1, 2)),
        "bool": npy("|b1", (0, 4), b""),
    }
    for name, method in (("stored.npz", zipfile.ZIP_STORED), ("deflated.npz", zipfile.ZIP_DEFLATED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as z:
            for member in ("f32", "bool"):
                z.writestr(zipfile.ZipInfo(member + ".npy"), made[member], method)
        made[name] = out.getvalue()
    return made


IMAGES = {"png": "", "palette.png": "-pix_fmt pal8", "grey16.png": "-pix_fmt gray16be", "jpg": "", "grey.jpg": "-pix_fmt gray",
          "webp": "-lossless 1", "lossy.webp": "", "bmp": "", "palette.bmp": "-pix_fmt pal8", "ppm": "", "pgm": "", "pbm": "",
          "tiff": "", "lzw.tiff": "-compression_algo lzw", "deflate.tiff": "-compression_algo deflate", "jp2": "", "j2k": ""}
AUDIO = {"wav": "", "float.wav": "-c:a pcm_f32le", "adpcm.wav": "-c:a adpcm_ms", "flac": "", "mp3": "-b:a 32k",
         "ogg": "-c:a libvorbis", "opus": "-c:a libopus", "m4a": "-c:a aac -movflags faststart",
         "frag.mp4": "-c:a aac -movflags frag_keyframe+empty_moov", "webm": "-c:a libopus", "mka": "-c:a pcm_s16le", "avi": "",
         "wma": "", "aiff": "", "au": "", "caf": "", "w64": "", "flv": "-ar 11025", "ts": "", "aac": "", "wv": "", "tta": ""}


def media(folder: pathlib.Path, source: str, outputs: dict) -> None:
    """A file of each kind, for which this ffmpeg has an encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in outputs.items():
        with tempfile.TemporaryDirectory() as temporary:
            path = pathlib.Path(temporary) / f"x.{name}"
            command = ["ffmpeg", "-v", "quiet", "-nostdin", "-f", "lavfi", "-i", source, "-map_metadata", "-1", "-fflags",
                       "+bitexact", "-flags", "+bitexact", *options.split(), path]
            try:
                made = subprocess.run(command, check=False).returncode == 0
            except FileNotFoundError:
                return
            if made and path.stat().st_size:
                (folder / name).write_bytes(path.read_bytes())


def checkpoint(folder: pathlib.Path) -> bytes:
    """The text that targets/import.c reads."""
    config = json.loads((folder / "config.json").read_text())
    for key in ("transformers_version", "_name_or_path"):
        config.pop(key, None)
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    lines = [" ".join([name, w["dtype"], *map(str, w["shape"])]) for name, w in header.items()]
    return "\n".join([json.dumps(config), "---", *lines, ""]).encode()


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    for name, data in arrays().items():
        (out / "npy").mkdir(parents=True, exist_ok=True)
        (out / "npy" / name).write_bytes(data)
    media(out / "image", "testsrc=size=8x6:duration=0.04:rate=25", IMAGES)
    media(out / "audio", "sine=duration=0.03:sample_rate=16000", AUDIO)
    for folder in map(pathlib.Path, sys.argv[2:]):
        (out / "import").mkdir(parents=True, exist_ok=True)
        (out / "import" / folder.name).write_bytes(checkpoint(folder))


main()
