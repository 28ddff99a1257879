"""tools/sbom.py: the form of CycloneDX 1.5, each library that a build asks for, and its row in SECURITY.md."""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from command import COMMAND, SOURCE  # noqa: E402

sys.path.insert(0, str(SOURCE / "tools"))
import sbom  # noqa: E402

BUILD = Path(COMMAND).parents[1]


class Bill(unittest.TestCase):
    def setUp(self):
        self.bill = sbom.document(BUILD)
        self.components = self.bill["components"]

    def test_form(self):
        self.assertEqual((self.bill["bomFormat"], self.bill["specVersion"], self.bill["version"]), ("CycloneDX", "1.5", 1))
        self.assertRegex(self.bill["serialNumber"], r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        refs = [c["bom-ref"] for c in self.components]
        self.assertEqual(len(refs), len(set(refs)))
        for c in self.components:
            self.assertEqual(set(c) - {"licenses"}, {"type", "bom-ref", "name", "version", "purl", "scope"})
            self.assertIn(c["scope"], ("required", "optional", "excluded"))
            self.assertRegex(c["purl"], r"^pkg:(generic|npm|pypi)/(%40[\w.-]+/)?[\w.-]+@\d[\w.+!-]*$")
        own = self.bill["metadata"]["component"]["bom-ref"]
        (dependencies,) = self.bill["dependencies"]
        self.assertEqual(dependencies["ref"], own)
        self.assertLessEqual(set(dependencies["dependsOn"]), set(refs))
        self.assertEqual(set(refs) - set(dependencies["dependsOn"]), {c["bom-ref"] for c in self.components if c["scope"] == "excluded"})

    def test_libraries(self):
        """pkg-config knows the same versions; SECURITY.md says of each what it sees."""
        text = (SOURCE / "SECURITY.md").read_text()
        versions = {c["name"]: c["version"] for c in self.components if c["purl"].startswith("pkg:generic/")}
        asked = [name for _, name in sbom.pkg_config_modules()]
        self.assertGreater(len(asked), 12)
        for name in asked:
            self.assertTrue(re.search(rf"^\| [^|]*\b{re.escape(name)}\b", text, re.M), f"{name} has no row in SECURITY.md")
            if name in versions:
                known = subprocess.run(["pkg-config", "--modversion", name], capture_output=True, text=True).stdout.strip()
                self.assertEqual(versions[name], known.rstrip("-"), name)
        self.assertLessEqual({"libavformat", "libpng", "libpcre2-8", "jansson", "libwebsockets"}, set(versions))

    def test_packages(self):
        purls = {re.sub("@[^@]*$", "", c["purl"]): c["scope"] for c in self.components}
        self.assertEqual((purls["pkg:npm/react"], purls["pkg:pypi/numpy"], purls["pkg:pypi/pytest"]), ("optional", "required", "excluded"))
        self.assertNotIn("pkg:npm/%40playwright/test", purls)

    def test_equal_builds_have_equal_bytes(self):
        out = [subprocess.run([sys.executable, SOURCE / "tools" / "sbom.py", BUILD], capture_output=True, check=True).stdout for _ in range(2)]
        self.assertEqual(out[0], out[1])
        self.assertEqual(json.loads(out[0]), self.bill)


if __name__ == "__main__":
    unittest.main()
