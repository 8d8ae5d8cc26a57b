"""Makes test/fixtures/golden: tiny random models with what PyTorch + PEFT compute from them, in the layout that `npm run goldens` reads.

    .cache/venv/bin/python test/oracles/make_golden.py test/fixtures/golden

The ONNX files need the package onnx as well; without it they are left out.

Random weights of this script's own; float64 arithmetic, stored as float32. Versions of the packages: requirements-peft.txt.
"""

import copy
import json
import os
import sys
import warnings
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import save_file

RANK, ALPHA, STEPS = 2, 6, 3
# PyTorch's own float32 gradients are this near the float64 ones, relative to the tensor's largest entry: where terms nearly cancel,
# float32 has too few digits left to judge anybody by.
CONDITION = 4e-6
# AdamW divides by the size of a gradient: where more than this share of the entries moves by more than 1e-4 between PyTorch's own float32
# and float64 runs, or a loss on the way by more than LOSS, three steps say nothing about anybody else's float32.
ADAMW, ADAMW_SHARE, LOSS = 1e-4, 0.01, 5e-6
# The task type with which PEFT trains a task's head in full.
HEADS = {"sequence-classification": "SEQ_CLS", "token-classification": "TOKEN_CLS"}
# Tokens of each row; others are tried with LENGTHS='[5]' in the environment.
LENGTHS = json.loads(os.environ.get("LENGTHS", "[6, 4, 5]"))
SEQUENCE = max(LENGTHS)

