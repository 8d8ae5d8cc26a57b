"""Judges deployment files by the schemas of their own makers.

stdin: {"kubernetes": [resource], "versions": ["1.30"], "compose": document, "composeSchema": JSON schema}.
stdout: {"kubernetes": ["1.30 StatefulSet/name: path: message"], "compose": ["path: message"]}; empty lists where all is well.
"""

import json
import sys

import kubernetes_validate
from jsonschema import Draft201909Validator

asked = json.load(sys.stdin)


def place(error) -> str:
    return ".".join(str(step) for step in error.absolute_path)


def kubernetes():
    for resource in asked["kubernetes"]:
        name = f"{resource['kind']}/{resource['metadata']['name']}"
        for version in asked["versions"]:
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{version} {name}: {'.'.join(str(step) for step in error.path)}: {error.message}"


def compose():
    schema = asked["composeSchema"]
    Draft201909Validator.check_schema(schema)
    for error in Draft201909Validator(schema).iter_errors(asked["compose"]):
        yield f"{place(error)}: {error.message}"


json.dump({"kubernetes": list(kubernetes()), "compose": list(compose())}, sys.stdout)
