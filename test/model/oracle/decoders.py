"""Independent oracle for the decoders of src/model: PyTorch, transformers and PEFT in float64.

    node scripts/python-env.mjs --peft
    .cache/venv/bin/python test/model/oracle/decoders.py

Writes test/data/golden/<case>/ in the layout of ../shared/data/golden/train (README.md there), without ONNX files: tiny
random checkpoints (weights are float16 numbers), a LoRA adapter on every linear module of the first layer, one batch and what PyTorch makes
of them. `variants` in expected.json: logits of the same weights under a changed config.json.
"""
import json
import os
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../..'))
OUT = os.path.join(ROOT, 'test/data/golden')

# The models cast to float32 inside (norms, softmax, rotary angles, loss): in float64 those casts are lifted.
plain_to, plain_softmax = torch.Tensor.to, torch.nn.functional.softmax
lift = lambda value: torch.float64 if value is torch.float32 else value
torch.Tensor.float = lambda self, *_, **__: self.double()
torch.Tensor.to = lambda self, *a, **k: plain_to(
    self, *(lift(v) for v in a), **{n: lift(v) for n, v in k.items()})
torch.nn.functional.softmax = lambda x, dim=None, dtype=None, **_: plain_softmax(x, dim=dim)

SIZES = dict(vocab_size=24, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=32, pad_token_id=0, bos_token_id=1,
             eos_token_id=2)
ROPE = {
    'linear': dict(rope_type='linear', factor=2.5),
    'dynamic': dict(rope_type='dynamic', factor=2.0),
    'llama3': dict(rope_type='llama3', factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=16),
    'yarn': dict(rope_type='yarn', factor=4.0, original_max_position_embeddings=8),
    'yarn, exact ramp': dict(rope_type='yarn', factor=4.0, original_max_position_embeddings=8, truncate=False,
                             beta_fast=4, beta_slow=0.5, mscale=0.7, mscale_all_dim=0.4),
}
LONG = dict(rope_type='longrope', short_factor=[1.0, 1.3], long_factor=[1.5, 4.0])
CASES = {
    'gpt2': ('gpt2', dict(vocab_size=24, n_embd=16, n_layer=2, n_head=4, n_inner=24, n_positions=32, bos_token_id=1, eos_token_id=2), {
        'inverse layer scale': dict(scale_attn_by_inverse_layer_idx=True),
        'no scale': dict(scale_attn_weights=False),
    }),
    'llama': ('llama', dict(SIZES, rope_parameters=dict(rope_type='default', rope_theta=500.0)), {
        name: dict(rope_parameters=dict(rope_theta=500.0, **rope)) for name, rope in ROPE.items()
    }),
    'llama-biased': ('llama', dict(SIZES, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, head_dim=6,
                                   num_key_value_heads=1), {}),
    'mistral': ('mistral', dict(SIZES, sliding_window=4), {'no window': dict(sliding_window=None)}),
    'qwen2': ('qwen2', dict(SIZES, tie_word_embeddings=True), {
        'window from layer 1 on': dict(use_sliding_window=True, sliding_window=3, max_window_layers=1, layer_types=None),
    }),
    'qwen3': ('qwen3', dict(SIZES, head_dim=6), {}),
    'phi3': ('phi3', dict(SIZES, sliding_window=4), {
        'longrope, short': dict(rope_parameters=LONG, original_max_position_embeddings=16),
        'longrope, long': dict(rope_parameters=LONG, original_max_position_embeddings=6),
        'half of the head': dict(rope_parameters=dict(rope_theta=100.0, partial_rotary_factor=0.5)),
    }),
    'gemma': ('gemma', dict(SIZES, head_dim=6, num_key_value_heads=1), {}),
    'gemma2': ('gemma2', dict(SIZES, head_dim=6, sliding_window=4, query_pre_attn_scalar=9,
                              attn_logit_softcapping=2.0, final_logit_softcapping=3.0), {}),
    'gemma3': ('gemma3_text', dict(SIZES, head_dim=6, sliding_window=4, query_pre_attn_scalar=9,
                                   layer_types=['sliding_attention', 'full_attention'],
                                   rope_parameters=dict(
                                       full_attention=dict(rope_type='linear', factor=8.0, rope_theta=1000.0),
                                       sliding_attention=dict(rope_type='default', rope_theta=50.0))), {}),
}


def model_of(kind, config):
    config = CONFIG_MAPPING[kind](**config)
    return AutoModelForCausalLM.from_config(config, attn_implementation='eager').double().eval()


