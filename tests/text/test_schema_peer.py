#!/usr/bin/env python3
"""Constrained generation against Python's json and jsonschema: random schemas, values of them in several manners of writing, values that are
almost of them, and texts drawn from the machine at random. What it allows parses and is valid; what is valid, in the schema's order, it allows.
Exits 77, which ctest counts as skipped, where jsonschema is not installed. SIBYL_SCHEMA_CASES: how many schemas."""
import json
import math
import os
import pathlib
import random
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    venv = pathlib.Path(__file__).resolve().parents[2] / "build/venv"
    if (venv / "bin/python").exists() and pathlib.Path(sys.prefix) != venv:
        os.execv(venv / "bin/python", [str(venv / "bin/python"), "-B", *sys.argv])
    print("skipped for want of Python's package jsonschema")
    sys.exit(77)

CASES = int(os.environ.get("SIBYL_SCHEMA_CASES", "400"))
SEED = int(os.environ.get("SIBYL_SCHEMA_SEED", "1"))
CHARACTERS = ["a", "b", "z", " ", "é", "ß", "€", "😀", '"', "\\", "/", "\n", "\t", "\u007f", "\ud7ff", "\ue000", "{", "]", ",", ":"]
NAMES = ["a", "ab", "abc", "b", "é", "éa", 'q"', "b\\", "x/y", "long name", "😀", "😁", "\t", ""]


PATTERNS = ["^[a-z]+$", "^a{2,4}b?$", "ab|z", "^(é|😀)*$", "^[^a-y]{1,3}$", "\\d", "^\\w+ \\w+$", "^.$", "a$", "^(ab?)+$", "^[\\u00e0-\\u00ff\"\\\\]+$", "^$",
            "^(0[1-9]|1[0-2])/\\d{2}$", "(?:x|y|z){2}", "^[\\n\\t ]*a", "\\S+"]
FORMATS = ["date", "time", "date-time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri", "json-pointer"]


