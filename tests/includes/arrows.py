#!/usr/bin/env python3
"""Fails when an #include points against the arrows of DESIGN.md ("The house").

usage: arrows.py ROOT

Prints one line for each bad include: file, line, and the arrow that is missing.
"""

import pathlib
import re
import sys

# What a folder may include beside itself. The longest matching prefix of a path is its layer.
API = "protos"  # errand/v1 messages
GRPC = "gRPC"  # gRPC itself and generated services: absl::Status inside, grpc::Status at the edge
HANDLER = "server/handlers/handler.h"
ARROWS = {
    "server/main.cc": {"server", API, GRPC},
    "text": set(),
    "server/config": {"server/task", "text", API},
    "server/clock": set(),
    "server/rpc": {"server/clock", "server/io", GRPC},
    "server/rpc/guard": set(),
    "server/io": {"server/clock"},
    "server/task": {"text", API},
    "server/store": {"server/task", "server/clock", API},
    "server/executor": {"server/store", "server/task", HANDLER, "server/io", "server/clock", API},
    "server/handlers": {"server/task", "server/io", API},
    "server/handlers/lua": {"server/task", "server/io", "server/clock", HANDLER, "server/sandbox/wire.h", "server/sandbox/capacity.h", API},
    "server/handlers/email": {"server/task", "server/io", "server/clock", "text", HANDLER, API},
    "server/service": {"server/executor", "server/store", "server/task", "server/rpc", "server/clock", "text", API, GRPC},
    "server/sandbox": {"server/task/limits.h"},
    "client": {"text", API, GRPC},
}

# A test mirrors a folder: it may include that folder, what that folder may include, the fixtures of those
# folders' tests, and these.
TESTS = {
    "tests/text": {"text"},
    "tests/rpc": {API},
    "tests/executor": {"server/handlers"},
    "tests/service": {"server/handlers", "server/io"},
    "tests/handlers": {"server/sandbox/wire.h", "tests/paths", "tests/processes"},
    "tests/sandbox": {"server/io", "server/task", "tests/paths"},
    "tests/client": {"tests/paths"},
    "tests/store": {"tests/paths"},
    "tests/end_to_end": {"tests/handlers", "tests/paths", "client", API, GRPC},
    "tests/attack": {"tests/end_to_end", "tests/paths", "client", API, GRPC},
    "tests/isolation": {"tests/end_to_end", "tests/paths", "tests/processes", "client", API, GRPC},
    "tests/lua": {"tests/end_to_end", "tests/paths", "client", API, GRPC},
    "tests/crash": {"tests/end_to_end", "tests/paths", "client", API, GRPC},
    "tests/interop": {"tests/end_to_end", "client", API, GRPC},
    "tests/paths": set(),
    "tests/processes": set(),
    "tests/abseil_tsan.cc": set(),
    "tests/protobuf_tsan.h": set(),
    "tests/bench": {
        "tests/end_to_end", "tests/processes", "client", "server/clock", "server/handlers", "server/io", "server/rpc",
        "server/store", "server/task", API, GRPC,
    },
}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def covers(folder, path):
    """Whether path is folder, or in it."""
    return path == folder or path.startswith(folder + "/")


def layer_of(path):
    """The layer that path belongs to, or None."""
    layers = [layer for layer in [*ARROWS, *TESTS] if covers(layer, path)]
    if layers:
        return max(layers, key=len)
    parts = path.split("/")
    mirrored = "server/" + parts[1] if parts[0] == "tests" and len(parts) > 2 else None
    if mirrored in ARROWS:
        return "tests/" + parts[1]
    return "tests/client" if covers("tests/client", path) else None


def allowed_from(layer):
    """All that a file of this layer may include."""
    if not layer.startswith("tests/"):
        return {layer} | ARROWS[layer]
    name = layer.removeprefix("tests/")
    mirrored = name if name == "client" else "server/" + name
    below = {under for folder in ARROWS if covers(mirrored, folder) for under in {folder} | ARROWS[folder]}
    fixtures = {folder.replace("server/", "tests/", 1) for folder in below}
    return {layer} | TESTS.get(layer, set()) | below | fixtures


def target_of(root, source, included):
    """What an include leads to: a path of ours, API, GRPC, or None for what is neither."""
    if included.endswith(".grpc.pb.h") or covers("grpcpp", included) or covers("grpc", included):
        return GRPC
    if covers("errand/v1", included):
        return API
    for start in (source.parent, root, root / "client", root / "client/include"):
        path = (start / included).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return included if included.split("/")[0] in ("text", "server", "client", "tests") else None


def bad_includes(root):
    """Yields one message for each include that has no arrow."""
    root = pathlib.Path(root).resolve()
    for source in sorted(file for top in ("text", "server", "client", "tests") for file in (root / top).rglob("*")):
        if source.suffix not in (".h", ".cc"):
            continue
        path = source.relative_to(root).as_posix()
        layer = layer_of(path)
        if layer is None:
            yield f"{path}:1: no layer: give its folder its arrows in tests/includes/arrows.py"
            continue
        allowed = allowed_from(layer)
        for number, line in enumerate(source.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            target = match and target_of(root, source, match[1])
            if target and not any(covers(folder, target) for folder in allowed):
                yield f'{path}:{number}: "{match[1]}": no arrow {layer} -> {layer_of(target) or target}'


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bad = list(bad_includes(sys.argv[1]))
    print("\n".join(bad) if bad else "every include follows the arrows")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
