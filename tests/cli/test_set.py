"""--manifest: sets in shards, killed and begun again."""

import json
import os
import re
import subprocess
import tarfile
import time
import unittest

from command import COMMAND, SOURCE, Case, Model, npy_bytes, sibyl, tone, write_wav

MANIFEST = "manifest-00000-of-00001.jsonl"


def tree(folder):
    """Every file by name, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def records(folder):
    return [json.loads(line) for path in sorted(folder.glob("manifest-*.jsonl")) for line in path.read_text().splitlines()]


def alone(**more):
    """The environment without what engines say."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "OMPI_", "JOB_"))} | more


class Sets(Case):
    def setUp(self):
        super().setUp()
        self.items = []
        for i in range(8):
            name = f"{'ab'[i % 2]}/{i // 2}.wav"  # names repeat in the two folders
            (self.folder / name).parent.mkdir(exist_ok=True)
            write_wav(self.folder / name, tone(0.1 + 0.03 * i, 0.1 + 0.1 * i))
            self.items.append(name)
        self.list = self.listed(self.items)
        os.mkfifo(self.folder / "fifo")

    def listed(self, lines, name="list"):
        path = self.folder / name
        with open(path, "w") as f:
            f.writelines(line + "\n" for line in lines)
        return path

    def run_set(self, out, *more, code=0, list="list", command="features", **environment):
        result = sibyl(command, "--manifest", list, "-o", out, *more, folder=self.folder, env=alone(**environment))
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout.decode(), result.stderr.decode()

    def single(self, *more, **kind):
        """What one call that nothing disturbs makes."""
        self.run_set("single", *more, **kind)
        return tree(self.folder / "single")

    def started(self, out, *more, done=()):
        """A process that has read these items of a manifest that goes on."""
        process = subprocess.Popen([COMMAND, "features", "--manifest", "fifo", "-o", out, *more], cwd=self.folder,
                                   env=alone(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        process.manifest = open(self.folder / "fifo", "w")
        self.addCleanup(process.manifest.close)
        process.manifest.writelines(name + "\n" for name in done)
        process.manifest.flush()
        return process

    def until(self, holds):
        end = time.monotonic() + 60
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.002)

    def part(self, out):
        path = self.folder / out / f"{MANIFEST}.part"
        return path.read_text().splitlines() if path.exists() else []

    def killed(self, out, *more, n, done):
        process = self.started(out, *more, done=self.items[:n])
        self.until(done)
        process.kill()
        process.wait()
        process.manifest.close()

    def test_items_are_what_the_command_makes_of_each(self):
        made = self.single()
        for name in self.items:
            self.done("features", name, "-o", "one.npy")
            self.assertEqual(made[f"{name}.npy"], (self.folder / "one.npy").read_bytes())
        said = records(self.folder / "single")
        self.assertEqual([r["item"] for r in said], self.items)
        self.assertEqual([r["n"] for r in said], list(range(8)))
        self.assertEqual(set(made), {f"{n}.npy" for n in self.items} | {MANIFEST})

    def test_killed_and_begun_again(self):
        self.killed("out", n=5, done=lambda: len(self.part("out")) == 5)
        out = self.folder / "out"
        self.assertFalse((out / MANIFEST).exists())
        (out / ".shard-00000-of-00001/item.npy.7.0.part").write_bytes(b"of an item that was not finished")
        with open(out / f"{MANIFEST}.part", "a") as part:
            part.write('{"n":5,"item":"b/2.w')
        (out / "a/0.wav.npy").write_bytes(b"cut")
        changed = bytearray((out / "b/0.wav.npy").read_bytes())
        changed[-1] ^= 1
        (out / "b/0.wav.npy").write_bytes(changed)
        self.assertIn("5 made, 3 kept, 0 failed", self.run_set("out")[0])
        self.assertEqual(tree(out), self.single())
        self.assertIn("0 made, 8 kept, 0 failed", self.run_set("out")[0])
        self.assertEqual(tree(out), tree(self.folder / "single"))

    def test_killed_again_and_again(self):
        out = self.folder / "out"
        for n in (2, 1, 4, 3):  # the later ones see fewer items than those before them finished
            self.killed("out", n=n, done=lambda: len(self.part("out")) == n)
        for k in range(4):  # wherever it is
            process = self.started("out", done=self.items)
            time.sleep(0.005 * k)
            process.kill()
            process.wait()
            process.manifest.close()
        self.run_set("out")
        self.assertEqual(tree(out), self.single())

    def test_tars(self):
        tars = lambda: sorted((self.folder / "out").glob("*.tar"))
        self.killed("out", "--tar", "0.012", n=5, done=lambda: len(tars()) == 2)
        self.run_set("out", "--tar", "0.012")
        self.assertEqual(tree(self.folder / "out"), self.single("--tar", "0.012"))
        self.assertIn("0 made, 8 kept", self.run_set("out", "--tar", "0.012")[0])
        self.assertEqual([p.name for p in tars()], [f"shard-00000-of-00001-{k:06}.tar" for k in range(len(tars()))])
        members = {}
        for path in tars():
            with tarfile.open(path) as t:
                members |= {m.name: t.extractfile(m).read() for m in t}
        self.run_set("files")
        for record in records(self.folder / "out"):
            file = record["files"][0]
            self.assertEqual(members[file["name"]], (self.folder / "files" / f"{record['item']}.npy").read_bytes())
            data = (self.folder / "out" / record["tar"]).read_bytes()[file["offset"]:][:file["bytes"]]
            self.assertEqual(data, members[file["name"]])
            said = json.loads(members[file["name"].replace(".npy", ".item.json")])
            self.assertEqual((said["item"], said["checksum"]), (record["item"], record["checksum"]))
        self.assertEqual(len(members), 16)

    def test_shards_together_are_all(self):
        for i in (2, 0, 1):
            self.run_set("out", "--shard", f"{i}/3")
        single = self.single()
        made = tree(self.folder / "out")
        self.assertEqual({k: v for k, v in made.items() if k.endswith("npy")},
                         {k: v for k, v in single.items() if k.endswith("npy")})
        by_number = sorted(records(self.folder / "out"), key=lambda r: r["n"])
        self.assertEqual(by_number, records(self.folder / "single"))

    def test_two_processes_on_a_shard(self):
        first = self.started("out", done=self.items[:3])
        self.until(lambda: len(self.part("out")) == 3)
        second = subprocess.Popen([COMMAND, "features", "--manifest", "list", "-o", "out"], cwd=self.folder, env=alone(),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertIn("another process works on this shard", second.stderr.readline())
        first.manifest.writelines(n + "\n" for n in self.items[3:])
        first.manifest.close()
        self.assertEqual(first.wait(60), 0)
        said, _ = second.communicate(timeout=60)
        self.assertEqual(second.returncode, 0)
        self.assertIn("0 made, 8 kept", said)
        self.assertEqual(tree(self.folder / "out"), self.single())

    def test_items_that_fail_are_listed(self):
        (self.folder / "bad.wav").write_bytes(b"no audio at all")
        bad = ["none.wav", '{"audio_filepath": "a/0.wav"', '{"text": "x"}', "bad.wav",
               '{"audio_filepath": "a/0.wav", "offset": 1.5}', "a"]
        self.listed([*bad[:3], self.items[0], *bad[3:], '{"audio_filepath": "b/1.wav", "duration": 0.1}'])
        said, errors = self.run_set("out", code=1)
        self.assertIn("2 made, 0 kept, 6 failed", said)
        failed = [r for r in records(self.folder / "out") if "error" in r]
        words = ["none.wav", "line 2 of list: is not JSON", "line 3 of list: has no", "bad.wav",
                 "line 6 of list: has an \"offset\"", "a: "]
        self.assertEqual(len(failed), 6)
        for record, word in zip(failed, words):
            self.assertIn(word, record["error"])
            self.assertIn(record["error"], errors)
            self.assertNotIn("files", record)
        write_wav(self.folder / "none.wav", tone(0.1))
        self.assertIn("1 made, 2 kept, 5 failed", self.run_set("out", code=1)[0])

    def test_what_changed_is_made_again(self):
        self.run_set("out", "--bands", "80")
        self.assertIn("8 made, 0 kept", self.run_set("out", "--bands", "40")[0])
        self.assertIn("0 made, 8 kept", self.run_set("out", "--bands", "40", "--threads", "1")[0])
        write_wav(self.folder / "a/1.wav", tone(0.2, 0.01))
        self.assertIn("1 made, 7 kept", self.run_set("out", "--bands", "40")[0])
        self.assertEqual(tree(self.folder / "out"), self.single("--bands", "40"))
        self.assertIn("8 made, 0 kept", self.run_set("out", "--bands", "40", "--tar", "9")[0])

    def test_names_lead_from_here_or_from_the_manifest(self):
        (self.folder / "lists").mkdir()
        self.listed(["../a/0.wav", "", "  ", "a/1.wav\r", str(self.folder / "b/0.wav")], "lists/list")
        self.run_set("out", list="lists/list")
        names = {"__/a/0.wav.npy", "a/1.wav.npy", f"{self.folder}/b/0.wav.npy".lstrip("/")}
        self.assertEqual(set(tree(self.folder / "out")), names | {MANIFEST})

    def test_several_manifests(self):
        self.listed(self.items[:3], "first")
        self.listed(self.items[3:], "second")
        self.run_set("out", "--manifest", "second", list="first")
        self.assertEqual(tree(self.folder / "out"), self.single())

    def test_engines_name_the_shard(self):
        slurm = dict(SLURM_ARRAY_TASK_ID="7", SLURM_ARRAY_TASK_COUNT="3", SLURM_ARRAY_TASK_MIN="3", SLURM_ARRAY_TASK_STEP="2")
        for variables, words in ((slurm, "shard 2/3 (Slurm array): 2 items"),
                                 (dict(JOB_COMPLETION_INDEX="1", SIBYL_SHARDS="4"), "shard 1/4 (Kubernetes): 2 items"),
                                 (dict(OMPI_COMM_WORLD_RANK="0", OMPI_COMM_WORLD_SIZE="5"), "shard 0/5 (Open MPI): 2 items")):
            self.assertIn(words, self.run_set("out", **variables)[0])
        self.assertIn("shard 1/2 (--shard)", self.run_set("out", "--shard", "1/2", **slurm)[0])
        for variables, words in ((dict(JOB_COMPLETION_INDEX="1"), "SIBYL_SHARDS"),
                                 (slurm | dict(SLURM_ARRAY_TASK_ID="4"), "no step of 2 from 3"),
                                 (dict(OMPI_COMM_WORLD_RANK="5", OMPI_COMM_WORLD_SIZE="5"), "shard 5 of 5"),
                                 (dict(OMPI_COMM_WORLD_RANK="x", OMPI_COMM_WORLD_SIZE="5"), "expected a number"),
                                 (slurm | dict(OMPI_COMM_WORLD_RANK="0"), "both name a shard")):
            self.assertIn(words, self.run_set("out", code=1, **variables)[1])
        for shard in ("8/8", "-1/8", "1", "1/0", "1/2/3", "/2", "1/9999999"):
            self.assertIn("--shard", self.run_set("out", f"--shard={shard}", code=1)[1])

    def test_job_templates(self):
        job = (SOURCE / "packaging/kubernetes/sibyl-set.yaml").read_text()
        words = [w.strip(' "') for w in re.search(r"command: \[(.*)\]", job)[1].split(",")]
        shards = re.search(r'SIBYL_SHARDS\n *value: "(\d+)"', job)[1]
        self.assertEqual(re.search(r"completions: (\d+)", job)[1], shards)
        command = [w.replace("/speech/", "") for w in words[1:]]
        result = sibyl(*command, folder=self.folder, env=alone(JOB_COMPLETION_INDEX="3", SIBYL_SHARDS=shards))
        self.assertIn(f"shard 3/{shards} (Kubernetes): 1 items", result.stdout.decode())
        mpi = dict(OMPI_COMM_WORLD_RANK="1", OMPI_COMM_WORLD_SIZE="2", SIBYL=COMMAND)
        slurm = dict(SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_COUNT="2", SLURM_ARRAY_TASK_MIN="0", SIBYL=COMMAND,
                     MANIFEST="list", OUT="out")
        for template, operands, variables in (("mpi/sibyl-set.sh", ["list", "out"], mpi), ("slurm/sibyl-set.sbatch", [], slurm)):
            done = subprocess.run([SOURCE / "packaging" / template, *operands], cwd=self.folder, env=alone(**variables),
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("shard 1/2", done.stdout)

    def test_misuse(self):
        for code, words, more in ((2, "no other names", ["a/0.wav", "--manifest", "list", "-o", "out"]),
                                  (2, "-o DIR", ["--manifest", "list"]),
                                  (2, "not with --json", ["--manifest", "list", "-o", "out", "--json"]),
                                  (2, "--shard is for --manifest", ["a/0.wav", "--shard", "0/2"]),
                                  (1, "manifest cannot be read", ["--manifest", "nothing", "-o", "out"]),
                                  (1, "it is a folder", ["--manifest", "a", "-o", "out"])):
            self.fails(code, words, "features", *more, env=alone())

    @unittest.skipIf(os.environ.get("SIBYL_SANITIZE"), "sanitizers keep memory that was freed")
    def test_memory_does_not_grow_with_the_set(self):
        taken = []
        for n in (10, 20000):
            self.listed([f"{'n' * 200}.wav"] * n)
            with subprocess.Popen([COMMAND, "features", "--manifest", "list", "-o", f"out{n}"], cwd=self.folder,
                                  env=alone(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                taken.append(os.wait4(process.pid, 0)[2].ru_maxrss)
        self.assertLess(taken[1], taken[0] + 2000)  # KB, of 4,000 in names alone

    def test_transcripts(self):
        sample = SOURCE / "assets/digits/sample.flac"
        self.listed([str(sample)])
        said, errors = self.run_set("text", command="transcribe")
        self.assertRegex(said, r"\A1 items in [^\n]*: 1 made, 0 kept, 0 failed\n\Z")
        self.assertEqual(errors, "")
        self.assertEqual(tree(self.folder / "text")[f"{sample}.txt".lstrip("/")].decode().split(),
                         records(self.folder / "text")[0]["text"].split())
        made = f"{sample}.json".lstrip("/")
        self.assertIn("1 made", self.run_set("out", "--format", "json", command="transcribe")[0])
        self.done("transcribe", sample, "--format", "json", "-o", "alone", "--quiet")
        self.assertEqual(tree(self.folder / "out")[made], (self.folder / "alone/sample.json").read_bytes())
        self.assertEqual(records(self.folder / "out")[0]["text"], json.loads(tree(self.folder / "out")[made])["text"])
        self.assertIn("1 kept", self.run_set("out", "--format", "json", command="transcribe")[0])


class Runs(Model):
    def test_a_model_on_each_item(self):
        for i in range(3):
            self.write(f"x{i}.npy", npy_bytes((2, 3), [i + k for k in range(6)]))
        self.write("list", b"x0.npy\nx1.npy\nx2.npy\n")
        for out in ("out", "single"):
            result = sibyl("run", "m.onnx", "--manifest", "list", "-o", out, folder=self.folder, env=alone())
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(tree(self.folder / "out"), tree(self.folder / "single"))
        for i in range(3):
            self.done("run", "m.onnx", "-i", f"x=x{i}.npy", "-o", "one.npz")
            self.assertEqual((self.folder / "one.npz").read_bytes(), (self.folder / f"out/x{i}.npy.npz").read_bytes())
        self.write("list", b"x0.npy\nm.onnx\n")
        result = sibyl("run", "m.onnx", "--manifest", "list", "-o", "out", folder=self.folder, env=alone())
        self.assertIn(b"0 made, 1 kept, 1 failed", result.stdout)
        self.assertIn("expected a .npz", records(self.folder / "out")[1]["error"])


if __name__ == "__main__":
    unittest.main()