class Random(random.Random):
    def text(self, least=0, most=6):
        return "".join(self.choices(CHARACTERS, k=self.randint(least, most)))

    def number(self):
        return self.choice([0, -1, 7, 123456789012345678, -99, 0.5, -0.25, 1e-7, 1.5e300, -2.5e-200, self.uniform(-1e6, 1e6), self.random()])

    def any_value(self, depth=0):
        kind = self.randrange(8 if depth < 3 else 5)
        if kind == 5:
            return [self.any_value(depth + 1) for _ in range(self.randrange(4))]
        if kind >= 6:
            return {self.key(): self.any_value(depth + 1) for _ in range(self.randrange(4))}
        return [None, self.random() < 0.5, self.number(), self.text(), self.randrange(-1000, 1000)][kind]

    def key(self):
        """One that the machine allows where a schema does not name it."""
        return "".join(self.choices([c for c in CHARACTERS if c >= " " or c in "\n\t"], k=self.randrange(4))) if self.random() < 0.5 else self.choice(NAMES)

    # ---- Schemas ----

    def bounds(self):
        low = self.choice([0, 1, -1, -250, 7, 0.5, -12.25, 99, 1e-7, -1e17])
        high = low + self.choice([0, 1, 3, 12.5, 1000, 123456, 1e9])
        return self.choice([{"minimum": low}, {"maximum": high}, {"minimum": low, "maximum": high}, {"exclusiveMinimum": low, "maximum": high + 2},
                            {"minimum": low - 2, "exclusiveMaximum": high}, {"multipleOf": self.choice([1, 2, 7, 25]), "minimum": low, "maximum": high + 200}])

    def schema(self, depth=0, names=()):
        kind = self.randrange(11 if depth < 4 else 6)
        if kind == 0:
            return self.choice([{}, True, {"description": "any"}, {"title": "n", "type": "null"}, {"type": "boolean"}])
        if kind == 1:
            return {"type": self.choice(["integer", "number"]), **self.choice([{}, self.bounds()])}
        if kind == 2:
            least = self.choice([None, 0, 1, 3])
            most = self.choice([None, (least or 0) + self.randrange(4)])
            of = {k: v for k, v in (("type", "string"), ("minLength", least), ("maxLength", most)) if v is not None}
            return of if self.random() < 0.5 else {"type": "string", "pattern": self.choice(PATTERNS)}
        if kind == 3:
            return {"enum": self.sample([1, 12, 12.5, "a", "ab", "a\"", None, True, "", "é", 0.1], self.randint(1, 6))}
        if kind == 4:
            return self.choice([{"const": self.choice([None, "ab", 12, "é", -1.5])}, {"type": ["string", "null"]}, {"type": ["integer", "boolean"]}, {"type": "string", "enum": ["a", 1, "b"]}])
        if kind == 5:
            return {"$ref": self.choice(names)} if names else {"type": "integer"}
        if kind == 6:
            beside = self.choice([{}, {}, {"type": ["integer", "string"]}, {"maxLength": 4}, {"minimum": 0, "required": ["a"]}])
            return {"anyOf": [self.schema(depth + 1, names) for _ in range(self.randint(1, 3))], **beside}
        if kind == 7:
            least = self.choice([None, 0, 1, 2])
            most = self.choice([None, (least or 0) + self.randrange(3)])
            first = [self.schema(depth + 1, names) for _ in range(self.randint(1, 3))] if self.random() < 0.4 else None
            return {k: v for k, v in (("type", "array"), ("items", self.schema(depth + 1, names)), ("prefixItems", first), ("minItems", least), ("maxItems", most))
                    if v is not None}
        chosen = self.sample(NAMES, self.randrange(5))
        of = {"type": "object", "properties": {name: self.schema(depth + 1, names) for name in chosen},
              "required": [name for name in chosen if self.random() < 0.5]}
        if self.random() < 0.7:
            of["additionalProperties"] = self.choice([False, False, True, self.schema(depth + 1, names)])
        return of

    def document(self):
        """A schema with definitions that call each other; each has an end."""
        names = ["#/$defs/one", "#/$defs/t~1wo", "#"]
        root = self.schema(0, names[:2] if self.random() < 0.7 else ())
        if not isinstance(root, dict):
            return root
        tree = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/one"}]}},
                "required": ["v", "next"], "additionalProperties": False}
        listed = {"type": "array", "items": {"$ref": "#/$defs/t~1wo"}, "maxItems": 2}
        return {**root, "$defs": {"one": tree, "t/wo": listed}}

    # ---- Values ----

    def value(self, s, root, depth=0):
        """A value of a schema, members in its order; None, True where none was found."""
        if s is True or s is False:
            return (self.any_value(depth), s is True)
        if "$ref" in s:
            found = root
            for part in s["$ref"].split("/")[1:]:
                found = found[part.replace("~1", "/").replace("~0", "~")]
            return self.value(found, root, depth + 1) if depth < 12 else (None, False)
        for name in ("anyOf", "oneOf"):
            if name in s:
                value, done = self.value(self.choice(s[name]), root, depth + 1)
                return (value, done and len(s) == 1)
        if "enum" in s:
            return (self.choice([v for v in s["enum"] if s.get("type") != "string" or isinstance(v, str)]), True)
        if "const" in s:
            return (s["const"], True)
        of = s.get("type")
        of = self.choice(of) if isinstance(of, list) else of
        if of is None:
            return (self.any_value(depth), True)
        if "pattern" in s:
            return (self.text(), False)
        if of in ("integer", "number") and len(s) > 1:
            low = s.get("minimum", s.get("exclusiveMinimum", s.get("maximum", 0) - 1000))
            x = low + self.choice([0, 1, self.randrange(2000), 0.5])
            x = int(x) if of == "integer" or "multipleOf" in s else x
            return (x, "e" not in json.dumps(x))
        if of in ("null", "boolean", "integer", "number"):
            return ({"null": None, "boolean": self.random() < 0.5, "integer": self.randrange(-10**17, 10**17), "number": self.number()}[of], True)
        if of == "string":
            least = s.get("minLength", 0)
            return (self.text(least, s.get("maxLength", least + 5)), True)
        if of == "array":
            least, items = s.get("minItems", 0), s.get("items", True)
            first = s.get("prefixItems", [])
            many = [self.value(first[i] if i < len(first) else items, root, depth + 1)
                    for i in range(self.randint(least, min(s.get("maxItems", least + 2), least + 2)))]
            return ([v for v, _ in many], all(done for _, done in many))
        result, good = {}, True
        for name, one in s.get("properties", {}).items():
            if name in s.get("required", ()) or self.random() < 0.4:
                result[name], done = self.value(one, root, depth + 1)
                good = good and done
        more = s.get("additionalProperties", True)
        for _ in range(self.randrange(3) if more is not False else 0):
            name = self.key()
            if name not in s.get("properties", {}) and name not in result:
                result[name], done = self.value(more, root, depth + 1)
                good = good and done
        return (result, good)

    def damaged(self, text):
        """Almost the same text."""
        at = self.randrange(len(text)) if text else 0
        return self.choice([text[:at], text[:at] + text[at + 1:], text[:at] + self.choice(list('"{}[],:0-.eE\\ tfnu1aé\n') + ["\\u00e9", "\\ud800", "\\ud83d\\ude00", "\\u0000"]) + text[at:],
                            text + self.choice(" \n,}1"), text.replace('"a"', '"b"', 1), text.replace('"ab"', '"\\u0061b"', 1), text.replace("[]", "[1]", 1)])


