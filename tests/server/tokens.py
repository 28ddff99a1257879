"""Tokens per second of a server that generates text for one client, and for several at once.

    SIBYL_COMMAND=build/release/cli/sibyl SIBYL_SOURCE=. python3 tests/server/tokens.py [MODEL.onnx] [--clients 8]

Without a model one of 124 million parameters with random weights is made. Rounds of one client and of several take turns, and
medians are printed, with that of their ratios.
"""
import argparse
import json
import pathlib
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import decoder_model
import serving


def ask(server, model: str, tokens: int, number: int) -> int:
    """Tokens of one completion, whose prompt depends on the number."""
    prompt = [1000 + (37 * number + 101 * k) % 20000 for k in range(8 + 3 * (number % 8))]
    status, answer = server.json("POST", "/v1/completions", json.dumps(
        {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0}), {"Content-Type": "application/json"})
    assert status == 200, answer
    return answer["usage"]["completion_tokens"]


def measure(server, model: str, clients: int, tokens: int) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        made = sum(pool.map(lambda i: ask(server, model, tokens, i), range(clients)))
    return made / (time.monotonic() - began)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model", nargs="?")
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--tokens", type=int, default=48)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--server", nargs=argparse.REMAINDER, default=[], help="further arguments of `sibyl serve`")
    o = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(o.model) if o.model else decoder_model.make(
            pathlib.Path(folder), "decoder", width=768, layers=14, hidden=2048, vocabulary=32000, heads=12, kv_heads=12, context=2048)
        with serving.Server(str(model), *o.server) as server:
            measure(server, model.stem, o.clients, o.tokens)
            pairs = [(measure(server, model.stem, 1, o.tokens), measure(server, model.stem, o.clients, o.tokens)) for _ in range(o.rounds)]
            batch = server.json("GET", f"/api/models/{model.stem}")[1]["batch"]
    one, several = (statistics.median(column) for column in zip(*pairs))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"1 client: {one:.1f} tokens/s; {o.clients} clients: {several:.1f} tokens/s; ratio {ratio:.2f}")
    print(f"steps {batch['steps']}, tokens fed {batch['tokens']}, most sequences in a step {batch['largest']}"
          + (f"; alone: {batch['alone']}" if batch["alone"] else ""))


if __name__ == "__main__":
    main()
