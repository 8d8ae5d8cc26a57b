"""Rounds float32 values to float16 (numpy) and bfloat16 (round to nearest, ties to even, in exact integers).

stdin: {"values": [uint32 bit patterns of finite float32]}. stdout: {"f16": [bits], "bf16": [bits]}
"""

import json
import sys

import numpy as np

values = np.array(json.load(sys.stdin)["values"], dtype=np.uint32)
with np.errstate(over="ignore"):
    f16 = values.view(np.float32).astype(np.float16).view(np.uint16)


def to_bf16(bits: int) -> int:
    upper, lower = bits >> 16, bits & 0xFFFF
    if lower > 0x8000 or (lower == 0x8000 and upper & 1):
        upper += 1
    return upper


json.dump({"f16": f16.tolist(), "bf16": [to_bf16(int(v)) for v in values]}, sys.stdout)