def randomize(model, seed, norm):
    """
    Far from 0 and 1 everywhere, so that a dropped term shows, and small enough that float32 is not the limit; numbers
    that float16 holds. Norms weigh around 0.8; `norm` is what is stored for that.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            spread = 0.25
            centre = 0 if parameter.dim() > 1 or name.endswith('bias') else norm
            values = centre + spread * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(values.half().double())


def shifted(labels):
    return torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], 1)


def loss_of(model, batch):
    logits = model(input_ids=batch['input_ids'], attention_mask=batch['attention_mask']).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch['shift_labels'].flatten(), ignore_index=-100)


def batch_of(seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 24, (3, 10), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    mask[2, 8:] = 0
    ids[mask == 0] = 0
    labels = torch.where(mask == 1, ids, -100)
    labels[:, :2] = -100
    return dict(input_ids=ids, attention_mask=mask, labels=labels, shift_labels=shifted(labels))


def logits_of(model, batch):
    with torch.no_grad():
        return model(input_ids=batch['input_ids'], attention_mask=batch['attention_mask']).logits


def make(name, index):
    kind, config, variants = CASES[name]
    folder = os.path.join(OUT, name)
    shutil.rmtree(folder, ignore_errors=True)
    base = model_of(kind, config)
    randomize(base, 100 + index, -0.2 if kind.startswith('gemma') else 0.8)
    state = {key: value.clone() for key, value in base.state_dict().items()}
    batch = batch_of(200 + index)
    expected, tensors = {'variants': []}, {}
    for label, changes in variants.items():
        other = model_of(kind, {**config, **changes})
        other.load_state_dict(state)
        expected['variants'].append(dict(name=label, config=changes))
        tensors['logits.variant.' + label] = logits_of(other, batch)
    tensors['logits.base'] = logits_of(base, batch)
    expected['loss_base'] = loss_of(base, batch).item()
    # Another model, since half() would round the rotary frequencies too.
    stored = model_of(kind, config)
    stored.load_state_dict(state)
    stored.half().save_pretrained(os.path.join(folder, 'checkpoint'))

    torch.manual_seed(300 + index)
    targets = [n for n, m in base.named_modules() if '.0.' in n and getattr(m, 'weight', torch.empty(0)).dim() == 2]
    lora = LoraConfig(r=2, lora_alpha=4, target_modules=targets, task_type='CAUSAL_LM', fan_in_fan_out=kind == 'gpt2')
    model = get_peft_model(base, lora).double()
    factors = {n.replace('.default', ''): p for n, p in model.named_parameters() if 'lora_' in n}
    with torch.no_grad():
        for parameter in factors.values():
            parameter.copy_((0.3 * torch.randn_like(parameter)).half().double())
    model.save_pretrained(os.path.join(folder, 'lora'))
    path = os.path.join(folder, 'lora/adapter_model.safetensors')
    save_file({n: plain_to(p.detach(), torch.float32).contiguous() for n, p in factors.items()}, path)
    os.remove(os.path.join(folder, 'lora/README.md'))
    os.remove(os.path.join(folder, 'checkpoint/generation_config.json'))
    start = {n: p.detach().clone() for n, p in factors.items()}

    tensors['logits.lora'] = logits_of(model, batch)
    loss = loss_of(model, batch)
    expected['loss_lora'] = loss.item()
    loss.backward()
    tensors.update({'grad.' + n: p.grad.clone() for n, p in factors.items()})
    expected['grad_norm'] = torch.sqrt(sum((p.grad**2).sum() for p in factors.values())).item()
    settings = dict(adamw=dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01), sgd=dict(lr=0.1))
    for optimizer, options in settings.items():
        with torch.no_grad():
            for n, p in factors.items():
                p.copy_(start[n])
        kind_of = torch.optim.AdamW if optimizer == 'adamw' else torch.optim.SGD
        stepper = kind_of(factors.values(), **options)
        losses = []
        for _ in range(3):
            stepper.zero_grad()
            loss = loss_of(model, batch)
            losses.append(loss.item())
            loss.backward()
            stepper.step()
        losses.append(loss_of(model, batch).item())
        tensors.update({f'{optimizer}.step3.{n}': p.detach().clone() for n, p in factors.items()})
        expected[optimizer] = dict(options, steps=3, losses=losses)

    modules = {}
    for n, p in factors.items():
        key = n.removeprefix('base_model.model.').rsplit('.lora_', 1)
        size = modules.setdefault(key[0], {})
        size['in' if key[1].startswith('A') else 'out'] = p.shape[1 if key[1].startswith('A') else 0]
    meta = dict(architecture=name, task='causal-lm', seed=index, model_class=type(base).__name__,
                peft=dict(r=2, lora_alpha=4, scaling=2.0, target_modules=targets, fan_in_fan_out=kind == 'gpt2'),
                adapted_modules=modules, onnx={})
    write = lambda file, value: json.dump(value, open(os.path.join(folder, file), 'w'), separators=(',', ':'))
    write('batch.json', {key: value.tolist() for key, value in batch.items()})
    write('expected.json', expected)
    write('meta.json', meta)
    save_file({n: plain_to(t, torch.float32).contiguous() for n, t in tensors.items()},
              os.path.join(folder, 'expected.safetensors'))
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs)
    print(name, size, 'bytes, loss', expected['loss_base'], expected['loss_lora'])


if __name__ == '__main__':
    for index, name in enumerate(CASES):
        make(name, index)
