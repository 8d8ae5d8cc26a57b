"""Loads adapter folders with PEFT on checkpoint folders of transformers, as a user in Python would.

stdin: [{"checkpoint": folder, "adapter": folder}]. stdout, for each: {"trained": {tensor name: bits of float32},
"scaling": {adapted module: factor before B · A}, "error": {adapted module: relative error of merged weight − base weight
against scaling · B · A}}
"""

import json
import sys
import warnings

import torch
from peft import PeftModel, get_peft_model_state_dict
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


def load(checkpoint: str, adapter: str) -> dict:
    base = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    with warnings.catch_warnings():
        # PEFT only warns where keys of the file fit nothing or are missing.
        warnings.simplefilter("error")
        model = PeftModel.from_pretrained(base, adapter)
    trained = {
        name: value.contiguous().view(torch.int32).flatten().tolist()
        for name, value in get_peft_model_state_dict(model).items()
    }
    scaling, updates = {}, {}
    for name in sorted(model.base_model.targeted_module_names):
        layer = model.base_model.model.get_submodule(name)
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        scaling[name] = layer.scaling["default"]
        updates[name] = (scaling[name] * b.double() @ a.double()).detach()
    merged = model.merge_and_unload().state_dict()
    error = {}
    for name, expected in updates.items():
        delta = merged[f"{name}.weight"].double() - before[f"{name}.weight"].double()
        error[name] = float((delta - expected).norm() / expected.norm())
    return {"trained": trained, "scaling": scaling, "error": error}


json.dump([load(**task) for task in json.load(sys.stdin)], sys.stdout)
