"""Makes golden folders of architectures that no other test names, to show that training from ONNX is not fitted to the files it was built on.

    .cache/venv/bin/python test/oracles/make_more_goldens.py OUT [NAME…]     or {"out", "names"} as JSON on standard input

Tiny random models of transformers, odd sizes, exported by both exporters of torch.onnx at several opsets, two of the files once more as
ONNX Runtime optimizes them, with what PyTorch + PEFT compute from them (make_golden.py). What an exporter cannot write is said and left out. Needs the packages of requirements-peft.txt.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path

import torch
import transformers as hf
from make_golden import SEQUENCE, make
from other_architectures import MODELS as OTHER

H, HEADS, VOCABULARY = 12, 3, 23
COMMON = dict(vocab_size=VOCABULARY, hidden_size=H, num_hidden_layers=2, num_attention_heads=HEADS, max_position_embeddings=16)
ENCODER = dict(COMMON, intermediate_size=20, id2label={i: f"class {i}" for i in range(3)}, hidden_dropout_prob=0.0,
               attention_probs_dropout_prob=0.0)
DECODER = dict(COMMON, intermediate_size=20)
NO_DROPOUT = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
# head_dim 4: rotary halves of 2.

MODELS = {
    "albert": ("cls", lambda: hf.AlbertConfig(**dict(ENCODER, embedding_size=7)), hf.AlbertForSequenceClassification, ["query", "value"]),
    "xlm-roberta": ("cls", lambda: hf.XLMRobertaConfig(**ENCODER), hf.XLMRobertaForSequenceClassification, ["query", "value"]),
    "mpnet": ("cls", lambda: hf.MPNetConfig(**ENCODER), hf.MPNetForSequenceClassification, ["attn.q", "attn.v"]),
    "deberta-v2": ("cls", lambda: hf.DebertaV2Config(**dict(
        ENCODER, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=4, norm_rel_ebd="layer_norm",
        share_att_key=True)), hf.DebertaV2ForSequenceClassification, ["query_proj", "value_proj"]),
    "deberta": ("cls", lambda: hf.DebertaConfig(**dict(
        ENCODER, relative_attention=True, pos_att_type=["c2p", "p2c"])), hf.DebertaForSequenceClassification, ["in_proj"]),
    "modernbert": ("cls", lambda: hf.ModernBertConfig(
        vocab_size=VOCABULARY, hidden_size=H, num_hidden_layers=3, num_attention_heads=HEADS, intermediate_size=20,
        max_position_embeddings=16, pad_token_id=0, local_attention=4, global_attn_every_n_layers=2, num_labels=3,
        attention_dropout=0.0, mlp_dropout=0.0, embedding_dropout=0.0, classifier_dropout=0.0, reference_compile=False),
        hf.ModernBertForSequenceClassification, ["Wqkv", "Wo"]),
    "roformer": ("cls", lambda: hf.RoFormerConfig(**dict(ENCODER, hidden_size=12)), hf.RoFormerForSequenceClassification, ["query", "value"]),
    "squeezebert": ("cls", lambda: hf.SqueezeBertConfig(**dict(
        ENCODER, embedding_size=H, q_groups=1, k_groups=1, v_groups=1, post_attention_groups=1, intermediate_groups=1, output_groups=1)),
        hf.SqueezeBertForSequenceClassification, ["dense"]),
    "opt": ("lm", lambda: hf.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=H, num_hidden_layers=2, num_attention_heads=HEADS, ffn_dim=20, max_position_embeddings=16,
        word_embed_proj_dim=8, dropout=0.0, pad_token_id=0), hf.OPTForCausalLM, ["q_proj", "v_proj"]),
    "gpt-neox": ("lm", lambda: hf.GPTNeoXConfig(**DECODER, rotary_pct=0.5, use_parallel_residual=True), hf.GPTNeoXForCausalLM,
                 ["query_key_value"]),
    "gpt-neo": ("lm", lambda: hf.GPTNeoConfig(
        vocab_size=VOCABULARY, hidden_size=H, num_layers=2, num_heads=HEADS, intermediate_size=20, max_position_embeddings=16,
        attention_types=[[["global", "local"], 1]], window_size=3, embed_dropout=0.0, attention_dropout=0.0, resid_dropout=0.0),
        hf.GPTNeoForCausalLM, ["q_proj", "v_proj"]),
    "gptj": ("lm", lambda: hf.GPTJConfig(
        vocab_size=VOCABULARY, n_embd=H, n_layer=2, n_head=HEADS, n_inner=20, n_positions=16, rotary_dim=2, **NO_DROPOUT),
        hf.GPTJForCausalLM, ["q_proj", "v_proj"]),
    "codegen": ("lm", lambda: hf.CodeGenConfig(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_inner=20, n_positions=16, n_ctx=16, rotary_dim=2, **NO_DROPOUT),
        hf.CodeGenForCausalLM, ["qkv_proj"]),
    "falcon": ("lm", lambda: hf.FalconConfig(
        vocab_size=VOCABULARY, hidden_size=H, num_hidden_layers=2, num_attention_heads=HEADS, max_position_embeddings=16, alibi=False,
        multi_query=True, parallel_attn=True, hidden_dropout=0.0, attention_dropout=0.0), hf.FalconForCausalLM, ["query_key_value"]),
    "bloom": ("lm", lambda: hf.BloomConfig(
        vocab_size=VOCABULARY, hidden_size=H, n_layer=2, n_head=HEADS, hidden_dropout=0.0, attention_dropout=0.0),
        hf.BloomForCausalLM, ["query_key_value"]),
    "cohere": ("lm", lambda: hf.CohereConfig(**DECODER, num_key_value_heads=1, logit_scale=0.5, use_qk_norm=True), hf.CohereForCausalLM,
               ["q_proj", "v_proj"]),
    "olmo": ("lm", lambda: hf.OlmoConfig(**DECODER, clip_qkv=2.5), hf.OlmoForCausalLM, ["q_proj", "v_proj"]),
    "olmo2": ("lm", lambda: hf.Olmo2Config(**DECODER), hf.Olmo2ForCausalLM, ["q_proj", "v_proj"]),
    "stablelm": ("lm", lambda: hf.StableLmConfig(**DECODER, partial_rotary_factor=0.5, use_qkv_bias=True, num_key_value_heads=HEADS), hf.StableLmForCausalLM,
                 ["q_proj", "v_proj"]),
    "phi": ("lm", lambda: hf.PhiConfig(**DECODER, partial_rotary_factor=0.5, resid_pdrop=0.0, embd_pdrop=0.0), hf.PhiForCausalLM,
            ["q_proj", "v_proj"]),
    "granite": ("lm", lambda: hf.GraniteConfig(**DECODER, num_key_value_heads=1, logits_scaling=2.0, residual_multiplier=0.7),
                hf.GraniteForCausalLM, ["q_proj", "v_proj"]),
    "starcoder2": ("lm", lambda: hf.Starcoder2Config(**DECODER, num_key_value_heads=1, residual_dropout=0.0, embedding_dropout=0.0),
                   hf.Starcoder2ForCausalLM, ["q_proj", "v_proj"]),
    "convbert": ("cls", lambda: hf.ConvBertConfig(**dict(
        ENCODER, embedding_size=12, conv_kernel_size=3, head_ratio=1, num_groups=1)), hf.ConvBertForSequenceClassification, ["query", "value"]),
    "nystromformer": ("cls", lambda: hf.NystromformerConfig(**dict(ENCODER, num_landmarks=6, segment_means_seq_len=6)),
                      hf.NystromformerForSequenceClassification, ["query", "value"]),
    "fnet": ("cls", lambda: hf.FNetConfig(
        vocab_size=VOCABULARY, hidden_size=H, num_hidden_layers=2, intermediate_size=20, hidden_dropout_prob=0.0,
        max_position_embeddings=16, num_labels=3), hf.FNetForSequenceClassification, ["intermediate.dense"]),
    "electra": ("cls", lambda: hf.ElectraConfig(**dict(ENCODER, embedding_size=7)), hf.ElectraForSequenceClassification, ["query", "value"]),
    "mobilebert": ("cls", lambda: hf.MobileBertConfig(**dict(
        ENCODER, embedding_size=8, intra_bottleneck_size=12, true_hidden_size=12, num_feedforward_networks=2, hidden_size=24)),
        hf.MobileBertForSequenceClassification, ["query", "value"]),
    "xlm": ("cls", lambda: hf.XLMConfig(
        vocab_size=VOCABULARY, emb_dim=12, n_layers=2, n_heads=3, dropout=0.0, attention_dropout=0.0, max_position_embeddings=16,
        num_labels=3), hf.XLMForSequenceClassification, ["q_lin", "v_lin"]),
    "gpt2-classifier": ("cls", lambda: hf.GPT2Config(
        vocab_size=VOCABULARY, n_embd=H, n_layer=2, n_head=HEADS, n_positions=16, pad_token_id=0, num_labels=3, **NO_DROPOUT),
        hf.GPT2ForSequenceClassification, ["c_attn"]),
    "llama-classifier": ("cls", lambda: hf.LlamaConfig(**dict(DECODER, pad_token_id=0, num_labels=3)),
                         hf.LlamaForSequenceClassification, ["q_proj", "v_proj"]),
    "bert-mish": ("cls", lambda: hf.BertConfig(**dict(ENCODER, hidden_act="mish")), hf.BertForSequenceClassification, ["query", "dense"]),
    "gemma2": ("lm", lambda: hf.Gemma2Config(**dict(
        DECODER, head_dim=4, num_key_value_heads=1, sliding_window=3, query_pre_attn_scalar=4)), hf.Gemma2ForCausalLM,
        ["q_proj", "v_proj"]),
    "phi3": ("lm", lambda: hf.Phi3Config(**dict(DECODER, pad_token_id=0, num_key_value_heads=3)), hf.Phi3ForCausalLM,
             ["qkv_proj", "gate_up_proj"]),
    "falcon-alibi": ("lm", lambda: hf.FalconConfig(
        vocab_size=VOCABULARY, hidden_size=H, num_hidden_layers=2, num_attention_heads=HEADS, alibi=True, multi_query=False,
        parallel_attn=False, hidden_dropout=0.0, attention_dropout=0.0), hf.FalconForCausalLM, ["query_key_value"]),
    "gpt-bigcode": ("lm", lambda: hf.GPTBigCodeConfig(
        vocab_size=VOCABULARY, n_embd=H, n_layer=2, n_head=HEADS, n_positions=16, multi_query=True, **NO_DROPOUT),
        hf.GPTBigCodeForCausalLM, ["c_attn"]),
    "mpt": ("lm", lambda: hf.MptConfig(
        vocab_size=VOCABULARY, d_model=H, n_heads=HEADS, n_layers=2, max_seq_len=16, resid_pdrop=0.0, emb_pdrop=0.0), hf.MptForCausalLM,
        ["Wqkv"]),
    "glm": ("lm", lambda: hf.GlmConfig(**dict(DECODER, head_dim=4, num_key_value_heads=1, pad_token_id=0)), hf.GlmForCausalLM,
            ["q_proj", "v_proj"]),
    "nemotron": ("lm", lambda: hf.NemotronConfig(**DECODER, num_key_value_heads=3, head_dim=4), hf.NemotronForCausalLM,
                 ["q_proj", "v_proj"]),
    "longformer": ("cls", lambda: hf.LongformerConfig(**dict(ENCODER, attention_window=4)), hf.LongformerForSequenceClassification,
                   ["query", "value"]),
    "funnel": ("cls", lambda: hf.FunnelConfig(
        vocab_size=VOCABULARY, block_sizes=[1, 1], num_decoder_layers=1, d_model=H, n_head=HEADS, d_head=4, d_inner=20, num_labels=3,
        hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0), hf.FunnelForSequenceClassification, ["q_head", "v_head"]),
    "rembert": ("cls", lambda: hf.RemBertConfig(**dict(ENCODER, input_embedding_size=7, output_embedding_size=9, classifier_dropout_prob=0.0)),
                hf.RemBertForSequenceClassification, ["query", "value"]),
    "megatron-bert": ("cls", lambda: hf.MegatronBertConfig(**ENCODER), hf.MegatronBertForSequenceClassification, ["query", "value"]),
    "ernie": ("cls", lambda: hf.ErnieConfig(**ENCODER), hf.ErnieForSequenceClassification, ["query", "value"]),
    "luke": ("cls", lambda: hf.LukeConfig(**dict(ENCODER, entity_vocab_size=5, entity_emb_size=6)), hf.LukeForSequenceClassification,
             ["query", "value"]),
    "big-bird": ("cls", lambda: hf.BigBirdConfig(**dict(ENCODER, attention_type="original_full")), hf.BigBirdForSequenceClassification,
                 ["query", "value"]),
    "xlnet": ("cls", lambda: hf.XLNetConfig(
        vocab_size=VOCABULARY, d_model=H, n_layer=2, n_head=HEADS, d_inner=20, dropout=0.0, summary_last_dropout=0.0, num_labels=3),
        hf.XLNetForSequenceClassification, ["layer_1", "layer_2"]),
    "t5": ("tokens", lambda: hf.T5Config(
        vocab_size=VOCABULARY, d_model=H, d_kv=4, d_ff=20, num_layers=2, num_heads=HEADS, dropout_rate=0.0, num_labels=3, eos_token_id=1,
        relative_attention_num_buckets=6, relative_attention_max_distance=8, feed_forward_proj="gated-gelu"),
        hf.T5ForTokenClassification, ["q", "v"]),
    "nomic-bert": ("cls", lambda: hf.NomicBertConfig(**ENCODER), hf.NomicBertForSequenceClassification, ["q_proj", "v_proj"]),
    "eurobert": ("cls", lambda: hf.EuroBertConfig(**dict(DECODER, pad_token_id=0, num_labels=3, num_key_value_heads=1)), hf.EuroBertForSequenceClassification,
                 ["q_proj", "v_proj"]),
    "smollm3": ("lm", lambda: hf.SmolLM3Config(**dict(DECODER, pad_token_id=0, num_key_value_heads=1, no_rope_layers=[1, 0])),
                hf.SmolLM3ForCausalLM, ["q_proj", "v_proj"]),
    "distilgpt2": ("lm", lambda: hf.GPT2Config(
        vocab_size=VOCABULARY, n_embd=10, n_layer=1, n_head=2, n_positions=16, scale_attn_by_inverse_layer_idx=True, **NO_DROPOUT),
        hf.GPT2LMHeadModel, ["c_attn", "c_fc"]),
    "llama": ("lm", lambda: hf.LlamaConfig(**dict(DECODER, num_key_value_heads=1)), hf.LlamaForCausalLM, ["q_proj", "down_proj"]),
    "bert": ("cls", lambda: hf.BertConfig(**ENCODER), hf.BertForSequenceClassification, ["query", "value"]),
    "olmo3": ("lm", lambda: hf.Olmo3Config(**dict(DECODER, pad_token_id=0, sliding_window=3)), hf.Olmo3ForCausalLM, ["q_proj", "v_proj"]),
    "cohere2": ("lm", lambda: hf.Cohere2Config(**dict(DECODER, num_key_value_heads=1, sliding_window=3)), hf.Cohere2ForCausalLM,
                ["q_proj", "v_proj"]),
    "persimmon": ("lm", lambda: hf.PersimmonConfig(**dict(DECODER, partial_rotary_factor=0.5)), hf.PersimmonForCausalLM,
                  ["query_key_value"]),
    "arcee": ("lm", lambda: hf.ArceeConfig(**dict(DECODER, num_key_value_heads=1)), hf.ArceeForCausalLM, ["q_proj", "v_proj"]),
    "exaone4": ("lm", lambda: hf.Exaone4Config(**dict(DECODER, num_key_value_heads=1, sliding_window=3)), hf.Exaone4ForCausalLM,
                ["q_proj", "v_proj"]),
    "biogpt": ("lm", lambda: hf.BioGptConfig(
        **DECODER, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, activation_dropout=0.0, layerdrop=0.0),
        hf.BioGptForCausalLM, ["q_proj", "v_proj"]),
    "xglm": ("lm", lambda: hf.XGLMConfig(
        vocab_size=VOCABULARY, d_model=H, num_layers=2, attention_heads=HEADS, ffn_dim=20, max_position_embeddings=16, dropout=0.0,
        attention_dropout=0.0, activation_dropout=0.0), hf.XGLMForCausalLM, ["q_proj", "v_proj"]),
    "openai-gpt": ("lm", lambda: hf.OpenAIGPTConfig(
        vocab_size=VOCABULARY, n_embd=H, n_layer=2, n_head=HEADS, n_positions=16, **NO_DROPOUT), hf.OpenAIGPTLMHeadModel, ["c_attn"]),
    "ctrl": ("lm", lambda: hf.CTRLConfig(
        vocab_size=VOCABULARY, n_embd=H, dff=20, n_layer=2, n_head=HEADS, n_positions=16, resid_pdrop=0.0, embd_pdrop=0.0),
        hf.CTRLLMHeadModel, ["Wq", "Wv"]),
    "glm4": ("lm", lambda: hf.Glm4Config(**dict(DECODER, head_dim=4, num_key_value_heads=1, pad_token_id=0)), hf.Glm4ForCausalLM,
             ["q_proj", "v_proj"]),
    "lfm2": ("lm", lambda: hf.Lfm2Config(**dict(DECODER, num_key_value_heads=1, pad_token_id=0, layer_types=["conv", "full_attention"])),
             hf.Lfm2ForCausalLM, ["q_proj", "in_proj"]),
    "qwen3-moe": ("lm", lambda: hf.Qwen3MoeConfig(**dict(
        DECODER, num_key_value_heads=1, head_dim=4, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=8)),
        hf.Qwen3MoeForCausalLM, ["q_proj", "v_proj"]),
}

TASKS = {"lm": "causal-lm", "cls": "sequence-classification", "tokens": "token-classification"}

# Written a second time, as ONNX Runtime optimizes them.
OPTIMIZED = ["model.onnx", "model-legacy17.onnx"]

SAID = []


def say(**what):
    SAID.append(what)
    print(json.dumps(what), file=sys.stderr, flush=True)


# file: exporter, opset, dynamic axes
EXPORTS = {
    "model.onnx": (True, 18, True),
    "model-op21.onnx": (True, 21, True),
    "model-op23.onnx": (True, 23, True),
    "model-legacy14.onnx": (False, 14, True),
    "model-legacy17.onnx": (False, 17, True),
    "model-static.onnx": (False, 17, False),
}


def export_all(model, batch, folder):
    """Every file that the exporters manage; other sizes than the batch's are traced, so that what was frozen by mistake shows."""

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits

    class Classes(Logits):
        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).logits

    wrapped = (Logits if hasattr(model, "generate") and batch["labels"].ndim == 2 else Classes)().eval()
    names = ["input_ids", "attention_mask"]
    written = []
    for file, (dynamo, opset, dynamic) in EXPORTS.items():
        rows, length = (2, 5 if SEQUENCE != 5 else 4) if dynamic else batch["input_ids"].shape
        args = tuple(batch[name].tile(2, 5)[:rows, :length].contiguous() for name in names)
        path = folder / file
        try:
            if dynamo:
                axes = tuple({0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=16)} for _ in names)
                torch.onnx.export(wrapped, args, str(path), dynamo=True, opset_version=opset, input_names=names, external_data=False,
                                  output_names=["logits"], dynamic_shapes=axes if dynamic else None, verbose=False)
            else:
                axes = {name: {0: "batch", 1: "sequence"} for name in names} if dynamic else None
                torch.onnx.export(wrapped, args, str(path), dynamo=False, opset_version=opset, input_names=names,
                                  output_names=["logits"], dynamic_axes=axes)
            written.append(file)
        except Exception as error:
            path.unlink(missing_ok=True)
            say(folder=folder.name, file=file, export=str(error).strip().split("\n")[0][:200])
    return [*written, *optimized(folder, written)]


