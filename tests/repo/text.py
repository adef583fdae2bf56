"""What no file may hold: white space at the end of a line, work left for later, a file without a last newline."""
import re

LEFT_OVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
TEXT_ENDINGS = (".c", ".h", ".cc", ".cpp", ".S", ".py", ".sh", ".md", ".txt", ".build", ".map", ".pml", ".html", ".css", ".js")
TEXT_NAMES = ("dev", ".ci/run", "LICENSE", "meson_options.txt", ".gitignore", ".editorconfig")


def check(tree):
    for path in tree.files:
        if not path.endswith(TEXT_ENDINGS) and path not in TEXT_NAMES:
            continue
        text = tree.text(path)
        if text and not text.endswith("\n"):
            yield f"{path}:{text.count(chr(10)) + 1}: no newline at the end of the file"
        for number, line in tree.lines(path):
            if line != line.rstrip():
                yield f"{path}:{number}: white space at the end of the line"
            if LEFT_OVER.search(line):
                yield f"{path}:{number}: work left for later: {line.strip()[:80]}"
