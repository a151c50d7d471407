#!/usr/bin/env python3
"""Prunes Shopify's Admin schema to the fields named in a list.

    python3 prune.py FULL.graphql keep.txt > admin-2026-10.graphql
    python3 prune.py FULL.graphql keep.txt --left-out > left-out-2026-10.txt

stockd's documents are validated against the result in tests, and the pretend store answers by it.

FULL.graphql is the schema in SDL, as introspection or Shopify's own packages give it; it is not kept in this
repository. The list has one line per object or interface type, `Type: field field ...`; `#` starts a comment.
A kept field keeps its arguments; input objects, enums and scalars they or the fields need are kept whole.
Of a `...Connection` or `...Edge` the usual fields are kept without being listed. An interface is kept where it is
listed, a union with its listed members. Descriptions go, deprecation reasons too. Types and fields are sorted, so
that the same input gives the same bytes.

With --left-out it prints what was not kept, by name only: `Type: field field ...` of a type of which some fields were
kept, `Type` alone of one that is gone.
"""

import re
import sys

IMPLIED = (("Connection", ["edges", "nodes", "pageInfo"]), ("Edge", ["cursor", "node"]))
BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}
TOKEN = re.compile(r'"""[\s\S]*?"""|"(?:\\.|[^"\\])*"|\.\.\.|[!$&()\[\]{}:=@|]|-?[0-9][0-9.eE+-]*|[_A-Za-z]\w*')


class Reader:
    """Reads the definitions of a schema document."""

    def __init__(self, text):
        text = re.sub(r'("""[\s\S]*?"""|"(?:\\.|[^"\\])*")|#[^\n]*', lambda m: m.group(1) or "", text)
        self.tokens = TOKEN.findall(text)
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def eat(self, token):
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def skip_description(self):
        while self.peek().startswith('"'):
            self.at += 1

    def document(self):
        types, directives, roots = {}, {}, {}
        while self.peek():
            self.skip_description()
            kind = self.next()
            if kind == "schema":
                self.directives()
                roots = {name: type_ for name, type_ in self.pairs()}
            elif kind == "directive":
                name, arguments, places = self.directive_definition()
                directives[name] = (arguments, places)
            else:
                name = self.next()
                types[name] = self.definition(kind)
        return types, directives, roots

    def pairs(self):
        self.next()
        while not self.eat("}"):
            name = self.next()
            self.next()
            yield name, self.next()

    def directive_definition(self):
        self.next()
        name = self.next()
        arguments = self.arguments()
        self.eat("repeatable")
        self.next()
        self.eat("|")
        places = [self.next()]
        while self.eat("|"):
            places.append(self.next())
        return name, arguments, places

    def definition(self, kind):
        interfaces = []
        if self.eat("implements"):
            self.eat("&")
            interfaces.append(self.next())
            while self.eat("&"):
                interfaces.append(self.next())
        self.directives()
        if kind == "union":
            self.next()
            self.eat("|")
            members = [self.next()]
            while self.eat("|"):
                members.append(self.next())
            return kind, interfaces, members
        body = {}
        if kind != "scalar" and self.eat("{"):
            while not self.eat("}"):
                self.skip_description()
                name = self.next()
                if kind == "enum":
                    body[name] = self.directives()
                elif kind == "input":
                    body[name] = self.value()
                else:
                    arguments = self.arguments()
                    self.next()
                    type_ = self.type()
                    body[name] = (arguments, type_, self.directives())
        return kind, interfaces, body

    def arguments(self):
        found = {}
        if self.eat("("):
            while not self.eat(")"):
                self.skip_description()
                name = self.next()
                found[name] = self.value()
        return found

    def value(self):
        """The part after an argument's or input field's name: type, default and whether deprecated."""
        self.next()
        type_ = self.type()
        default = self.literal() if self.eat("=") else None
        return type_, default, self.directives()

    def type(self):
        if self.eat("["):
            inner = "[" + self.type() + "]"
            self.next()
        else:
            inner = self.next()
        return inner + "!" if self.eat("!") else inner

    def literal(self):
        token = self.next()
        if token not in ("[", "{"):
            return token
        close, parts = ("]" if token == "[" else "}"), []
        while not self.eat(close):
            part = self.literal()
            parts.append(f"{part}: {self.literal()}" if self.eat(":") else part)
        return token + ", ".join(parts) + close

    def directives(self):
        """Skips applied directives; says whether `@deprecated` is among them."""
        deprecated = False
        while self.eat("@"):
            deprecated |= self.next() == "deprecated"
            if self.eat("("):
                depth = 1
                while depth:
                    token = self.next()
                    depth += (token == "(") - (token == ")")
        return deprecated


