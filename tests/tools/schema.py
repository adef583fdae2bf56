"""The part of JSON Schema (2020-12) that docs/schemas use. An unknown keyword is an error: a check that is not made must not look made."""
import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
SILENT = {"$schema", "$defs", "title", "description"}


def is_of_type(value, name):
    if name in ("integer", "number"):
        return not isinstance(value, bool) and isinstance(value, int if name == "integer" else (int, float))
    return isinstance(value, TYPES[name])


def resolve(root, reference):
    at = root
    for step in reference.removeprefix("#/").split("/"):
        at = at[step]
    return at


def properties(value, rule, schema, root, where):
    for name, member in value.items():
        if name in rule:
            yield from problems(member, rule[name], root, f"{where}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{where}: {name} is not in the schema"


def problems(value, schema, root=None, where="$"):
    """What is wrong with a value, a line each."""
    root = schema if root is None else root
    for keyword, rule in schema.items():
        if keyword in SILENT or keyword == "additionalProperties":
            continue
        if keyword == "$ref":
            yield from problems(value, resolve(root, rule), root, where)
        elif keyword == "type":
            if not any(is_of_type(value, name) for name in ([rule] if isinstance(rule, str) else rule)):
                yield f"{where}: {value!r} is no {rule}"
        elif keyword == "const":
            if value != rule:
                yield f"{where}: {value!r} is not {rule!r}"
        elif keyword == "enum":
            if value not in rule:
                yield f"{where}: {value!r} is none of {rule}"
        elif keyword == "minimum":
            if is_of_type(value, "number") and value < rule:
                yield f"{where}: {value} is below {rule}"
        elif keyword == "minItems":
            if len(value) < rule:
                yield f"{where}: fewer than {rule} items"
        elif keyword == "pattern":
            if not re.search(rule, value):
                yield f"{where}: {value!r} does not match {rule}"
        elif keyword == "required":
            yield from (f"{where}: {name} is missing" for name in rule if name not in value)
        elif keyword == "properties":
            yield from properties(value, rule, schema, root, where)
        elif keyword == "items":
            for index, item in enumerate(value):
                yield from problems(item, rule, root, f"{where}[{index}]")
        elif keyword == "oneOf":
            found = [list(problems(value, option, root, where)) for option in rule]
            if sum(not what for what in found) != 1:
                yield f"{where}: fits not exactly one of the forms: {found}"
        else:
            raise ValueError(f"the schema's keyword {keyword} is not known here")
