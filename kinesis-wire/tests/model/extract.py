#!/usr/bin/env python3
"""Writes kinesis.json beside this file: what botocore's Kinesis model says of the operations that are served.

    python3 -m venv venv && venv/bin/pip install botocore && venv/bin/python extract.py

Names, types and constraints alone, no text of AWS's documentation. A test compares the crate's tables with it.
"""

import json
import pathlib

import botocore
import botocore.loaders

SERVED = [
    "CreateStream", "DeleteStream", "DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator",
    "ListShards", "ListStreams", "PutRecord", "PutRecords",
]
FACTS = ["type", "min", "max", "pattern", "enum", "required"]

model = botocore.loaders.Loader().load_service_model("kinesis", "service-2")
inputs = {name: model["operations"][name]["input"]["shape"] for name in SERVED}
shapes = {}


def extract(name):
    """Adds a shape, and below it those of its members."""
    if name in shapes:
        return
    shape = model["shapes"][name]
    facts = shapes[name] = {fact: shape[fact] for fact in FACTS if fact in shape}
    if shape["type"] == "structure":
        facts["members"] = {member: {"shape": of["shape"]} for member, of in shape["members"].items()}
        for member in shape["members"].values():
            extract(member["shape"])
    for part in ["member", "key", "value"]:
        if part in shape:
            facts[part] = {"shape": shape[part]["shape"]}
            extract(shape[part]["shape"])


for name in inputs.values():
    extract(name)

errors = sorted(name for name, shape in model["shapes"].items() if shape.get("exception"))
extracted = {
    "botocore": botocore.__version__,
    "operations": sorted(model["operations"]),
    "errors": errors,
    "inputs": inputs,
    "shapes": dict(sorted(shapes.items())),
}
path = pathlib.Path(__file__).with_name("kinesis.json")
path.write_text(json.dumps(extracted, indent=1, ensure_ascii=False) + "\n")
