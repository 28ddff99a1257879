"""Cycles of a directed graph, for tools that look for them."""
import collections
import itertools
import pathlib


def cycles(edges) -> list[list[str]]:
    """Strongly connected components of more than one node, for edges (from, to): Tarjan's algorithm without recursion."""
    after = collections.defaultdict(list)
    for a, b in sorted(edges):
        after[a].append(b)
    index, low, on_stack, stack, found = {}, {}, set(), [], []
    for root in sorted(after):
        work = [] if root in index else [(root, iter(after[root]))]
        while work:
            at, rest = work[-1]
            if at not in index:
                index[at] = low[at] = len(index)
                stack.append(at)
                on_stack.add(at)
            for b in rest:
                if b not in index:
                    work.append((b, iter(after[b])))
                    break
                if b in on_stack:
                    low[at] = min(low[at], index[b])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[at])
                if low[at] == index[at]:
                    members = stack[stack.index(at):]
                    del stack[-len(members):]
                    on_stack.difference_update(members)
                    if len(members) > 1:
                        found.append(sorted(members))
    return found


def folder_edge(a: str, b: str) -> tuple[str, str] | None:
    """The folders that an edge between two files, by their paths below src/, leads from and to: their rooms, or in one
    room its folders, of which ROOM/. stands for the room's own files. None within a folder."""
    x, y = pathlib.PurePath(a).parts[:-1], pathlib.PurePath(b).parts[:-1]
    depth = next((i for i, (k, m) in enumerate(itertools.zip_longest(x, y)) if k != m), None)
    return None if depth is None else ("/".join((*x, ".")[:depth + 1]), "/".join((*y, ".")[:depth + 1]))
