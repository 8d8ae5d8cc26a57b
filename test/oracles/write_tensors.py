"""Writes a safetensors file with the reference library, in an order of its own.

stdin: {"path": …, "tensors": [{"name", "shape", "values"}]}. stdout: {"ok": true}
"""

import json
import sys

import numpy as np
from safetensors.numpy import save_file

task = json.load(sys.stdin)
tensors = {
    t["name"]: np.array(t["values"], dtype=np.float32).reshape(t["shape"]) for t in task["tensors"]
}
save_file(tensors, task["path"], metadata={"written": "by the reference library"})
json.dump({"ok": True}, sys.stdout)
