"""`sibyl bench`: its tables and documents, not its times."""

import json
import os
import sys
import unittest

from command import sibyl, Case, Cases, w


class Bench(Case):
    def test_features(self):
        absent = dict(os.environ, SIBYL_PYTHON="/nonexistent/python")
        text = self.done("bench", "features", "--repeat", "2", "--threads", "2", "--json", "--peers", "--monitor",
                         "0.01", env=absent)
        document = json.loads(text)
        figures = {f["name"]: f for f in document["figures"]}
        for name in ("whisper-80", "whisper-128", "precise-80", "stream-80", "whisper-80, threads"):
            series = figures[name]["series"]
            self.assertEqual(series["n"], 2)
            self.assertTrue(0 < series["min"] <= series["median"] <= series["p95"] <= series["p99"] <= series["max"])
        self.assertEqual(figures["whisper-80, threads"]["threads"], 2)
        self.assertTrue(any("torch: skipped, /nonexistent/python" in n for n in document["notes"]))
        self.assertGreater(document["memory"]["resident_peak"], 0)
        self.assertGreater(len(document["monitor"]), 0)
        self.assertIn("cpu_level", document["machine"])
        self.assertIn(document["machine"]["cpu_level"], document["machine"]["cpu_class"])

    def test_a_python_without_torch_is_skipped(self):
        fake = self.folder / "python"
        fake.write_text("#!/bin/sh\necho absent of mind\n")
        fake.chmod(0o755)
        text = self.done("bench", "features", "--repeat", "1", "--peers", env=dict(os.environ, SIBYL_PYTHON=fake))
        self.assertIn("of mind", text)
        fake.write_text("#!/bin/sh\necho ready 1.0\n")
        text = self.done("bench", "features", "--repeat", "1", "--peers", env=dict(os.environ, SIBYL_PYTHON=fake))
        self.assertIn("its Python ended", text)

    def test_tables(self):
        text = self.done("bench", "peak", "--repeat", "1", "--threads", "1")
        self.assertRegex(text, r"(?m)^fma +1 GFLOP/s")
        self.assertRegex(text, r"(?m)^read +1 GB/s")
        document = json.loads(self.done("bench", "conv1d", "--repeat", "1", "--json"))
        self.assertEqual(len(document["figures"]), 7)
        self.assertTrue(all(f["unit"] == "GFLOP/s" for f in document["figures"]))
        document = json.loads(self.done("bench", "conv1d", "--repeat", "1", "--json", "--error", "--shape", "2,3,50,4,5,2,0",
                                        "--shape", "1,1,9,1,1,1,0"))
        self.assertEqual([f["name"] for f in document["figures"]],
                         ["peak"] + [f"{shape} {dtype}" for shape in ("2,3,50,4,5,2,0", "1,1,9,1,1,1,0")
                                     for dtype in ("float32", "float16", "bfloat16")])
        self.assertEqual(len(document["errors"]), 2 * 5)
        for shape in ("1,2,3", "1,2,3,4,5,6,7,8", "0,1,9,1,1,1,0", "1,1,9,1,1,1,-1", "a", "100000000,100,9,1,1,1,0"):
            self.fails(1, "B,Ci,L,Co,k,s,p", "bench", "conv1d", "--repeat", "1", "--shape", shape)
        self.fails(1, "kernel", "bench", "conv1d", "--repeat", "1", "--shape", "1,1,2,1,9,1,0")


    def test_costs(self):
        document = json.loads(self.done("bench", "costs", "--threads", "1", "--seconds", "0.3", "--json"))
        before, after = (r["value"] for r in document["ratios"])
        self.assertTrue(before >= after >= 1)
        self.assertRegex(document["row"], r'^COST_CLASS\("[^"]+", CPU_[A-Z0-9]+, ("\w+"|NULL), \d+,\n +\.features_transposed = [0-9.e+-]+,')
        self.assertEqual(document["row"].count(" = "), 26)
        self.assertIn("costs of '", self.done("bench", "costs", "--threads", "1", "--seconds", "0.1"))

    def layers(self, *arguments):
        return json.loads(self.done("bench", "layers", "--repeat", "3", "--json", *arguments))

    def test_layers(self):
        n = 12 if "SIBYL_QUICK" in os.environ else 32
        document = self.layers("--layers", str(n), "--seed", "3")
        rows = [r for r in document["layers"] if r["family"] != "small graph"]
        self.assertEqual(len(rows), n, document["notes"])
        self.assertEqual(len(document["layers"]), n + 10)
        self.assertGreater(len({r["family"] for r in rows}), n * 3 // 8)
        for row in document["layers"]:
            self.assertGreater(row["sibyl"], 0)
            self.assertNotIn("onnxruntime", row)
        self.assertEqual(sum(g["layers"] for g in document["groups"] if g["by"] == "family"), n)
        self.assertEqual(sum(g["layers"] for g in document["groups"] if g["by"] == "kernel"), n)
        # a layer depends on the seed and its number alone
        self.assertEqual([r["name"] for r in self.layers("--layers", "6", "--seed", "3")["layers"][:6]],
                         [r["name"] for r in rows[:6]])
        self.assertNotEqual([r["name"] for r in self.layers("--layers", "6", "--seed", "4")["layers"][:6]],
                            [r["name"] for r in rows[:6]])
        some = self.layers("--layers", str(n), "--seed", "3", "--only", "conv 1-D*")["layers"]
        self.assertGreater(len(some), 0)
        self.assertEqual(some, [r | {k: s[k] for k in ("sibyl", "roofline")} for s, r in
                                zip(some, (r for r in rows if r["family"] == "conv 1-D"), strict=True)])


class BenchModels(Cases):
    absent = dict(os.environ, SIBYL_PYTHON="/nonexistent/python")

    def bench(self, *arguments):
        return self.done("bench", "models", *arguments, "--repeat", "2", env=self.absent)

    def test_cases_and_files(self):
        document = json.loads(self.bench("cases/test_good", "cases/test_wrong", "--json", "--backend", "ref"))
        self.assertEqual([m["name"] for m in document["models"]], ["test_good", "test_wrong"])
        for model in document["models"]:
            side = model["sibyl"]
            self.assertGreater(side["n"], 1)
            self.assertTrue(0 < side["min"] <= side["median"] <= side["p95"] <= side["max"])
            self.assertNotIn("onnxruntime", model)
        text = self.bench("m.onnx", "--dim", "N=3")
        self.assertRegex(text, r"(?m)^m +\d+ +[0-9.]+ +[0-9.]+$")

    def test_without_a_peer(self):
        text = self.bench("cases/test_good", "--peers")
        self.assertIn("onnxruntime: skipped, /nonexistent/python has no onnxruntime", text)
        other = dict(self.absent, SIBYL_ONNXRUNTIME="/nonexistent/lib.so")
        text = self.done("bench", "models", "cases/test_good", "--peers", "--repeat", "2", env=other)
        self.assertIn("/nonexistent/lib.so", text)

    def test_first_runs(self):
        document = json.loads(self.bench("cases/test_good", "--fresh", "--json"))
        first = document["models"][0]["sibyl"]["first"]
        self.assertGreater(first["open_seconds"] + first["run_seconds"], 0)
        self.assertGreaterEqual(first["peak_bytes"], 0)
        line = self.done("bench", "first", "sibyl", "cases/test_good").split()
        self.assertEqual(len(line), 4)
        self.fails(1, "no onnxruntime", "bench", "first", "onnxruntime", "cases/test_good", env=self.absent)

    @unittest.skipIf(os.environ.get("SIBYL_QUICK"), "a quick run: a Whisper takes minutes in instrumented builds")
    def test_whisper(self):
        scratch = self.folder / "scratch"
        scratch.mkdir()
        fake = self.folder / "python"
        fake.write_text("#!/bin/sh\necho ready 1.0\n")
        fake.chmod(0o755)
        for dtype in ("f32", "bf16"):
            document = json.loads(self.done("bench", "whisper", "--repeat", "1", "--json", "--dtype", dtype, "--peers",
                                            env=dict(os.environ, SIBYL_PYTHON=fake, TMPDIR=str(scratch))))
            models = document["models"]
            self.assertEqual("encoder: torch skipped, its Python ended" in document["notes"], dtype == "f32")
            stored = "" if dtype == "f32" else "_" + dtype
            self.assertEqual([m["name"] for m in models],
                             [p + stored + form for p in ("encoder", "prompt", "step") for form in ("", "_decomposed")])
            for model in models:
                self.assertGreater(model["sibyl"]["gflops"], 0, model)
        document = json.loads(self.done("bench", "whisper", "--size", "tiny", "--layers", "1", "--batch", "2", "--dtype", "int4", "--repeat", "1",
                                        "--json", env=dict(os.environ, TMPDIR=str(scratch))))
        one, two, *rest = document["models"]
        self.assertEqual([one["name"], two["name"]] + [m["name"] for m in rest], [p + "_int4" for p in ("encoder", "encoder_x2", "prompt", "step")])
        self.assertEqual((two["flops"], two["bytes"]), (2 * one["flops"], one["bytes"]))
        self.assertIn("Whisper tiny, 1 of 4 layers", document["notes"][0])
        self.assertEqual(list(scratch.iterdir()), [])

    @unittest.skipIf(os.environ.get("SIBYL_QUICK"), "a quick run: a layer of these dims takes minutes in instrumented builds")
    def test_llama(self):
        scratch = self.folder / "scratch"
        scratch.mkdir()
        document = json.loads(self.done("bench", "llama", "--layers", "1", "--dtype", "f16", "--repeat", "1", "--json", env=dict(os.environ, TMPDIR=str(scratch))))
        prompt, step = document["models"]
        self.assertEqual((prompt["name"], step["name"]), ("prompt_f16", "step_f16"))
        weights = 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336 + 8192) * 2
        caches = 2 * 4 * 1024 * 1001
        self.assertAlmostEqual(step["bytes"], weights + caches, delta=0.01 * weights)
        self.assertGreater(step["sibyl"]["gflops"], 0)
        self.assertEqual(list(scratch.iterdir()), [])

    def test_claims(self):
        row = w.tensor_type("float32", [64])
        ours = [w.node("Relu", ["x"], ["y"])]
        self.write("ours.onnx", w.model(ours, {"x": row}, {"y": row}, []))
        theirs = [*ours, w.node("RandomNormalLike", ["y"], ["z"])]  # drawing is ref's
        self.write("mixed.onnx", w.model(theirs, {"x": row}, {"z": row}, []))
        arguments = ("ours.onnx", "mixed.onnx", "--claims", "--backend", "cpu,ref")
        document = json.loads(self.bench(*arguments, "--json"))
        whole, part = (m["claims"] for m in document["models"])
        self.assertEqual((whole["share"], whole["ref"]), (1, ""))
        self.assertTrue(0 < part["share"] < 0.99)
        self.assertIn("RandomNormalLike", part["ref"])
        ratios = {r["name"]: r for r in document["ratios"]}
        self.assertFalse(ratios["share of time in claimed operators, min"]["met"])
        self.assertEqual(ratios["share of time in claimed operators, min"]["value"], part["share"])
        text = self.bench(*arguments)
        self.assertRegex(text, r"(?m)^ours .* 100\.00%$")
        self.assertRegex(text, r"on ref, .*RandomNormalLike")
        self.assertIn("1 of 2 models spend at least 99 % of their time in claimed operators; min: mixed", text)
        document = json.loads(self.bench("ours.onnx", "--claims", "--backend", "ref", "--json"))
        self.assertEqual(document["models"][0]["claims"]["share"], 0)

    def test_errors_against_the_run_in_double(self):
        document = json.loads(self.bench("cases/test_good", "m.onnx", "--dim", "N=50", "--error", "--json"))
        for model in document["models"]:
            error = model["sibyl"]["error"]
            self.assertTrue(0 <= error["rms"] <= error["worst"] <= 1e-6, error)
        row = w.tensor_type("float32", [64])
        nodes = [w.node("Cast", ["x"], ["h"], to=10), w.node("Cast", ["h"], ["y"], to=1)]
        self.write("half.onnx", w.model(nodes, {"x": row}, {"y": row}, []))
        error = json.loads(self.bench("half.onnx", "--error", "--json"))["models"][0]["sibyl"]["error"]
        self.assertTrue(1e-5 < error["rms"] < error["worst"] < 2**-10, error)
        self.assertRegex(self.bench("half.onnx", "--error"),
                         r"(?m)^  error of sibyl +to ref in double, same weights: +max abs [0-9.e-]+, RMS ")

    @unittest.skipIf(os.environ.get("SIBYL_QUICK"), "a quick run: it takes minutes in instrumented builds")
    def test_errors_of_conv1d(self):
        document = json.loads(self.done("bench", "conv1d", "--repeat", "1", "--error", "--json"))
        self.assertEqual(len(document["errors"]), 10)
        for row in document["errors"]:
            # a half of the last digit of the result's type, and what rounding 240 or 1152 products leaves
            own = 2e-6 if "float32" in row["name"] else 2**-11 if "bfloat16" not in row["name"] else 2**-8
            bar = own * (1.02 if row["against"] == "same numbers" else 4)
            self.assertTrue(0 < row["error"]["rms"] < row["error"]["worst"] < bar, row)

    def test_a_model_that_cannot_run_is_skipped(self):
        self.write("bad/model.onnx", b"no model")
        document = json.loads(self.bench("bad", "cases/test_good", "--json"))
        self.assertIn("skipped", document["models"][0]["sibyl"])
        self.assertIn("n", document["models"][1]["sibyl"])

    def test_misuse(self):
        self.fails(2, "files or folders", "bench", "models")
        self.fails(2, "no name after it, got 'x'", "bench", "peak", "x")
        (self.folder / "none").mkdir()
        self.fails(1, "no model was found", "bench", "models", "none", env=self.absent)
        self.assertEqual(sibyl("bench", "models", "theirs", folder=self.folder).returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
