"""Runs a program that imports whisper on Sibyl: python -m sibyl.whisper script.py ..., or -m module ..."""

from .._programs import main

main("sibyl.whisper")
