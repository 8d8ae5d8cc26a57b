"""PyTorch + PEFT's side of bench:train: makes the checkpoint, then trains on request. One JSON line in, one out."""

import json
import os
import sys
import time
from pathlib import Path


def draw(seed, count, bound):
    values, state = [], seed
    for _ in range(count):
        state = (state * 48271) % 2147483647
        values.append(state % bound)
    return values


def make(ask):
    import torch
    import transformers

    folder = Path(ask["folder"]) / "checkpoint"
    if (folder / "config.json").exists():
        return {}
    torch.manual_seed(0)
    if ask["kind"] == "llama":
        config = transformers.LlamaConfig(**ask["base"])
        model = transformers.LlamaForCausalLM(config)
    else:
        labels = {i: f"label {i}" for i in range(ask["classes"])}
        config = transformers.BertConfig(**ask["base"], id2label=labels)
        model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    return {}


class Engine:
    def open(self, ask):
        import peft
        import torch
        import transformers

        torch.set_num_threads(ask["threads"])
        folder = str(Path(ask["folder"]) / "checkpoint")
        lm = ask["task"] == "causal-lm"
        auto = transformers.AutoModelForCausalLM if lm else transformers.AutoModelForSequenceClassification
        base = auto.from_pretrained(folder)
        config = peft.LoraConfig(
            r=ask["rank"],
            lora_alpha=ask["alpha"],
            lora_dropout=0.0,
            target_modules=ask["targets"],
            layers_to_transform=ask.get("layers"),
        )
        self.model = peft.get_peft_model(base, config).eval()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
        rows, length = ask["shape"]
        ids = torch.tensor(draw(1, rows * length, ask["vocabulary"])).reshape(rows, length)
        labels = ids if lm else torch.tensor(draw(2, rows, ask["classes"]))
        self.batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
        sites = sum(1 for name, _ in self.model.named_parameters() if "lora_A" in name)
        return {"loss": self.train(), "sites": sites}

    def train(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model(**self.batch).loss
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def step(self, _):
        started = time.perf_counter()
        self.train()
        return {"ms": (time.perf_counter() - started) * 1000}

    def forward(self, _):
        import torch

        started = time.perf_counter()
        with torch.inference_mode():
            self.model(**self.batch).loss.item()
        return {"ms": (time.perf_counter() - started) * 1000}

    def product(self, ask):
        """Billions of floating-point operations a second of one bare product."""
        import torch

        torch.set_num_threads(ask["threads"])
        rows, size, out = ask["size"]
        x, w = torch.full((rows, size), 0.25), torch.full((size, out), 0.5)
        torch.mm(x, w)
        times = []
        for _ in range(ask["repeats"]):
            started = time.perf_counter()
            torch.mm(x, w)
            times.append(time.perf_counter() - started)
        return {"gflops": 2 * rows * size * out / sorted(times)[len(times) // 2] / 1e9}

    def memory(self, _):
        try:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return {"bytes": int(line.split()[1]) * 1024}
        except OSError:
            pass
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"bytes": peak * (1 if sys.platform == "darwin" else 1024)}


def main():
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    engine = Engine()
    for line in sys.stdin:
        ask = json.loads(line)
        name = ask.pop("ask")
        answer = make(ask) if name == "make" else getattr(engine, name)(ask)
        print(json.dumps(answer), flush=True)


main()
