#!/usr/bin/env python3
"""Chat templates against Jinja, set up as Hugging Face's transformers sets it up: templates of many manners with many chats, then random
expressions and random templates. Exits 77, which ctest counts as skipped, where Jinja is not installed. SIBYL_CHAT_CASES: random ones."""
import functools
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import warnings

try:
    import jinja2.ext
    import jinja2.sandbox
except ImportError:
    venv = pathlib.Path(__file__).resolve().parents[2] / "build/venv"
    if (venv / "bin/python").exists() and pathlib.Path(sys.prefix) != venv:
        os.execv(venv / "bin/python", [str(venv / "bin/python"), "-B", *sys.argv])
    print("skipped for want of Python's package jinja2")
    sys.exit(77)

from chat_templates import CHATS, TEMPLATES, TOOL


class Generation(jinja2.ext.Extension):
    """{% generation %} as transformers has it where nothing is recorded."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_show"), [], [], body).set_lineno(line)

    def _show(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


JINJA = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation])
JINJA.filters["tojson"] = tojson
JINJA.globals["raise_exception"] = raise_exception


@functools.lru_cache(maxsize=1)
def compiled(template: str):
    return JINJA.from_string(template)


def peer(template: str, variables: dict):
    """The text, or None where Jinja refuses it, and why."""
    try:
        return compiled(template).render(**json.loads(json.dumps(variables))), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


class Own:
    """The program that renders with Sibyl's library."""

    def __init__(self, path):
        self.program = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def render(self, template: str, variables: dict):
        a, b = template.encode(), json.dumps(variables).encode()
        self.program.stdin.write(f"{len(a)} {len(b)}\n".encode() + a + b)
        self.program.stdin.flush()
        head = self.program.stdout.readline().split()
        text = self.program.stdout.read(int(head[1])).decode()
        return (text, "") if head[0] == b"ok" else (None, f"{head[0].decode()}: {text}")


# ---- Random expressions -------------------------------------------------------------------------------------

VARIABLES = {"n": 3, "x": 2.5, "s": "Ab c", "t": "  ümlaut\n", "e": "", "l": [3, 1, 2], "m": ["b", "A", "c"], "d": {"k": "v", "a": 1, "items": 2},
             "f": False, "z": None, "rows": [{"a": 2, "b": {"c": "x"}}, {"a": 1, "b": {"c": "y"}}, {"b": {}}]}
FILTERS = ["trim", "length", "upper", "lower", "capitalize", "title", "first", "last", "list", "reverse", "string", "int", "float", "tojson", "sort",
           "unique", "abs", "round", "default('?')", "default('?', true)", "join('-')", "join", "replace('b', 'BB')", "indent(2)", "indent(3, true)",
           "items", "dictsort", "map('upper')", "map('string')", "select('odd')", "reject('none')", "tojson(indent=2)", "round(1)", "sum", "max",
           "map(attribute='a')", "selectattr('a')", "rejectattr('a', 'defined')", "map(attribute='b.c', default='-')", "safe", "count",
           "sort(reverse=true)", "sort(attribute='a')", "dictsort(by='value')", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "min",
           "round(0, 'floor')", "int(7)", "join(', ', attribute='a')"]
LAZY = "map", "select", "reject", "items", "reverse", "unique"  # Jinja gives generators, of which Sibyl makes lists
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "true", "false", "odd",
         "even", "divisibleby 2", "eq(3)", "in(l)", "gt 1", "lower", "upper", "callable"]
METHODS = ["strip()", "lstrip()", "rstrip('c')", "upper()", "lower()", "title()", "split()", "split(' ')", "split('b', 1)", "startswith('A')",
           "endswith(('c', 'x'))", "replace('b', 'd')", "items()", "keys()", "values()", "get('k')", "get('q', 5)", "count('b')", "find('b')",
           "isdigit()", "isalpha()", "splitlines()", "index(2)", "capitalize()", "removeprefix('A')", "rsplit('b', 1)", "strip('A c')"]
NAMES = list(VARIABLES) + ["missing", "d.k", "d['a']", "d.missing", "rows[0].b.c", "l[0]", "l[-1]", "l[9]", "s[1]", "t[2]", "rows[1]['a']"]
LITERALS = ["0", "1", "2", "-1", "1.5", "-0.25", "1e3", "'b'", "\"it's\"", "'\\n'", "''", "true", "false", "none", "[]", "[1, 'a']", "{}", "{'q': n}",
            "(1, 2)", "'%}'", "[[1], [2]]", "1e-7", "12345678901234567", "1e16"]


def expression(chance: random.Random, depth: int) -> str:
    if depth == 0:
        return chance.choice(NAMES if chance.random() < 0.6 else LITERALS)

    def part():
        return expression(chance, depth - 1 - chance.randrange(depth))
    kind = chance.randrange(13)
    if kind == 0:
        return f"{part()} {chance.choice(['+', '-', '*', '/', '//', '%', '~', '~'])} {part()}"
    if kind == 1:
        return f"{part()} {chance.choice(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in', '<'])} {part()}"
    if kind == 2:
        return f"({part()}) {chance.choice(['and', 'or'])} ({part()})"
    if kind == 3:
        return f"not {part()}"
    if kind == 4:
        return f"({part()} if {part()} else {part()})"
    if kind in (5, 6, 7):
        name = chance.choice(FILTERS)
        return f"({part()}) | {name}{' | list' if name.startswith(LAZY) else ''}"
    if kind == 8:
        return f"(({part()}) is {chance.choice(['', 'not '])}{chance.choice(TESTS)})"
    if kind == 9:
        name = chance.choice(METHODS)
        return f"({part()}).{name}{' | list' if name in ('items()', 'keys()', 'values()') else ''}"
    if kind == 10:
        bounds = [chance.choice(["", "", "0", "1", "-1", "2", "-2", "n", "9"]) for _ in range(2)]
        return f"({part()})[{':'.join(bounds)}{chance.choice(['', '', ':-1', ':2'])}]"
    if kind == 11:
        return f"({part()})"
    return f"[{part()}, {part()}]"