def optimized(folder, written):
    """The same graphs as ONNX Runtime rewrites them for its CPU kernels, where its Python package is installed."""
    try:
        import onnxruntime
    except ImportError:
        return []
    made = []
    for file in written:
        if file not in OPTIMIZED:
            continue
        for level, tag in [("BASIC", "basic"), ("EXTENDED", "ort")]:
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
            options.log_severity_level = 4
            options.intra_op_num_threads = 1
            name = file.replace(".onnx", f"-{tag}.onnx")
            options.optimized_model_filepath = str(folder / name)
            try:
                onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
                made.append(name)
            except Exception as error:
                say(folder=folder.name, file=name, export=str(error).strip().split("\n")[0][:200])
    return made


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        out, *wanted = sys.argv[1:]
    else:
        asked = json.load(sys.stdin)
        out, wanted = asked["out"], asked["names"]
    # Exporters print what they do; standard output is for the answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    for index, (name, (task, config, model, targets)) in enumerate((MODELS | OTHER).items()):
        if wanted and name not in wanted:
            continue
        spec = {
            "task": TASKS[task],
            "config": config, "model": model, "targets": targets, "export": export_all,
        }
        try:
            first = 1000 * (index + 1)
            seed = next((seed for seed in range(first, first + 30) if make(Path(out), name, spec, seed)), None)
            say(folder=name, seed=seed)
        except Exception:
            say(folder=name, failed=traceback.format_exc(limit=-3))
    print(json.dumps(SAID), file=answer)


if __name__ == "__main__":
    main()
