"""Scores a batch with PEFT on a checkpoint folder of transformers, with loss and gradients, as a user in Python would.

stdin: [{"checkpoint": folder, "adapter": folder, "model": class of transformers, "labels": number of outputs or null,
"input_ids": rows, "attention_mask": rows, "targets": rows}]. stdout, for each: {"logits": numbers, "loss": number,
"gradients": {tensor name: numbers}}
"""

import json
import sys
import warnings

import torch
import transformers
from peft import PeftModel
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


def score(checkpoint, adapter, model, labels, input_ids, attention_mask, targets):
    options = {} if labels is None else {"num_labels": labels}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = getattr(transformers, model).from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="eager",
            ignore_mismatched_sizes=True, **options)
        peft = PeftModel.from_pretrained(base, adapter, is_trainable=True).eval()
    regression = labels == 1
    if regression:
        base.config.problem_type = "regression"
    out = peft(
        input_ids=torch.tensor(input_ids), attention_mask=torch.tensor(attention_mask),
        labels=torch.tensor(targets, dtype=torch.float32 if regression else torch.int64))
    out.loss.backward()
    gradients = {
        name.replace(".default", "").replace(".modules_to_save", ""): parameter.grad.flatten().tolist()
        for name, parameter in peft.named_parameters() if parameter.requires_grad
    }
    return {"logits": out.logits.detach().flatten().tolist(), "loss": out.loss.item(), "gradients": gradients}


torch.manual_seed(0)
json.dump([score(**task) for task in json.load(sys.stdin)], sys.stdout)
