"""`sibyl report`: one HTML file of a run."""

import base64
import html.parser
import math
import re
import struct
import unittest

from command import Model, npy_bytes, w

EMPTY = {"meta", "img", "rect", "path", "circle"}


class Page(html.parser.HTMLParser):
    """The document as text by section, with ids, links and images; tags are closed as they were opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.images, self.sections, self.tags = [], [], [], [], {}, set()
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "section":
            self.section = given["id"]
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.images.append(given["src"])
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in EMPTY or self.open.pop() == tag, tag

    def handle_data(self, data):
        if "section" in self.open:
            self.sections[self.section] = self.sections.get(self.section, "") + data


class Report(Model):
    def page(self, *arguments, model="m.onnx"):
        line = self.done("report", model, *arguments)
        self.assertRegex(line, r"^\S+: \d+ values, \d\.\d\d MB\n$")
        self.text = (self.folder / line.partition(":")[0]).read_text()
        self.assertLess(len(self.text), 5_000_000)
        page = Page(self.text)
        self.assertNotIn("script", page.tags)
        self.assertEqual(re.findall(r"https?://(?!www\.w3\.org/2000/svg)|src=\"(?!data:)|@import|url\(", self.text), [])
        for link in page.links:
            self.assertIn(link.removeprefix("#"), page.ids)
        return page

    def test_sections(self):
        page = self.page("-i", "x=[[1,2,3],[4,5,6]]")
        self.assertEqual(list(page.sections), ["found", "model", "graph", "nodes", "profile"])
        self.assertIn("No NaN and no infinity in", page.sections["found"])
        self.assertIn("slowest node: ", page.sections["found"])
        for part in ("3 nodes, 8 parameters", "x: float32 [N, 3]", "y: float32 [N, 2]", "ai.onnx 21"):
            self.assertIn(part, page.sections["model"])
        self.assertNotIn("b: float32", page.sections["model"])  # a weight is its default
        for part in ("MatMul matmul", "Add add", "Relu relu", "float32 (2, 2)", "22 … 64", "50% zero"):
            self.assertIn(part, re.sub(r"\s+", " ", page.sections["nodes"]))
        self.assertIn("<title>m.onnx</title>", self.text)

    def test_images(self):
        """The first pixels are those of the first row, from the bottom up, by the palette: 8 is 0, 15 the largest."""
        page = self.page("-i", "x=[[0,0,0],[0,1,0]]")
        image = base64.b64decode(page.images[0].partition(",")[2])
        (size, start, width, height) = struct.unpack("<2xI4xI4xii", image[:26])
        self.assertEqual((image[:2], size, width, height), (b"BM", len(image), 2, 2))
        rows = [image[start + 4 * i] for i in range(2)]
        self.assertEqual(rows, [8 + round(7 * 3 / 4) << 4 | 15, 0x88])

    def test_not_finite(self):
        self.write("x.npy", npy_bytes((2, 3), [1, math.nan, 3, math.inf, 5, 6]))
        page = self.page("-i", "x=x.npy")
        self.assertRegex(page.sections["found"], r"\d+ values with NaN or infinite elements, the first: x")
        self.assertIn("2 inf", page.sections["nodes"])
        self.assertIn("2 NaN", page.sections["nodes"])

    def test_differences(self):
        self.assertIn("All of 4 values within tolerance", self.page("--random", "1", "--dim", "N=2", "--oracle").sections["found"])
        dump = self.folder / "dump"
        dump.mkdir()
        (dump / "sum.npy").write_bytes(npy_bytes((1, 2), [22.5, -72]))
        (dump / "y.npy").write_bytes(npy_bytes((1, 2), [23.5, 0]))
        page = self.page("-i", "x=[[1,2,3]]", "--against", "dump")
        self.assertIn("1 of 2 values out of tolerance against dump, the first: y", page.sections["found"])
        self.assertIn("#n2", page.links)
        self.assertIn("22.5, expected 23.5", page.sections["differences"])
        (dump / "y.npy").write_bytes(npy_bytes((3,), [1, 2, 3]))
        self.assertIn("not alike", self.page("-i", "x=[[1,2,3]]", "--against", "dump").sections["nodes"])
        # of a fault, the node that has it alone is named, and not what lies behind it; unless complete runs are asked for
        (dump / "sum.npy").write_bytes(npy_bytes((1, 2), [23.5, -72]))
        (dump / "y.npy").write_bytes(npy_bytes((1, 2), [23.5, 0]))
        page = self.page("-i", "x=[[1,2,3]]", "--against", "dump")
        self.assertIn("1 of 2 values out of tolerance against dump, the first: sum", page.sections["found"])
        page = self.page("-i", "x=[[1,2,3]]", "--against", "dump", "--rtol", "1e-3")
        self.assertIn("2 of 2 values out of tolerance against dump, the first: sum", page.sections["found"])
        self.assertIn("64 times what rounding explains", self.page("-i", "x=[[1,2,3]]", "--reference", "ref").sections["found"])

    def test_names_are_text(self):
        row = w.tensor_type("float32", [1])
        self.write("bad.onnx", w.model([w.node("Neg", ["x"], ["</td><script>"], name="<b>&\"'")], {"x": row}, {"</td><script>": row}))
        page = self.page("--random", "1", "--title", "<i>", "-o", "other.html", model="bad.onnx")
        self.assertIn("<b>&\"'", page.sections["nodes"])
        self.assertIn("</td><script>: float32", page.sections["model"])

    def test_folds(self):
        row = w.tensor_type("float32", [4])
        names = [f"/enc/layer.{i // 10}/op{i % 10}" for i in range(60)]
        chain = [w.node("Neg", [f"v{i}"], [f"v{i + 1}"], name=names[i]) for i in range(60)]
        self.write("chain.onnx", w.model(chain, {"v0": row}, {"v60": row}))
        page = self.page("--random", "1", model="chain.onnx")
        self.assertEqual(self.text.count("<details"), 7)
        self.assertIn("layer.5 10 nodes", re.sub(r"\s+", " ", page.sections["nodes"]))
        self.assertEqual([i for i in page.ids if i.startswith("n")], ["nodes"] + [f"n{i}" for i in range(60)])

    def test_large(self):
        """10,000 nodes: below 5 MB, all of them listed or counted."""
        row = w.tensor_type("float32", [40, 40])
        chain = [w.node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(10000)]
        self.write("chain.onnx", w.model(chain, {"v0": row}, {"v10000": row}))
        page = self.page("--random", "1", model="chain.onnx")
        self.assertNotIn("graph", page.sections)
        left = re.search(r"(\d+) more nodes are left out", page.sections["nodes"])
        self.assertEqual(len([i for i in page.ids if re.fullmatch(r"n\d+", i)]) + (int(left[1]) if left else 0), 10000)

    def test_bad_input(self):
        self.fails(2, "one model", "report")
        self.fails(2, "--against", "report", "m.onnx", "--against", ".", "--oracle")
        self.fails(1, "neither a folder", "report", "m.onnx", "-i", "x=1,2,3", "--against", "nowhere")
        self.fails(1, "give the size of N", "report", "m.onnx", "--random", "1")
        self.fails(1, "missing.onnx", "report", "missing.onnx")
        self.fails(1, "none/r.html", "report", "m.onnx", "-i", "x=[[1,2,3]]", "-o", "none/r.html")
        self.assertFalse((self.folder / "report.html").exists())


if __name__ == "__main__":
    unittest.main()