def writings(value):
    """A value in manners that json has and the machine reads."""
    return [json.dumps(value, ensure_ascii=False), json.dumps(value, ensure_ascii=False, separators=(",", ":")), json.dumps(value, ensure_ascii=False, indent=2)]


def ask(program, cases):
    """[(code and message, the texts allowed, texts drawn)]"""
    given = b""
    for k, (schema, texts, drawn) in enumerate(cases):
        data = schema.encode()
        given += f"{len(data)} {len(texts)} {drawn} {k + 1}\n".encode() + data
        given += b"".join(b"%d\n%b" % (len(t), t) for t in (t.encode("utf-8", "surrogatepass") for t in texts))
    done = subprocess.run([program], input=given, stdout=subprocess.PIPE, timeout=500)
    if done.returncode:
        sys.exit(f"{program} ended with {done.returncode}: behind a schema no text may follow")
    out, at, got = done.stdout, 0, []

    def line():
        nonlocal at
        end = out.index(b"\n", at)
        text, at = out[at:end].decode(), end + 1
        return text

    for _, texts, drawn in cases:
        code, n = line().split()
        message, at = out[at:at + int(n)].decode(), at + int(n)
        if code != "ok":
            got.append(((code, message), [], []))
            continue
        allowed = [c == "+" for c in line()]
        several = []
        for _ in range(drawn):
            n = int(line())
            several.append(out[at:at + n])
            at += n
        got.append((None, allowed, several))
    return got


def is_valid(validator, text):
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return not (isinstance(value, float) and not math.isfinite(value)) and validator.is_valid(value)


