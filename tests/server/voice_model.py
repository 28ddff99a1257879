"""A model that finds speech, for tests."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
import onnx_writer as w  # noqa: E402


def loud() -> bytes:
    """With Silero's border; the probability is that the loudest sample of a window is above 0.1."""
    nodes = [w.node("Abs", ["input"], ["loud"]), w.node("ReduceMax", ["loud"], ["most"]), w.node("Greater", ["most", "limit"], ["is"]),
             w.node("Cast", ["is"], ["output"], to=1), w.node("Identity", ["state"], ["stateN"])]
    state = w.tensor_type("float32", [2, "B", 128])
    return w.model(nodes, {"input": w.tensor_type("float32", ["B", "N"]), "state": state},
                   {"output": w.tensor_type("float32", [1, 1]), "stateN": state}, [w.floats("limit", [0.1])])