MODELS = {
    "bert": {
        "task": "sequence-classification",
        "config": lambda: transformers.BertConfig(
            vocab_size=23, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
            max_position_embeddings=16, id2label={i: f"class {i}" for i in range(3)},
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        "model": transformers.BertForSequenceClassification,
        "targets": ["query", "value"],
    },
    "llama": {
        "task": "causal-lm",
        "config": lambda: transformers.LlamaConfig(
            vocab_size=23, hidden_size=8, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=12, max_position_embeddings=16, tie_word_embeddings=False),
        "model": transformers.LlamaForCausalLM,
        "targets": ["q_proj", "v_proj"],
    },
}


def randomize(model, generator):
    """Everything random and away from 0 and 1, norms and biases too, so that a dropped term shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator))
            if parameter.ndim == 1:
                parameter.add_(0.7)


def batch_of(task, generator):
    ids = torch.randint(1, 23, (len(LENGTHS), SEQUENCE), generator=generator)
    mask = torch.tensor([[1] * n + [0] * (SEQUENCE - n) for n in LENGTHS])
    ids = ids * mask
    if task == "causal-lm":
        labels = torch.where(mask == 1, ids, -100)
        labels[:, 0] = -100
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
    if task == "token-classification":
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.where(mask == 1, ids % 3, -100)}
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([2, 0, 1] * len(LENGTHS))[: len(LENGTHS)]}


def shifts(model, batch):
    """Whether a language model's loss compares with the next token; the decoders of encoder-decoders take labels that are shifted already."""
    with torch.no_grad():
        out = model(**batch)
    here = torch.nn.functional.cross_entropy(out.logits.flatten(0, 1), batch["labels"].flatten())
    return not torch.isclose(out.loss, here, rtol=1e-4)


def trained(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def saved_name(name):
    """As PEFT's save_pretrained writes it."""
    return name.replace(".default", "").replace(".modules_to_save", "").replace(".original_module", "")


def condition(model, batch):
    found = []
    for run in [copy.deepcopy(model).double(), copy.deepcopy(model)]:
        run(**batch).loss.backward()
        found.append([parameter.grad.double() for parameter in trained(run).values()])
    return max(((a - b).abs().max() / a.abs().max()).item() for a, b in zip(*found))


def reference(model, batch, base):
    tensors, scalars = {}, {}
    with torch.no_grad():
        if base:
            with model.disable_adapter():
                out = model(**batch)
            tensors["logits.base"], scalars["loss_base"] = out.logits, out.loss.item()
    out = model(**batch)
    out.loss.backward()
    tensors["logits.lora"], scalars["loss_lora"] = out.logits.detach(), out.loss.item()
    for name, parameter in trained(model).items():
        tensors[f"grad.{saved_name(name)}"] = parameter.grad.clone()
    model.zero_grad()
    for kind, make in {
        "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    }.items():
        run = copy.deepcopy(model)
        optimizer = make(trained(run).values())
        losses = []
        for step in range(STEPS + 1):
            loss = run(**batch).loss
            losses.append(loss.item())
            if step == STEPS:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scalars[kind] = {"losses": losses}
        for name, parameter in trained(run).items():
            tensors[f"{kind}.step3.{saved_name(name)}"] = parameter.detach()
    return {name: t.to(torch.float32).contiguous() for name, t in tensors.items()}, scalars


def steady(exact, single):
    """Whether PyTorch's float32 steps end where its float64 steps do; both as reference() gives them."""
    (tensors, scalars), (rounded, losses) = exact, single
    for kind in ["adamw", "sgd"]:
        if max(abs(a - b) for a, b in zip(scalars[kind]["losses"], losses[kind]["losses"])) > LOSS:
            return False
    moved = [((tensors[name] - rounded[name]).abs() > ADAMW).flatten() for name in tensors if name.startswith("adamw.")]
    return torch.cat(moved).double().mean().item() <= ADAMW_SHARE


def export(model, batch, path):
    names = ["input_ids", "attention_mask"]

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits

    axes = {name: {0: "batch", 1: "sequence"} for name in names}
    wrapped = Logits().eval()
    torch.onnx.export(
        wrapped, tuple(batch[name] for name in names), str(path), dynamo=False, opset_version=17,
        input_names=names, output_names=["logits"], dynamic_axes=axes)


def make(out, name, spec, seed):
    generator = torch.Generator().manual_seed(seed)
    folder = out / name
    config = spec["config"]()
    config._attn_implementation = "eager"
    # The grouped product of experts has no float64.
    config._experts_implementation = "batched_mm"
    model = spec["model"](config).eval()
    randomize(model, generator)
    batch = batch_of(spec["task"], generator)
    scalars = {}
    folder.mkdir(parents=True, exist_ok=True)
    for adapter in ["lora", "lora-head"] if spec["task"] != "causal-lm" else ["lora"]:
        head = adapter == "lora-head"
        lora = peft.LoraConfig(
            r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=spec["targets"],
            task_type=HEADS[spec["task"]] if head else None)
        wrapped = peft.get_peft_model(copy.deepcopy(model), lora).eval()
        own = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for key, parameter in wrapped.named_parameters():
                if "lora_" in key:
                    parameter.copy_(0.4 * torch.randn(parameter.shape, generator=own))
        found = condition(wrapped, batch)
        print(name, seed, f"{found:.1e}", file=sys.stderr)
        if found > CONDITION:
            return False
        wrapped.save_pretrained(folder / adapter)
        (folder / adapter / "README.md").unlink(missing_ok=True)
        single = reference(copy.deepcopy(wrapped), batch, base=not head)
        exact = reference(wrapped.double(), batch, base=not head)
        if not steady(exact, single):
            print(name, seed, "three steps in float32 end elsewhere", file=sys.stderr)
            return False
        tensors, values = exact
        save_file(tensors, folder / ("expected-head.safetensors" if head else "expected.safetensors"))
        scalars |= {"head": values} if head else values
    try:
        if "export" in spec:
            spec["export"](copy.deepcopy(model), batch, folder)
        else:
            export(copy.deepcopy(model), batch, folder / "model.onnx")
    except Exception as error:  # the exporter needs packages that only some environments have
        print(f"{name}: no ONNX file ({error})", file=sys.stderr)
    model.save_pretrained(folder / "checkpoint")
    (folder / "expected.json").write_text(json.dumps(scalars, indent=1) + "\n")
    rows = {key: value.tolist() for key, value in batch.items()}
    if spec["task"] == "causal-lm" and not shifts(model, batch):
        rows["shift_labels"] = rows["labels"]
    (folder / "batch.json").write_text(json.dumps(rows) + "\n")
    (folder / "meta.json").write_text(json.dumps({"task": spec["task"], "seed": seed}) + "\n")
    return True


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    for index, (each, what) in enumerate(MODELS.items()):
        # The first seed that is well conditioned.
        seed = next(seed for seed in range(100 * (index + 1), 100 * (index + 2)) if make(target, each, what, seed))
        print(f"{each}: seed {seed}")
