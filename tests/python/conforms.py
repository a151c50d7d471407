"""Reads lines of [message of the AsyncAPI document, payload] and says of each that is not as described, what is wrong."""

import json
import sys

from jsonschema_rs import Draft202012Validator, Registry

with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)
registry = Registry([("urn:document", document)])

for line in sys.stdin:
    message, payload = json.loads(line)
    if message not in document["components"]["messages"]:
        print(f"{message} is not described: {payload}")
        continue
    key = message.replace("~", "~0").replace("/", "~1")
    schema = {"$ref": f"urn:document#/components/messages/{key}/payload"}
    for problem in Draft202012Validator(schema, registry=registry).iter_errors(payload):
        print(f"{message}: {problem.message} at {problem.instance_path} in {payload}")
