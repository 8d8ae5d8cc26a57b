"""Opens a safetensors file with the reference library and prints what is in it.

stdin: {"path": …}. stdout: {"metadata": {…}, "tensors": [{"name", "dtype", "shape", "bits": [unsigned integers]}]}
in the order of the file.
"""

import json
import sys

import numpy as np
from safetensors import deserialize, safe_open

path = json.load(sys.stdin)["path"]
BITS = {"F32": "<u4", "F16": "<u2", "BF16": "<u2"}

with safe_open(path, framework="np") as file:
    metadata = file.metadata()
    names = list(file.keys())

tensors = []
for name, entry in deserialize(open(path, "rb").read()):
    bits = np.frombuffer(bytes(entry["data"]), dtype=BITS[entry["dtype"]])
    tensors.append(
        {"name": name, "dtype": entry["dtype"], "shape": entry["shape"], "bits": bits.tolist()}
    )
assert sorted(names) == sorted(t["name"] for t in tensors)
json.dump({"metadata": metadata, "tensors": tensors}, sys.stdout)
