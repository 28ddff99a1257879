"""docs/extending.md: its C is examples/own_operator.c and examples/plugin.c, and prints what the page says."""

import os
import re
import subprocess
import unittest
from pathlib import Path

SOURCE = Path(os.environ["SIBYL_SOURCE"])


class Page(unittest.TestCase):
    def test_c(self):
        page = (SOURCE / "docs" / "extending.md").read_text(encoding="utf-8")
        blocks = re.findall(r"```c\n(.*?)```", page, re.S)
        for name in ("own_operator.c", "plugin.c"):
            self.assertIn((SOURCE / "examples" / name).read_text(encoding="utf-8"), blocks, f"{name} differs from the page")
        self.assertEqual(len(blocks), 2)
        said = re.search(r"```text\n(.*?)```", page, re.S)[1]
        self.assertEqual(subprocess.run([os.environ["SIBYL_EXAMPLE"]], capture_output=True, check=True, text=True).stdout, said)


if __name__ == "__main__":
    unittest.main()
