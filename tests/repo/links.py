"""Every relative link of a Markdown page leads to a file, and its anchor to a heading there; README's measured table is the generated one."""
import hashlib
import os
import re

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
TABLE = re.compile(r"<!-- measured: made by \./dev bench --table, sha256 (\S+) -->\n(.*?)<!-- end of measured -->", re.DOTALL)


def anchors(text):
    """The anchors of a page's headings, as the usual renderers make them."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower()
        found.add(words.replace(" ", "-"))
    return found


def without_code(text):
    return re.sub(r"```.*?```|`[^`\n]*`", lambda match: "\n" * match.group(0).count("\n"), text, flags=re.DOTALL)


def check_link(tree, path, number, target):
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    file, _, anchor = target.partition("#")
    where = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
    if not tree.has(where):
        return f"{path}:{number}: the link {target} leads nowhere"
    if anchor and where.endswith(".md") and anchor not in anchors(tree.text(where)):
        return f"{path}:{number}: {where} has no heading for #{anchor}"
    return None


def check(tree):
    for path in tree.ending(".md"):
        for number, line in enumerate(without_code(tree.text(path)).splitlines(), 1):
            for target in LINK.findall(line):
                problem = check_link(tree, path, number, target)
                if problem:
                    yield problem
    if tree.has("README.md"):
        yield from check_table(tree.text("README.md"))


def check_table(readme):
    table = TABLE.search(readme)
    if table is None:
        yield "README.md:1: the measured table has no markers of ./dev bench --table around it"
    elif hashlib.sha256(table.group(2).encode()).hexdigest() != table.group(1):
        yield "README.md:1: the measured table was edited by hand: measure, then ./dev bench --table"
