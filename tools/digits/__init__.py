"""How `digits`, the small Whisper of assets/digits, is made: speech, windows, features, model, training, evaluation."""
