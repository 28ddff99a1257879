"""Runs a program that imports faster_whisper on Sibyl: python -m sibyl.faster_whisper script.py ..., or -m module ..."""

from .._programs import main

main("sibyl.faster_whisper")