def template(chance: random.Random, depth: int) -> str:
    """Statements around expressions, with blanks and signs that trim them."""
    def tag(inside):
        return "{%" + chance.choice(["", "-", "+"]) + f" {inside} " + chance.choice(["", "-", ""]) + "%}"

    def body():
        return "".join(template(chance, depth - 1) for _ in range(chance.randrange(1, 4))) if depth else piece()

    def piece():
        return chance.choice(["", "\n", "  ", "a\n  ", "\n\n b", "{# c #}", "\t{#- c -#}\n", "{{ n }}", "{{- s -}}", "{{ v }}", " {{ loop.index }} "])
    kind = chance.randrange(8)
    if kind == 0:
        return f"{piece()}{tag('if ' + expression(chance, 1))}{body()}{tag('else')}{body()}{tag('endif')}{piece()}"
    if kind == 1:
        condition = chance.choice(["", "", f" if v != {expression(chance, 0)}"])
        return f"{tag(f'for v in {expression(chance, 1)}{condition}')}{body()}{chance.choice([tag('else') + piece(), ''])}{tag('endfor')}{piece()}"
    if kind == 2:
        return f"{piece()}{tag('set v = ' + expression(chance, 1))}{body()}"
    if kind == 3:
        return f"{tag('set w')}{body()}{tag('endset')}{{{{ w | trim }}}}{piece()}"
    if kind == 4:
        return f"{tag('macro f(p, q=1)')}{body()}{{{{ p }}}}/{{{{ q }}}}{tag('endmacro')}{piece()}{{{{ f({expression(chance, 0)}, q={expression(chance, 0)}) }}}}"
    if kind == 5:
        return f"{{{{ {expression(chance, 2)} }}}}{piece()}"
    return piece() + body() if depth else piece()


# ---- The comparison -----------------------------------------------------------------------------------------

class Comparison:
    def __init__(self, own):
        self.own, self.same, self.refused, self.strict, self.lenient, self.wrong = own, 0, 0, 0, 0, []

    def case(self, text, variables):
        expected, why = peer(text, variables)
        got, error = self.own.render(text, variables)
        if got == expected:
            self.same += expected is not None
            self.refused += expected is None
        elif got is None and "unsupported" in error:
            self.strict += 1  # what is not built is refused by name
        elif expected is None:
            self.lenient += 1  # Sibyl makes a text of what Jinja refuses
        else:
            self.wrong.append((text, expected, why, got, error))


def main() -> int:
    warnings.simplefilter("ignore")  # Jinja compiles to Python, which warns of 1[0]
    all_cases = Comparison(Own(sys.argv[1]))
    for name, text in TEMPLATES.items():
        for chat, tools, prompt, thinking in itertools.product(CHATS, (None, [TOOL], [TOOL, TOOL]), (True, False), (True, False)):
            variables = {"messages": chat, "tools": tools, "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>"}
            if not thinking:
                variables["enable_thinking"] = False
            all_cases.case(text, variables)
    whole = all_cases.same
    print(f"{len(TEMPLATES)} templates: {all_cases.same} prompts equal, {all_cases.refused} refused by both, {len(all_cases.wrong)} differ")
    if all_cases.strict or all_cases.lenient or whole < 500:
        all_cases.wrong.append(("templates", f"{whole} equal, {all_cases.strict} refused by Sibyl alone", "", "", ""))
    variables, *kept = json.loads((pathlib.Path(__file__).parent / "templates.json").read_text())
    for text, expected in kept:  # those of test_chat.c, which needs no Jinja
        all_cases.case(text, variables)
        if peer(text, variables)[0] != expected:
            all_cases.wrong.append((text, peer(text, variables)[0], "", expected, "templates.json"))
    whole = all_cases.same
    print(f"{len(kept)} of templates.json, {len(all_cases.wrong)} differ")
    chance, n = random.Random(16), int(os.environ.get("SIBYL_CHAT_CASES", "600" if os.environ.get("SIBYL_QUICK") else "1500"))
    for _ in range(n):
        all_cases.case("{{ " + expression(chance, chance.randrange(1, 4)) + " }}", VARIABLES)
    for _ in range(n // 2):
        all_cases.case("".join(template(chance, 2) for _ in range(3)), VARIABLES)
    print(f"{n + n // 2} random ones: {all_cases.same - whole} equal, {all_cases.refused} refused by both, {all_cases.strict} by Sibyl as not built, "
          f"{all_cases.lenient} by Jinja alone")
    for text, expected, why, got, error in all_cases.wrong[:int(os.environ.get("SIBYL_CHAT_SHOWN", "5"))]:
        print(f"--- {text!r}\n    Jinja {expected!r} {why}\n    Sibyl {got!r} {error}")
    print(f"{len(all_cases.wrong)} differ")
    return bool(all_cases.wrong) or all_cases.strict + all_cases.lenient > n // 20


if __name__ == "__main__":
    sys.exit(main())
