"""Runs a program that imports onnxruntime on Sibyl: python -m sibyl.onnxruntime script.py ..., or -m module ..."""

from .._programs import main

main("sibyl.onnxruntime")
