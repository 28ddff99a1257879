#!/usr/bin/env python3
"""OpenAI's own package for Node against `sibyl serve`. Exits 77, which ctest counts as skipped, where it is not installed, or no Node."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import embedding_model
from serving import RECORDING, SOURCE, SPOKEN, Server
from text_model import caller, chain

NODE, PACKAGE = shutil.which("node"), SOURCE / "web/node_modules/openai"
if not NODE or not PACKAGE.exists():
    print("skipped for want of Node's package openai (make setup FOR=web)")
    sys.exit(77)


class Client(unittest.TestCase):
    def test_package(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "chain.onnx"
            model.write_bytes(chain({"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}in"})[0])
            embed = embedding_model.write(pathlib.Path(folder) / "embed")
            tools = pathlib.Path(folder) / "caller.onnx"
            tools.write_bytes(caller())
            with Server("digits", str(model), str(embed), str(tools), "--token", "secret") as server:
                script = SOURCE / "tests/server/openai_client.mjs"
                ended = subprocess.run([NODE, str(script), f"http://{server.host}:{server.port}", str(RECORDING), SPOKEN, str(SOURCE / "web")],
                                       capture_output=True, text=True, timeout=300)
                self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