def named(type_):
    return type_.strip("[]!")


def kept_fields(types, listed, name):
    fields = types[name][2]
    if name in listed:
        missing = [field for field in listed[name] if field not in fields]
        if missing:
            sys.exit(f"{name} has no field {', '.join(missing)}")
        return {field: fields[field] for field in sorted(listed[name])}
    for ending, implied in IMPLIED:
        if name.endswith(ending):
            return {field: fields[field] for field in implied if field in fields}
    sys.exit(f"{name} is needed but not in the list")


def reach(types, listed, roots):
    """Every type to keep: the roots, the listed types, and whatever their kept fields mention."""
    waiting, kept = [*roots, *listed], {}
    while waiting:
        name = waiting.pop()
        if name in kept or name in BUILT_IN:
            continue
        if name not in types:
            sys.exit(f"the schema has no type {name}")
        kind, interfaces, body = types[name]
        if kind in ("type", "interface"):
            body = kept_fields(types, listed, name)
            interfaces = [i for i in interfaces if i in listed and all(f in body for f in listed[i])]
            for arguments, type_, _ in body.values():
                waiting += [named(type_), *(named(value[0]) for value in arguments.values())]
        elif kind == "input":
            waiting += [named(value[0]) for value in body.values()]
        elif kind == "union":
            body = [member for member in body if member in listed]
        kept[name] = (kind, interfaces, body)
    return kept


def deprecation(deprecated):
    return " @deprecated" if deprecated else ""


def show_value(name, value):
    type_, default, deprecated = value
    return f"{name}: {type_}{f' = {default}' if default is not None else ''}{deprecation(deprecated)}"


def show_arguments(arguments):
    return f"({', '.join(show_value(*pair) for pair in arguments.items())})" if arguments else ""


def show(name, definition):
    kind, interfaces, body = definition
    if kind == "scalar":
        return f"scalar {name}"
    if kind == "union":
        return f"union {name} = {' | '.join(sorted(body))}"
    if kind == "enum":
        lines = [value + deprecation(deprecated) for value, deprecated in sorted(body.items())]
    elif kind == "input":
        lines = [show_value(*pair) for pair in sorted(body.items())]
    else:
        lines = [
            f"{field}{show_arguments(arguments)}: {type_}{deprecation(deprecated)}"
            for field, (arguments, type_, deprecated) in sorted(body.items())
        ]
    implements = f" implements {' & '.join(interfaces)}" if interfaces else ""
    return "\n".join([f"{kind} {name}{implements} {{", *(f"  {line}" for line in lines), "}"])


def read_list(path):
    listed = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.split("#")[0].strip()
            if line:
                name, _, fields = line.partition(":")
                listed.setdefault(name.strip(), []).extend(fields.split())
    return listed


def left_out(types, kept):
    for name, (kind, _, body) in sorted(types.items()):
        if name not in kept:
            print(name)
        elif kind in ("type", "interface"):
            gone = sorted(field for field in body if field not in kept[name][2])
            if gone:
                print(f"{name}: {' '.join(gone)}")


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--left-out"]):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as full:
        types, directives, roots = Reader(full.read()).document()
    listed = read_list(sys.argv[2])
    kept = reach(types, listed, roots.values())
    if len(sys.argv) == 4:
        print("# What prune.py left out of Shopify's Admin schema; do not edit.")
        left_out(types, kept)
        return
    print("# Pruned from Shopify's Admin schema by prune.py and keep.txt; do not edit.\n")
    print("\n".join(["schema {", *(f"  {name}: {type_}" for name, type_ in roots.items()), "}"]))
    for name, (arguments, places) in sorted(directives.items()):
        if name == "idempotent":
            print(f"\ndirective @{name}{show_arguments(arguments)} on {' | '.join(places)}")
    for name in sorted(kept):
        print("\n" + show(name, kept[name]))


if __name__ == "__main__":
    main()
