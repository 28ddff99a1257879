#!/usr/bin/env python3
"""The page that `sibyl serve` answers: of builds that have it (SIBYL_PAGE names its folder), and of those that do not."""
import gzip
import os
import pathlib
import re
import sys
import unittest

from serving import Server

PAGE = os.environ.get("SIBYL_PAGE")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Asked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())

    def get(self, path, method="GET", **headers):
        return self.server.ask(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@unittest.skipUnless(PAGE, "skipped for want of the page: make serve builds it")
class With(Asked):
    def files(self):
        folder = pathlib.Path(PAGE)
        return [("/" + p.relative_to(folder).as_posix(), p.read_bytes()) for p in folder.rglob("*") if p.is_file()]

    def test_every_file_packed_and_unpacked(self):
        self.assertGreater(len(self.files()), 3)
        for path, data in self.files():
            if path == "/index.html":
                path = "/"
            status, headers, body = self.get(path)
            self.assertEqual((status, body), (200, data), path)
            self.assertNotIn("Content-Encoding", headers)
            self.assertEqual(headers["Vary"], "Accept-Encoding")
            status, headers, body = self.get(path, Accept_Encoding="br, gzip")
            self.assertEqual((status, headers["Content-Encoding"], gzip.decompress(body)), (200, "gzip", data), path)
            kind = TYPES[pathlib.Path(path).suffix or ".html"]
            self.assertEqual(headers["Content-Type"].split(";")[0], kind, path)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertNotIn("Content-Encoding", self.get(path, Accept_Encoding="gzip;q=0")[1])

    def test_kept_by_browsers(self):
        _, headers, _ = self.get("/")
        self.assertEqual(headers["Cache-Control"], "no-cache")
        status, again, body = self.get("/", If_None_Match=headers["ETag"])
        self.assertEqual((status, body, again["ETag"]), (304, b"", headers["ETag"]))
        self.assertEqual(self.get("/", If_None_Match='"another"')[0], 200)
        for path, _ in self.files():
            if path.startswith("/assets/"):
                self.assertIn("immutable", self.get(path)[1]["Cache-Control"])

    def test_its_policy_allows_what_it_loads(self):
        """Only files of this server: nothing inline, nothing from elsewhere."""
        _, headers, body = self.get("/")
        policy = headers["Content-Security-Policy"]
        self.assertIn("script-src 'self';", policy)
        self.assertIn("style-src 'self';", policy)
        self.assertNotIn("unsafe", policy)
        text = body.decode()
        self.assertEqual(re.findall(r"<script(?![^>]*\ssrc=)|<style|\son\w+=", text), [])
        named = re.findall(r'(?:src|href)="([^"]*)"', text)
        self.assertGreater(len(named), 2)
        for path in named:
            self.assertEqual(self.get(path)[0], 200, path)

    def test_needs_no_token_but_its_data_does(self):
        with Server("--token", "secret") as s:
            self.assertEqual(s.ask("GET", "/")[0], 200)
            self.assertEqual(s.ask("GET", "/api/models")[0], 401)

    def test_head(self):
        status, headers, body = self.get("/", "HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 100)


@unittest.skipIf(PAGE, "this build has the page")
class Without(Asked):
    def test_says_how_to_get_it(self):
        status, headers, body = self.get("/")
        self.assertEqual((status, headers["Content-Type"]), (404, "text/html; charset=utf-8"))
        self.assertIn(b"<code>make serve</code>", body)


class Either(Asked):
    def test_no_other_files(self):
        for path in ("/assets/nothing.js", "/assets/", "/assets/../index.html", "/assets/..%2findex.html", "/index.htm", "/assets"):
            status, headers, _ = self.get(path)
            self.assertEqual((status, headers["Content-Type"]), (404, "application/json"), path)

    def test_methods(self):
        status, headers, _ = self.get("/", "POST", Content_Length="0")
        self.assertEqual((status, headers["Allow"]), (405, "GET"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