def random_schemas(program):
    """Returns how many schemas, texts and draws were looked at."""
    r, cases, good = Random(SEED), [], []
    for _ in range(CASES):
        schema = r.document()
        texts, expected = [], []
        for _ in range(6):
            value, done = r.value(schema, schema)
            for text in writings(value) if done else ():
                texts += [text, r.damaged(text), r.damaged(r.damaged(text))]
                expected += [True, None, None]
        cases.append((json.dumps(schema), texts, 6))
        good.append((schema, expected))
    drawn_all, wrong = 0, 0
    refused = []
    for (text, texts, _), (schema, expected), (error, allowed, drawn) in zip(cases, good, ask(program, cases)):
        validator = jsonschema.Draft202012Validator(schema)
        if error:
            refused.append(error)
            of_it = [t for t, want in zip(texts, expected) if want and is_valid(validator, t)]
            if of_it and "beside 'enum'" not in error[1]:
                wrong += 1
                print("refused, but", of_it[0], "is of", text, error)
            continue
        for t, want, got in zip(texts, expected, allowed):
            valid = is_valid(validator, t)
            if (want and valid and not got) or (got and not valid):
                wrong += 1
                print("valid" if valid else "not valid", "allowed" if got else "not allowed", repr(t), text)
        for d in drawn:
            drawn_all += bool(d)
            if d and not is_valid(validator, d.decode()):
                wrong += 1
                print("drawn, but not valid", d, text)
    return wrong, f"{CASES} schemas ({len(refused)} refused: {sorted(set(m for _, m in refused))[:4]}), {sum(len(c[1]) for c in cases)} texts, {drawn_all} drawn"


