"""`sibyl diff` and `reduce` on small models, beside other backends, programs and dumps."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
import unittest
import warnings
import zipfile

from command import COMMAND, sibyl, read_npy, npy_bytes, Case, Model, w


class Diff(Model):
    def test_the_same(self):
        text = self.done("diff", "m.onnx", "-i", "x=1,2,3", "--a", "ref", "--b", "ref", "--all")
        for name in ("layer/product", "sum", "y"):
            self.assertRegex(text, rf"(?m)^same .* {name}$")
        self.assertIn("0 differ", text)
        self.assertNotIn("same", self.done("diff", "m.onnx", "-i", "x=1,2,3"))
        self.assertIn("milli", self.done("diff", "m.onnx", "-i", "x=1,2,3", "--all", "--inside"))
        self.assertIn("0 differ", self.done("diff", "m.onnx", "--random", "3", "--dim", "N=4", "--oracle"))

    def test_json(self):
        document = json.loads(self.done("diff", "m.onnx", "-i", "x=1,2,3", "--a", "ref", "--b", "ref", "--all", "--json"))
        self.assertEqual((document["different"], document["first"]), (0, None))
        self.assertIn(("sum", True, 0.0), [(v["name"], v["equal"], v["max_abs"]) for v in document["values"]])
        (self.folder / "other").mkdir()
        self.write("other/sum.npy", npy_bytes([1, 2], [22.5, 1]))
        run = sibyl("diff", "m.onnx", "-i", "x=1,2,3", "--against", "other", "--json", folder=self.folder)
        document = json.loads(run.stdout)
        self.assertEqual((run.returncode, document["first"], document["compared"]), (1, "sum", 1))
        self.assertEqual((document["values"][0]["first"], document["values"][0]["first_expected"]), (1, 1.0))

    def test_against_files(self):
        (self.folder / "theirs").mkdir()
        arguments = ["diff", "m.onnx", "-i", "x=1,2,3", "--against", "theirs"]
        self.fails(1, "no value is on both sides", *arguments)
        self.write("theirs/layer_product.npy", npy_bytes([1, 2], [22, 28]))
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -71.9]))
        self.write("theirs/y.npy", npy_bytes([1, 2], [22.5, 0]))
        result = sibyl(*arguments, folder=self.folder)
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 1, text)
        self.assertRegex(text, r"first value that leaves tolerance: 'sum' of node 'layer/add' \(Add\)")
        self.assertIn("3 values compared, 1 differ", text)
        self.done(*arguments, "--rtol", "0.1")
        self.done(*arguments, "--atol", "0.2")
        self.write("theirs/sum.npy", npy_bytes([2], [22.5, -72]))
        self.assertEqual(sibyl(*arguments, folder=self.folder).returncode, 1)

    def test_node_by_node(self):
        """A fault is named in its node alone, with its index and what is known of it."""
        (self.folder / "theirs").mkdir()
        arguments = ["diff", "m.onnx", "-i", "x=1,2,3", "--against", "theirs"]
        self.write("theirs/layer_product.npy", npy_bytes([1, 2], [22, 28]))
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -71]))
        self.write("theirs/y.npy", npy_bytes([1, 2], [22.5, 0]))
        text = sibyl(*arguments, "--local", folder=self.folder).stdout.decode()
        self.assertRegex(text, r"element \[0, 1\] is -72, expected -71")
        self.assertIn("1 of 2 elements differ by more than rounding explains", text)
        self.assertIn("1 at 0, 1 beyond 4096", text)
        document = json.loads(sibyl(*arguments, "--json", folder=self.folder).stdout)
        self.assertEqual(sibyl(*arguments, "--png", "p.svg", folder=self.folder).returncode, 1)
        picture = (self.folder / "p.svg").read_text()
        self.assertIn("first that differs: sum</text>", picture)
        self.assertEqual(picture.count('fill="#c0392b"'), 2)  # its bar and that of the legend
        found = document["values"][0]
        self.assertEqual((document["first"], document["different"], found["elements"], found["first_index"]),
                         ("sum", 1, 1, [0, 1]))
        self.assertEqual(found["ulp_counts"], [1, 0, 0, 0, 0, 0, 0, 1])
        self.assertGreater(found["times"], 64)
        self.write("theirs/sum.npy", npy_bytes([1, 2], [22.5, -72.00001]))
        self.done(*arguments)
        self.assertEqual(sibyl(*arguments, "--factor", "1", folder=self.folder).returncode, 1)
        self.fails(2, "--local goes with none of", *arguments, "--local", "--rtol", "0")

    def test_misuse(self):
        self.fails(1, ["m.onnx", "neither a folder"], "diff", "m.onnx", "-i", "x=1,2,3", "--against", "m.onnx")
        self.fails(2, "--rtol takes a number from 0 to 1", "diff", "m.onnx", "-i", "x=1,2,3", "--rtol", "-0.5")
        self.fails(1, "'gpu'", "diff", "m.onnx", "-i", "x=1,2,3", "--b", "gpu")
        self.fails(1, "'x' is missing", "diff", "m.onnx")


class Peer(Model):
    """Pythons that are none; with onnxruntime itself: python/tests/test_dump.py."""

    ARGUMENTS = ("diff", "m.onnx", "-i", "x=1,2,3", "--peer", "onnxruntime")

    def fails_with(self, python, words):
        self.fails(1, words, *self.ARGUMENTS, env={**os.environ, "SIBYL_PYTHON": str(python), "TMPDIR": str(self.tmp)})
        self.assertEqual(list(self.tmp.iterdir()), [])

    def setUp(self):
        super().setUp()
        self.tmp = self.folder / "tmp"
        self.tmp.mkdir()

    def script(self, text):
        path = self.write("python", b"#!/bin/sh\n" + text.encode())
        path.chmod(0o755)
        return path

    def test_pythons_that_cannot(self):
        for python, words in ((self.folder / "none", "cannot be run"), ("/bin/false", "ended with 1")):
            self.fails_with(python, [f"{python} has no onnxruntime ({'it ' + words})", "pip install onnxruntime", "SIBYL_PYTHON"])
        self.fails_with(self.script("echo No module; exit 3"), ["has no onnxruntime (No module)"])
        self.fails_with(self.script("echo it has no kernel; exit 1"), ["m.onnx: onnxruntime: it has no kernel"])
        self.fails_with(self.script("kill -9 $$"), ["ended by signal 9"])

    def test_values_come_from_the_script(self):
        """What the Python is given, and what is read of it."""
        python = self.script('cp -r "$4" "$KEEP"; cp -r theirs/. "$5"')
        self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "*", "-o", "theirs")
        keep = self.folder / "kept"
        text = self.done(*self.ARGUMENTS, env={**os.environ, "SIBYL_PYTHON": str(python), "KEEP": str(keep)})
        self.assertIn("3 values compared, 0 differ", text)
        self.assertEqual(json.loads((keep / "manifest.json").read_text()),
                         {"x": {"file": "x.npy", "dtype": "float32", "dims": [1, 3]}})
        self.assertEqual(tuple(read_npy(keep / "x.npy")[1]), (1, 2, 3))

    def test_interrupts_leave_nothing(self):
        """Neither files nor the Python, also where the signal comes to the command alone."""
        python = self.script("echo $$ > pid; exec sleep 60")
        for arguments in self.ARGUMENTS, ("reduce", *self.ARGUMENTS[1:4], "--check", "diff --peer onnxruntime", "-o", "case"):
            process = subprocess.Popen([COMMAND, *arguments], cwd=self.folder, stderr=subprocess.PIPE,
                                       env={**os.environ, "SIBYL_PYTHON": str(python), "TMPDIR": str(self.tmp)})
            while process.poll() is None and not (self.folder / "pid").exists():
                time.sleep(0.01)
            time.sleep(0.1)
            self.assertTrue(list(self.tmp.iterdir()))
            process.terminate()
            self.assertIn(b"m.onnx", process.communicate(timeout=30)[1])
            self.assertEqual((process.returncode, list(self.tmp.iterdir())), (1, []))
            with self.assertRaises(ProcessLookupError):
                os.kill(int((self.folder / "pid").read_text()), 0)
            (self.folder / "pid").unlink()
        self.assertFalse((self.folder / "case").exists())

    def test_misuse(self):
        self.fails(2, "--against and --peer", *self.ARGUMENTS, "--against", ".")
        self.fails(2, ["--peer", "onnxruntime"], "diff", "m.onnx", "--peer", "tensorflow")


class Reduce(Model):
    def reduced(self, check, *arguments, model="m.onnx"):
        shutil.rmtree(self.folder / "case", ignore_errors=True)
        found = json.loads(self.done("reduce", model, *arguments, "--check", check, "-o", "case", "--json"))
        nodes = json.loads(self.done("inspect", "case/model.onnx", "--json", "--nodes"))["nodes"]
        return found, [node["type"] for node in nodes]

    def test_one_node_against_files(self):
        self.done("run", "m.onnx", "-i", "x=1,2,3", "--tap", "*", "-o", "their values")
        self.write("their values/sum.npy", npy_bytes([1, 2], [22.5, -71]))
        self.write("their values/y.npy", npy_bytes([1, 2], [22.5, 0]))
        found, nodes = self.reduced("diff --against 'their values'", "-i", "x=1,2,3")
        self.assertEqual((found["value"], found["node"], found["operator"], found["nodes"], found["of"], found["checks"]),
                         ("sum", "layer/add", "Add", 1, 3, 2))
        self.assertEqual(len(nodes), 1)
        self.assertEqual(sorted(str(p.relative_to(self.folder / "case")) for p in (self.folder / "case").rglob("*.*")),
                         ["model.onnx", *(f"test_data_set_0/{name}.pb" for name in ("input_0", "input_1", "output_0"))])
        run = sibyl("conform", "case", folder=self.folder)
        self.assertIn("is -72, expected -71", run.stdout.decode() + run.stderr.decode())

    def test_inputs_with_defaults(self):
        """An input that was given in the place of its default is what the part reads."""
        self.done("run", "m.onnx", "-i", "x=1,2,3", "-i", "b=1,2", "--tap", "*", "-o", "theirs.npz")
        self.fails(1, "names no fault", "reduce", "m.onnx", "-i", "x=1,2,3", "-i", "b=1,2", "--check", "diff --against theirs.npz",
                   "-o", "case")
        found, _ = self.reduced("diff --against theirs.npz", "-i", "x=1,2,3", "-i", "b=1,3")
        self.assertEqual((found["value"], found["nodes"]), ("sum", 1))
        self.done("diff", "case/model.onnx", "-i", "layer/product=case/test_data_set_0/input_1.pb", "-i", "b=1,2",
                  "--against", "theirs.npz")

    def test_nodes_that_show_it_together(self):
        """A cancellation needs the sum before it; rows that are alike are left out, also of dims that are numbers."""
        for dim in ("N", 64):
            with self.subTest(dim):
                self.nodes_together(dim)

    def nodes_together(self, dim):
        row = w.tensor_type("float32", [dim])
        names = ["x", "a", "b", "sum", "same", "back", "c", "y"]
        operators = ["Neg", "Abs", "Add", "Identity", "Sub", "Neg", "Tanh"]
        nodes = [w.node(op, [names[i], *(["big"] if op in ("Add", "Sub") else [])], [names[i + 1]])
                 for i, op in enumerate(operators)]
        self.write("c.onnx", w.model(nodes, {"x": row}, {"y": row}, [w.floats("big", [1e7], [])], opsets={"": 18}))
        found, nodes = self.reduced("diff --oracle --a ref --b ref --rtol 1e-3", "--random", "1", "--dim", "N=64", model="c.onnx")
        self.assertEqual((found["value"], found["of"], found["nodes"]), ("back", 7, len(nodes)))
        self.assertLess(len(nodes), 4)
        self.assertEqual({nodes[0], nodes[-1]}, {"Add", "Sub"})
        self.assertLess((self.folder / "case/test_data_set_0/input_0.pb").stat().st_size, 40)
        self.assertIn("1 passed", self.done("conform", "case", "--backend", "ref"))

    def test_a_fault_inside_a_body_is_that_of_its_node(self):
        row = w.tensor_type("float32", ["N"])
        body = [w.graph([w.node("Add", ["a", "big"], ["s"]), w.node("Sub", ["s", "big"], ["o"])], {}, {"o": row}) for _ in range(2)]
        nodes = [w.node("Neg", ["x"], ["a"]), w.node("ReduceMax", ["a"], ["most"], keepdims=0),
                 w.node("Greater", ["most", "zero"], ["c"]), w.node("Abs", ["a"], ["b"]),
                 w.node("If", ["c"], ["z"], name="branch", then_branch=body[0], else_branch=body[1]), w.node("Tanh", ["z"], ["y"])]
        self.write("i.onnx", w.model(nodes, {"x": row}, {"y": row}, [w.floats("big", [1e7], []), w.floats("zero", [0], [])],
                                     opsets={"": 18}))
        found, nodes = self.reduced("diff --oracle --a ref --b ref --rtol 1e-3", "--random", "1", "--dim", "N=8", model="i.onnx")
        self.assertEqual((found["value"], found["node"], nodes), ("z", "branch", ["If"]))

    def test_with_a_peer(self):
        """The other side is asked again for each part; its values are the outputs of the case."""
        (self.folder / "theirs").mkdir()
        for name, y in (("sum", [22.5, -71]), ("y", [22.5, 0])):
            self.write(f"theirs/{name}.npy", npy_bytes([1, 2], y))
        self.write("theirs/manifest.json", json.dumps({name: {"file": f"{name}.npy", "dtype": "float32", "dims": [1, 2]}
                                                       for name in ("sum", "y")}).encode())
        python = self.write("python", b'#!/bin/sh\ncp -r theirs/. "$5"')
        python.chmod(0o755)
        result = self.done("reduce", "m.onnx", "-i", "x=1,2,3", "--check", "diff --peer onnxruntime", "-o", "case",
                           env={**os.environ, "SIBYL_PYTHON": str(python)})
        self.assertIn("case: 1 of 3 nodes show the fault in 'sum' of node 'layer/add' (Add)", result)
        self.assertEqual(sibyl("conform", "case", folder=self.folder).returncode, 1)

    def test_any_command(self):
        """Its status counts: here, that of whether the model has an operator, and that of a signal."""
        for check, operator in (("f() { grep -q Add $1 && test -s $2 && exit 3; exit 0; }; f", "Add"),
                                ("f() { grep -q Relu $1 && kill -9 $$; exit 0; }; f", "Relu")):
            found, nodes = self.reduced(check, "-i", "x=1,2,3")
            self.assertEqual((found["value"], found["node"], found["nodes"], nodes), (None, None, 1, [operator]), check)
            self.assertIn("1 passed", self.done("conform", "case", "--backend", "ref"))
        arguments = ("reduce", "m.onnx", "-i", "x=1,2,3", "-o", "case", "--check")
        self.assertIn("case: 1 of 3 nodes show the fault, after ", self.done(*arguments, "! grep -q Add"))
        shutil.rmtree(self.folder / "case")
        self.fails(1, "shows no fault: it ends with 0", *arguments, "true")

    def test_misuse(self):
        arguments = ("reduce", "m.onnx", "-i", "x=1,2,3", "-o", "case", "--check")
        self.fails(1, "names no fault", *arguments, "diff")
        self.fails(1, "expected diff", *arguments, "conform")
        self.fails(1, "expected diff", *arguments, "")
        self.fails(1, "quote is not closed", *arguments, "diff --against 'x")
        self.fails(1, "more than 64 words", *arguments, "diff " + "--all " * 64)
        self.fails(2, "--check and --out", "reduce", "m.onnx", "-i", "x=1,2,3", "--check", "diff")
        self.fails(2, "one model", "reduce")
        self.assertFalse((self.folder / "case").exists())


class Dumps(Case):
    """The values of a run in files, also those whose names clash as files' or are longer than these may be."""

    NAMES = ("a/b", "a_b", "a:b", "n" * 300 + "1", "n" * 300 + "2", "größer/" * 40)

    def setUp(self):
        super().setUp()
        row = w.tensor_type("float32", [2])
        names = ["x", *self.NAMES, "y"]
        nodes = [w.node("Neg" if i % 2 else "Exp", [names[i]], [names[i + 1]]) for i in range(len(names) - 1)]
        (self.folder / "m.onnx").write_bytes(w.model(nodes, {"x": row}, {"y": row}))

    def diff(self, against, *more):
        run = sibyl("diff", "m.onnx", "-i", "x=0.5,1", "--against", against, "--json", "--all", *more, folder=self.folder)
        self.assertEqual(run.stderr, b"")
        return json.loads(run.stdout)

    def test_what_run_writes_is_read(self):
        for out in ("dump", "dump.npz"):
            self.done("run", "m.onnx", "-i", "x=0.5,1", "--tap", "*", "-o", out)
            for more in ((), ("--rtol", "0.001")):
                found = self.diff(out, *more)
                self.assertEqual((found["compared"], found["different"]), (len(self.NAMES) + 1 + len(more) // 2, 0), (out, more))
        manifest = json.loads((self.folder / "dump" / "manifest.json").read_text())
        self.assertEqual(set(manifest), {"x", *self.NAMES, "y"})
        self.assertEqual(len({entry["file"] for entry in manifest.values()}), len(manifest))
        self.assertEqual({(entry["dtype"], *entry["dims"]) for entry in manifest.values()}, {("float32", 2)})
        self.assertEqual(set(zipfile.ZipFile(self.folder / "dump.npz").namelist()), {f"{name}.npy" for name in manifest})

    def test_a_fault_in_either(self):
        self.done("run", "m.onnx", "-i", "x=0.5,1", "--tap", "*", "-o", "dump")
        manifest = json.loads((self.folder / "dump" / "manifest.json").read_text())
        (self.folder / "dump" / manifest["a_b"]["file"]).write_bytes(npy_bytes([2], [7, 8]))
        with zipfile.ZipFile(self.folder / "dump.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, entry in manifest.items():
                archive.writestr(name + ".npy", (self.folder / "dump" / entry["file"]).read_bytes())
        for out in ("dump", "dump.npz"):
            found = self.diff(out)
            self.assertEqual([v["name"] for v in found["values"] if not v["equal"]], ["a_b", "a:b"])

    def test_values_that_are_no_tensors(self):
        row = w.tensor_type("float32", ["N"])
        (self.folder / "s.onnx").write_bytes(w.model([w.node("SequenceConstruct", ["x", "x"], ["s"]),
                                                      w.node("ConcatFromSequence", ["s"], ["y"], axis=0)],
                                                     {"x": row}, {"y": row}))
        self.done("run", "s.onnx", "-i", "x=1,2", "--tap", "s", "-o", "dump")
        manifest = json.loads((self.folder / "dump" / "manifest.json").read_text())
        self.assertEqual(manifest["s"], {"file": "s.pb", "type": "sequence of 2"})
        found = json.loads(self.done("diff", "s.onnx", "-i", "x=1,2", "--against", "dump", "--json"))
        self.assertEqual(found["compared"], 1)
        self.fails(1, ["'s'", "no tensor"], "run", "s.onnx", "-i", "x=1,2", "--tap", "s", "-o", "dump.npz")

    def test_hostile_files(self):
        def refused(words, against="dump"):
            self.fails(1, words, "diff", "m.onnx", "-i", "x=0.5,1", "--against", against)
            self.fails(1, words, "report", "m.onnx", "-i", "x=0.5,1", "--against", against)

        (self.folder / "dump").mkdir()
        (self.folder / "dump" / "y.npy").write_bytes(npy_bytes([2], [1, 2]))
        manifest = self.folder / "dump" / "manifest.json"
        good = {"file": "y.npy", "dtype": "float32", "dims": [2]}
        for words, document in (
                ("is not JSON", "{"), ("is not JSON", '{"y": {}, "y": {}}'), ("an object", "[]"), ("'y'", '{"y": 1}'),
                (["'y'", "in this folder"], json.dumps({"y": {**good, "file": "../m.onnx"}})),
                (["'y'", "in this folder"], json.dumps({"y": {**good, "file": ".."}})),
                (["'a/b' and to 'y'"], json.dumps({"a/b": good, "y": good})),
                (["'y'", "y.npy", "float32 (2)"], json.dumps({"y": {**good, "dims": [3]}})),
                (["'y'", "y.npy", "float32 (2)"], json.dumps({"y": {**good, "dims": 2}})),
                (["'y'", "y.npy", "float32 (2)"], json.dumps({"y": {**good, "dtype": "int32"}})),
                ("none.npy", json.dumps({"y": {**good, "file": "none.npy"}})), ("is not JSON", "[" * 5000)):
            manifest.write_text(document)
            refused(words)
        manifest.write_text(json.dumps({"y": good}))
        (self.folder / "dump" / "y.npy").write_bytes(npy_bytes([2], [1, 2])[:-1])
        refused("y.npy")
        for name, members in (("twice.npz", ["y", "y"]), ("bad.npz", ["y"])):
            with warnings.catch_warnings(), zipfile.ZipFile(self.folder / name, "w") as archive:
                warnings.simplefilter("ignore")
                for member in members:
                    archive.writestr(member + ".npy", b"no array" if name == "bad.npz" else npy_bytes([2], [1, 2]))
        refused("two arrays 'y'", "twice.npz")
        refused(["bad.npz", "'y'"], "bad.npz")
        (self.folder / "cut.npz").write_bytes((self.folder / "twice.npz").read_bytes()[:-30])
        refused("cut.npz", "cut.npz")
        refused("none.npz", "none.npz")
        self.bomb("bomb.npz")
        refused(["bomb.npz", "'zeros'", "takes more than"], "bomb.npz")

    def bomb(self, name):
        """An archive of some hundred bytes whose directory says that its array has 2 GiB, as its header does."""
        with zipfile.ZipFile(self.folder / name, "w") as archive:
            archive.writestr("zeros.npy", npy_bytes([(1 << 31) - 128], []).replace(b"<f4", b"|u1"))
        data = bytearray((self.folder / name).read_bytes())
        struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 1 << 31)
        (self.folder / name).write_bytes(data)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
