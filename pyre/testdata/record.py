"""Records what CPython's re does with random expressions: python3 record.py > python.json

One case a line: the pattern, the replacement, the text; "error": true where Python refuses the pattern or the
replacement; otherwise "result" of re.sub, and "spans" of the first match of re.search with its groups, null where there
is none ([-1, -1]: a group that took part in none). Left out is what the package documents to be different: possessive
repetition, and the repetition of what can be empty.
"""

import json
import random
import re
import re._parser as parser
import warnings

warnings.simplefilter("error")  # what Python means to change is left out

rnd = random.Random(20240607)
pick = rnd.choice


def text():
    return "".join(pick(["a", "b", "a", "b", "1", ".", "-", "_", "é", "A", " "]) for _ in range(rnd.randrange(9)))


def charset():
    items = [pick(["a", "b", "a-b", "1", r"\d", r"\w", ".", "-", "é", r"\.", "^", "0-9", r"\x61", r"\S"]) for _ in range(rnd.randrange(1, 4))]
    return "[" + pick(["", "", "^"]) + "".join(items) + "]"


def atom(depth):
    k = rnd.randrange(12)
    if k < 4:
        return pick(["a", "b", "1", "ab", "a1", "é", "-", "_"])
    if k == 4:
        return "."
    if k == 5:
        return charset()
    if k == 6:
        return pick([r"\d", r"\w", r"\W", r"\D", r"\s", r"\S", r"\.", r"\-", r"\x61", r"\141", r"\t", r"\q"])
    if k == 7:
        return pick(["^", "$", r"\b", r"\B", r"\A", r"\Z", ""])
    if depth > 2:
        return pick(["a", "b"])
    inner = expression(depth + 1)
    return pick(["(%s)", "(%s)", "(?:%s)", "(?P<n" + str(rnd.randrange(100)) + ">%s)", "(?i:%s)", "(?#x)(%s)", "(?x: # )\n %s )", "(?-x:%s )"]) % inner


def repeated(depth):
    return atom(depth) + pick(["", "", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,3}?", "{2,4}", "{2,}", "{1,}?", "{x}"])


def expression(depth):
    branches = ["".join(repeated(depth) for _ in range(rnd.randrange(1, 4))) for _ in range(pick([1, 1, 1, 2]))]
    return "|".join(branches)


def pattern():
    flags = pick(["", "", "", "", "", "(?i)", "(?x) # ( \n", "(?isx)", "^"])
    return flags + expression(0)


def replacement(p):
    names = re.findall(r"\?P<(\w+)>", p)
    parts = ["x", "-", ".", r"\1", r"\2", r"\g<0>", r"\g<1>", "$1", "&", r"\\", r"\0", r"\61", r"\061", r"\t", r"\.", r"\d", r"\g<zz>", r"\777"]
    parts += ["x", "[", "]", "", r"\1"] * 3 + [r"\g<%s>" % n for n in names] * 3
    return "".join(pick(parts) for _ in range(rnd.randrange(4)))


def accepted(tree, copies=1):
    """Whether no repetition in tree is possessive, of what can be empty, or too large when written out."""
    for op, args in tree:
        if op is parser.POSSESSIVE_REPEAT:
            return False
        if op in (parser.MAX_REPEAT, parser.MIN_REPEAT):
            lo, hi, body = args
            n = copies * (hi if hi is not parser.MAXREPEAT else lo + 1)
            if n > 50 or hi > 1 and body.getwidth()[0] == 0 or not accepted(body, n):
                return False
        elif op is parser.SUBPATTERN:
            if not accepted(args[-1], copies):
                return False
        elif op is parser.BRANCH:
            if not all(accepted(b, copies) for b in args[1]):
                return False
    return True


def case():
    p = pattern()
    try:
        if not accepted(parser.parse(p)):
            return case()
    except re.error:
        pass
    c = {"pattern": p, "replacement": replacement(p), "text": text()}
    try:
        compiled = re.compile(p)
        c["result"] = compiled.sub(c["replacement"], c["text"])
    except (re.error, IndexError):
        c["error"] = True
        return c
    m = compiled.search(c["text"])
    c["spans"] = m and [[at(c["text"], i) for i in m.span(g)] for g in range(compiled.groups + 1)]
    return c


def at(text, i):
    """Positions in UTF-8."""
    return i if i < 0 else len(text[:i].encode())


seen, cases = set(), []
while len(cases) < 800:
    try:
        c = case()
    except Warning:
        continue
    key = (c["pattern"], c["replacement"])
    if key not in seen and (not c.get("error") or rnd.random() < 0.3) and (c.get("spans") or rnd.random() < 0.3):
        seen.add(key)
        cases.append(json.dumps(c, ensure_ascii=False))
print("[\n" + ",\n".join(cases) + "\n]")