OF_A = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TEXTS = [  # schema, what it allows, what it does not
    ({"type": "object"}, ['{}', ' {"a": [1, {"b": null}]}', '\n{"a":1,"a":2}', '{\n  "a": 1\n}', '[' * 0 + '{"a":' * 60 + '1' + '}' * 60],
     ['[]', '{"a"}', '{"a":1,}', '  {}', '{} ', '{"a":' * 80 + '1' + '}' * 80, '{\r\n}', "{'a':1}"]),
    (OF_A, ['{"a":1}', '{"a": -12, "b": "x"}', '{"a":0}'], ['{}', '{"b":"x","a":1}', '{"a":01}', '{"a":1.0}', '{"a":1,"c":2}', '{"a":1,"a":2}', '{"\\u0061":1}']),
    ({"type": "number"}, ['0', '-0', '1e5', '1E+289', '123456789012345678.12345678901234567890e-99'], ['01', '+1', '1.', '.5', '1e', '1e999', '1' * 19, 'NaN', '-']),
    ({"type": "string", "maxLength": 2}, ['""', '"é😀"', '"\\ud83d\\ude00\\n"', '"\\u00e9"'], ['"abc"', '"\\ud83d"', '"\\u0000"', '"\\ude00a"', '"\n"', '"\\x"', '"a']),
    ({"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}, ['[]', '[[],[[]]]', '[[[[]]]]'], ['[1]', '[', ']']),
    ({"type": "object", "properties": {"p": {"$id": "p", "$ref": "#/$defs/x", "$defs": {"x": {"const": 1}}}}, "$defs": {"x": {"const": 2}}}, ['{"p":1}'], ['{"p":2}']),
    ({"properties": {"ab": {"const": 1}}, "required": ["c"]}, ['{"ab":1,"c":0}', '{"c":[],"a":1,"abc":2}'], ['{"ab":2,"c":0}', '{"c":0,"ab":1}', '{}', '1']),
    ({"oneOf": [{"type": "integer"}, {"type": "string", "minLength": 1}]}, ['5', '"a"'], ['""', 'null']),
    ({"enum": [[1, "x"], {"a": [0.1, 1e21]}]}, ['[1,"x"]', '{"a":[0.1,1e21]}'], ['[1,"y"]', '{"a":[0.1,1e21]']),
    ({"type": "array", "items": False}, ['[]', '[ ]'], ['[1]']),
    ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, ['null'], ['1']),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}], "items": {"const": "x"}, "minItems": 1, "maxItems": 4},
     ['[1]', '[1, null]', '[1,null,"x"]', '[1,null,"x","x"]'], ['[]', '[null]', '[1,"x"]', '[1,null,null]', '[1,null,"x","x","x"]']),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}], "items": False, "maxItems": 1}, ['[]', '[1]'], ['[1,null]', '[null]']),
    ({"type": "array", "uniqueItems": True, "maxItems": 1}, ['[]', '[1]'], ['[1,2]']),
    ({"type": "string", "pattern": "^(ab|c){2,3}$"}, ['"abab"', '"cabc"', '"cc"'], ['"c"', '"ab"', '"cccc"', '"a"', '1']),
    ({"pattern": "b"}, ['"b"', '"abc"', '"bbb"', '"b\\n"'], ['"a"', '""', '"B"']),
    ({"type": "string", "pattern": "^x$|^$|y"}, ['"x"', '""', '"xy"', '"y!"'], ['"xx"', '"ax"', '"z"']),
    ({"type": "string", "pattern": "^[\\x00-\\x1f\"]{2}$"}, ['"\\u0001\\t"', '"\\u001F\\u001f"', '"\\"\\n"'], ['"\\u0000\\t"', '"ab"', '"\\u0020\\t"']),
    ({"type": "string", "pattern": "^[^a]*$", "minLength": 2, "maxLength": 3}, ['"é😀"', '"bbb"'], ['"b"', '"bbbb"', '"ab"']),
    ({"type": "string", "pattern": "^.*(red|green).*$", "maxLength": 5}, ['"red"', '"green"', '"xredx"'], ['"xgreen"', '"xxred1"', '"re"']),
    ({"allOf": [{"type": "string", "pattern": "^a"}, {"pattern": "z$"}, {"maxLength": 3}]}, ['"az"', '"abz"'], ['"a"', '"abbz"', '"z"', '1']),
    ({"type": "integer", "minimum": -5, "maximum": 120}, ['-5', '0', '-0', '9', '99', '100', '120'], ['-6', '121', '1000', '1.0', '05', '-10']),
    ({"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 12.5}, ['10', '11', '12'], ['9', '13', '1', '-10', '100']),
    ({"type": "integer", "multipleOf": 7, "minimum": 0}, ['0', '7', '700', '999999999999999999'], ['1', '-7', '71', '70.0']),
    ({"type": "integer", "multipleOf": 100, "maximum": 0}, ['0', '-100', '-1200'], ['100', '-10', '-101']),
    ({"type": "number", "minimum": 0.5, "exclusiveMaximum": 1.25}, ['0.5', '0.50', '1', '1.0', '1.2499'], ['0.49', '0', '1.25', '1.250', '1.3', '5e-1', '10']),
    ({"type": "number", "minimum": -1, "maximum": 1e-3}, ['-1', '-1.0', '-0.5', '0', '0.001', '0.0010'], ['-1.1', '0.0011', '1', '-2']),
    ({"type": "number", "exclusiveMinimum": 0}, ['0.1', '1', '0.00000000000000000001', '123456789012345678.5'], ['0', '0.0', '-1']),
    ({"minimum": 3}, ['3', '3.5', '10'], ['2.9', '"a"']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"', '"2000-02-29"', '"1999-12-31"', '"0001-01-01"'], ['"2023-02-29"', '"1900-02-29"', '"0000-01-01"', '"2024-13-01"', '"2024-04-31"', '"24-01-01"']),
    ({"type": "string", "format": "time"}, ['"23:59:59Z"', '"00:00:00.5+01:30"'], ['"24:00:00Z"', '"10:00Z"', '"10:00:00"', '"10:60:00Z"']),
    ({"type": "string", "format": "date-time"}, ['"2024-02-29T10:00:00Z"', '"1985-04-12T23:20:50.52-08:00"'], ['"2024-02-30T10:00:00Z"', '"2024-02-29 10:00:00Z"']),
    ({"type": "string", "format": "duration"}, ['"P3Y6M4DT12H30M5S"', '"PT36H"', '"P2W"', '"P1D"'], ['"P"', '"PT"', '"P1YT"', '"1D"', '"P1S"', '"P1Y2D"']),
    ({"type": "string", "format": "uuid"}, ['"2EB8AA08-aa98-11ea-b4aa-73b441d16380"'], ['"2eb8aa08aa9811eab4aa73b441d16380"', '"2eb8aa08-aa98-11ea-b4aa-73b441d1638"', '"geb8aa08-aa98-11ea-b4aa-73b441d16380"']),
    ({"type": "string", "format": "email"}, ['"joe.b+x@mail.example.com"', '"a@b"'], ['"a"', '"@b"', '"a@"', '"a..b@c"', '".a@b"', '"a@-b"', '"a b@c"']),
    ({"type": "string", "format": "hostname"}, ['"www.example.com"', '"a"', '"xn--4gbwdl"', '"1and1.de"'], ['""', '"-a"', '"a-"', '"a..b"', '"a_b"', '".a"']),
    ({"type": "string", "format": "ipv4"}, ['"192.168.0.1"', '"0.0.0.0"', '"255.255.255.255"'], ['"256.0.0.1"', '"1.2.3"', '"01.2.3.4"', '"1.2.3.4.5"']),
    ({"type": "string", "format": "ipv6"}, ['"::1"', '"::"', '"2001:db8::ff00:42:8329"', '"1:2:3:4:5:6:7:8"', '"1::"', '"1:2:3:4:5:6:7::"', '"::2:3:4:5:6:7:8"'],
     ['"1::2::3"', '"12345::"', '":1"', '"1:2:3:4:5:6:7"', '"1:2:3:4:5:6:7:8:9"', '":::"', '"1:2:3:4::5:6:7:8"', '"g::"']),
    ({"type": "string", "format": "uri"}, ['"https://example.com/a?b=c#d"', '"ftp://x:21"', '"http://a.b/%20"'], ['"example.com"', '"http:///a"', '"http://a/%2"', '"http://a b"', '"//a"', '"http://a#b#c"']),
    ({"type": "string", "format": "json-pointer"}, ['""', '"/a/b~0~1"', '"/"'], ['"a"', '"/~"', '"/~2"']),
    ({"type": "string", "format": "ipv4", "maxLength": 8}, ['"1.2.3.45"'], ['"10.20.30.40"']),
    ({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"a": {"minimum": 3}, "b": {"type": "null"}}, "required": ["b"], "additionalProperties": False}]},
     ['{"a":3,"b":null}'], ['{"a":2,"b":null}', '{"a":3}', '{"a":3,"b":null,"c":1}']),
    ({"allOf": [{"properties": {"a": True}, "additionalProperties": False, "type": "object"}, {"properties": {"b": True}}]}, ['{}', '{"a":1}'], ['{"b":1}', '{"a":1,"b":1}']),
    ({"$defs": {"base": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}, "allOf": [{"$ref": "#/$defs/base"}],
      "properties": {"n": {"maximum": 5}, "next": {"$ref": "#"}}}, ['{"n":5}', '{"n":1,"next":{"n":2}}'], ['{"n":6}', '{}', '{"n":1,"next":{"n":7}}', '{"n":1,"next":{}}']),
    ({"type": "object", "properties": {"t": {"type": "integer"}}, "required": ["t"], "anyOf": [{"properties": {"t": {"maximum": 2}}}, {"properties": {"t": {"minimum": 10}}}]},
     ['{"t":1}', '{"t":10}'], ['{"t":5}', '{}', '[]']),
    ({"$ref": "#/$defs/s", "maxLength": 2, "$defs": {"s": {"type": "string"}}}, ['"ab"'], ['"abc"', '1']),
    ({"allOf": [{"enum": [1, 2, "a"]}, {"enum": [2, "a", None]}, {"type": ["string", "null"]}]}, ['"a"'], ['1', '2', 'null']),
    ({"allOf": [{"type": "number"}, {"type": ["integer", "string"]}]}, ['1'], ['1.5', '"a"']),
    ({"allOf": [{"type": "array", "items": {"type": "integer"}}, {"prefixItems": [{"minimum": 5}], "maxItems": 2}]}, ['[5]', '[6,1]', '[]'], ['[4]', '[5,"a"]', '[5,1,1]']),
    ({"allOf": [{"type": "integer", "multipleOf": 4}, {"multipleOf": 6, "maximum": 30}, {"minimum": 1}]}, ['12', '24'], ['0', '6', '36', '4']),
    ({"allOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"oneOf": [{"type": "integer"}, {"type": "null"}]}]}, ['1'], ['"a"', 'null']),
    ({"maxLength": 3, "anyOf": [{"type": "string", "minLength": 4}, {"type": "string", "pattern": "^b"},
                                              {"type": "object", "required": ["a"], "additionalProperties": False}]}, ['"b"', '"bab"'], ['"babb"', '"a"', '{"a":1}']),
    ({"allOf": [True, {"type": "null"}]}, ['null'], ['1']),
    ({"type": "array", "minItems": 2, "maxItems": 3, "items": {"type": "integer"}}, ['[1,2]', '[1, 2, 3]'], ['[1]', '[1,2,3,4]', '[]']),
]
REFUSED = [  # schema as text, code, part of the message
    ('{"patternProperties": {}}', "UNSUPPORTED", "'patternProperties' is not supported"),
    ('{"properties": {"x": {"minProperties": 1}}}', "UNSUPPORTED", "'minProperties' is not supported, at /properties/x"),
    ('{"pattern": 1}', "VALUE", "'pattern' must be a text"),
    ('{"pattern": ["a"]}', "VALUE", "'pattern' must be a text"),
    ('{"allOf": [{"pattern": 1}, {"type": "string"}]}', "VALUE", "'pattern' must be a text"),
    ('{"pattern": "(a"}', "VALUE", "a ')' is missing at byte 2"),
    ('{"pattern": "a)"}', "VALUE", "too many"),
    ('{"pattern": "[a"}', "VALUE", "']' is missing"),
    ('{"pattern": "[b-a]"}', "VALUE", "range of characters"),
    ('{"pattern": "*a"}', "VALUE", "nothing is repeated"),
    ('{"pattern": "a**"}', "VALUE", "repeated"),
    ('{"pattern": "a{3,2}"}', "VALUE", "a count is"),
    ('{"pattern": "a\\\\"}', "VALUE", "nothing stands behind"),
    ('{"pattern": "(?=a)"}', "UNSUPPORTED", "look-around"),
    ('{"pattern": "(?<!a)b"}', "UNSUPPORTED", "look-around"),
    ('{"pattern": "(a)\\\\1"}', "UNSUPPORTED", "references back"),
    ('{"pattern": "\\\\bword"}', "UNSUPPORTED", "not supported"),
    ('{"pattern": "^a$b"}', "VALUE", "allows no value"),
    ('{"pattern": "^a{5}$", "maxLength": 4}', "VALUE", "allows no value"),
    ('{"pattern": "' + "(" * 100 + ")" * 100 + '"}', "SIZE", "groups nest"),
    ('{"pattern": "(((a{1000}){1000}){1000})"}', "SIZE", "states"),
    ('{"pattern": "(((){1000}){1000}){1000}"}', "SIZE", "too much is repeated"),
    ('{"pattern": "' + "a" * 5000 + '"}', "SIZE", "more than 4096 bytes"),
    ('{"pattern": "^(a|b)*a(a|b){12}$", "minLength": 100000}', "SIZE", "states"),
    ('{"format": "phone"}', "UNSUPPORTED", "\"phone\" is not supported"),
    ('{"format": 1}', "VALUE", "'format' must be"),
    ('{"type": "integer", "minimum": 5, "maximum": 4}', "VALUE", "allows no value"),
    ('{"type": "integer", "minimum": 1.2, "maximum": 1.9}', "VALUE", "allows no value"),
    ('{"minimum": "1"}', "VALUE", "'minimum' must be a number"),
    ('{"minimum": 1e18}', "UNSUPPORTED", "'minimum' of 1e18"),
    ('{"multipleOf": 0}', "VALUE", "above 0"),
    ('{"multipleOf": 0.01}', "UNSUPPORTED", "'multipleOf' is supported"),
    ('{"type": "integer", "multipleOf": 9999}', "SIZE", "states"),
    ('{"prefixItems": {}}', "VALUE", "'prefixItems' must be"),
    ('{"allOf": [{"format": "date"}, {"format": "time"}]}', "UNSUPPORTED", "different 'format'"),
    ('{"allOf": [{"type": "string"}, {"type": "null"}]}', "VALUE", "allows no value"),
    ('{"allOf": [{"enum": [1]}, {"minimum": 0}]}', "UNSUPPORTED", "beside 'enum'"),
    ('{"allOf": [{"properties": []}, {}]}', "VALUE", "'properties' has the wrong type"),
    ('{"allOf": [{"$ref": "#"}, {}]}', "SIZE", "must hold at once"),
    ('{"type": "object", "properties": {"a": {"allOf": [{"$ref": "#"}, {"title": "x"}, {"minItems": 1}]}}, "required": ["a"]}', "SIZE", "nest more"),
    ('{"type": "array", "uniqueItems": true}', "UNSUPPORTED", "'uniqueItems'"),
    ('{"anyOf": {}, "type": "object"}', "VALUE", "'anyOf' must be"),
    ('{"allOf": {}, "type": "object"}', "VALUE", "'allOf' must be"),
    ('{"$ref": "http://x/y"}', "VALUE", "'$ref' names 'http://x/y'"),
    ('{"$ref": "#/$defs/x"}', "VALUE", "'$ref' names"),
    ('{"$ref": "#"}', "VALUE", "allows no value"),
    ('{"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["n"]}', "VALUE", "allows no value"),
    ('{"type": "text"}', "VALUE", "'type' must be"),
    ('{"type": []}', "VALUE", "'type' must be"),
    ('{"type": "string", "minLength": 3, "maxLength": 2}', "VALUE", "'minLength' is above 'maxLength'"),
    ('{"type": "string", "minLength": -1}', "VALUE", "an integer from 0"),
    ('{"type": "string", "maxLength": 1e9}', "VALUE", "an integer from 0"),
    ('{"required": ["x"], "additionalProperties": false}', "VALUE", "'x' is required"),
    ('{"required": "x"}', "VALUE", "'required' must be"),
    ('{"properties": []}', "VALUE", "'properties' must be"),
    ('{"enum": []}', "VALUE", "no value fits"),
    ('{"type": "string", "enum": [1]}', "VALUE", "no value fits"),
    ('false', "VALUE", "allows no value"),
    ('{"a": 1', "FORMAT", "is no JSON"),
    ('{"type": "null", "type": "null"}', "FORMAT", "is no JSON"),
    ('[]', "VALUE", "a schema must be"),
    ('{"items": ' * 200 + '{}' + '}' * 200, "SIZE", "nest more than 128"),
    ('{"enum": ["' + "x" * 300000 + '"]}', "SIZE", "the limit is"),
    (json.dumps({"properties": {"n" * 2000: {}}}), "SIZE", "more than 1024 bytes"),
    (json.dumps({"anyOf": [{"type": "string", "minLength": k} for k in range(6000)]}), "SIZE", "states"),
]


def cases(program):
    wrong = 0
    got = ask(program, [(json.dumps(s), yes + no, 20) for s, yes, no in TEXTS])
    for (schema, yes, no), (error, allowed, drawn) in zip(TEXTS, got):
        for text, want, is_allowed in zip(yes + no, [True] * len(yes) + [False] * len(no), allowed or [None] * 99):
            if error or want != is_allowed:
                wrong += 1
                print("allowed" if is_allowed else "not allowed", text[:80], schema, error)
    for (text, code, part), (error, _, _) in zip(REFUSED, ask(program, [(text, [], 0) for text, _, _ in REFUSED])):
        if not error or code not in error[0].upper() or part not in error[1]:
            wrong += 1
            print("expected", code, part, "got", error, text[:80])
    return wrong


def main():
    program = sys.argv[1]
    wrong, said = random_schemas(program)
    wrong += cases(program)
    print(said, f"{wrong} wrong")
    sys.exit(wrong != 0)


main()
