#!/usr/bin/env python3
"""Writes kinesis.json beside this file: what botocore's Kinesis model says of the operations that are served.

    python3 -m venv venv && venv/bin/pip install botocore && venv/bin/python extract.py

Names, types and constraints alone, no text of AWS's documentation. Tests compare the crate with it. With --check nothing
is written: it fails, and says what differs, if the installed botocore has another model.
"""

import difflib
import json
import pathlib
import sys

import botocore
import botocore.loaders

# Channels and queues are known by name, to be refused.
NOT_SERVED = [
    "AcknowledgeDeadLetterQueueRecords", "AcknowledgeQueueRecords", "CreateChannel", "CreateQueue", "DeleteChannel",
    "DeleteQueue", "DescribeChannel", "DescribeQueue", "ReceiveDeadLetterQueueRecords", "ReceiveQueueRecords",
    "RestoreDeadLetterQueueRecords", "UpdateChannel", "UpdateDeadLetterQueueRecordsVisibility", "UpdateQueue",
    "UpdateQueueRecordsVisibility",
]
FACTS = ["type", "min", "max", "pattern", "enum", "required", "event", "eventstream", "exception"]

model = botocore.loaders.Loader().load_service_model("kinesis", "service-2")
served = [name for name in sorted(model["operations"]) if name not in NOT_SERVED]


def extract(name, shapes):
    """Adds a shape, and below it those of its members."""
    if name in shapes:
        return
    shape = model["shapes"][name]
    facts = shapes[name] = {fact: shape[fact] for fact in FACTS if fact in shape}
    if shape["type"] == "structure":
        facts["members"] = {member: {"shape": of["shape"]} for member, of in shape["members"].items()}
        for member in shape["members"].values():
            extract(member["shape"], shapes)
    for part in ["member", "key", "value"]:
        if part in shape:
            facts[part] = {"shape": shape[part]["shape"]}
            extract(shape[part]["shape"], shapes)


def side(direction):
    """The shapes of all requests, or of all answers: by operation, and by name with those below them."""
    operations = {
        name: model["operations"][name][direction]["shape"] for name in served if direction in model["operations"][name]
    }
    shapes = {}
    for name in operations.values():
        extract(name, shapes)
    return operations, dict(sorted(shapes.items()))


inputs, shapes = side("input")
outputs, output_shapes = side("output")
extracted = {
    "botocore": botocore.__version__,
    "operations": sorted(model["operations"]),
    "errors": sorted(name for name, shape in model["shapes"].items() if shape.get("exception")),
    "inputs": inputs,
    "shapes": shapes,
    "outputs": outputs,
    "output_shapes": output_shapes,
}
path = pathlib.Path(__file__).with_name("kinesis.json")
if sys.argv[1:] == ["--check"]:
    extracted["botocore"] = json.loads(path.read_text())["botocore"]
text = json.dumps(extracted, indent=1, ensure_ascii=False) + "\n"
if sys.argv[1:] == ["--check"]:
    kept, installed = path.read_text().splitlines(True), text.splitlines(True)
    sys.exit("".join(difflib.unified_diff(kept, installed, "kept", "installed")) or 0)
path.write_text(text)
