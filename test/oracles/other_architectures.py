"""More tiny configurations for make_more_goldens.py: newer decoders, mixtures of experts, state spaces, decoders of encoder-decoders."""

import transformers as hf

V, H, HEADS = 23, 12, 3
COMMON = dict(vocab_size=V, hidden_size=H, num_hidden_layers=2, num_attention_heads=HEADS, max_position_embeddings=16, intermediate_size=20)
ENCODER = dict(COMMON, num_labels=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
DECODER = dict(COMMON, pad_token_id=0, bos_token_id=1, eos_token_id=2)
GROUPED = dict(DECODER, num_key_value_heads=1)
QV = ["q_proj", "v_proj"]
SELF_QV = ["self_attn.q_proj", "self_attn.v_proj"]
BERT_QV = ["query", "value"]
SEQ2SEQ = dict(
    vocab_size=V, d_model=H, encoder_layers=2, decoder_layers=2, encoder_attention_heads=HEADS, decoder_attention_heads=HEADS,
    encoder_ffn_dim=20, decoder_ffn_dim=20, max_position_embeddings=16, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
    pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=2)


def cls(config, name, targets, **more):
    return "cls", lambda: getattr(hf, f"{config}Config")(**more), getattr(hf, f"{name}ForSequenceClassification"), targets


def tokens(config, name, targets, **more):
    return "tokens", lambda: getattr(hf, f"{config}Config")(**more), getattr(hf, f"{name}ForTokenClassification"), targets


def lm(name, targets, model=None, config=None, **more):
    return "lm", lambda: getattr(hf, f"{config or name}Config")(**more), getattr(hf, model or f"{name}ForCausalLM"), targets


MODELS = {
    # Encoders
    "camembert": tokens("Camembert", "Camembert", BERT_QV, **dict(ENCODER, pad_token_id=0)),
    "roberta-prelayernorm": cls("RobertaPreLayerNorm", "RobertaPreLayerNorm", BERT_QV, **dict(ENCODER, pad_token_id=0)),
    "xlm-roberta-xl": cls("XLMRobertaXL", "XLMRobertaXL", BERT_QV, **dict(ENCODER, pad_token_id=0)),
    "data2vec-text": cls("Data2VecText", "Data2VecText", BERT_QV, **dict(ENCODER, pad_token_id=0)),
    "xmod": cls("Xmod", "Xmod", BERT_QV, **dict(ENCODER, pad_token_id=0, languages=["en_XX"], default_language="en_XX")),
    "esm": cls("Esm", "Esm", BERT_QV, **dict(
        ENCODER, pad_token_id=0, mask_token_id=22, position_embedding_type="rotary", token_dropout=True)),
    "gte": cls("Gte", "Gte", ["o_proj", "down_proj"], **dict(ENCODER, pad_token_id=0)),
    "rocbert": cls("RoCBert", "RoCBert", BERT_QV, **dict(
        ENCODER, pronunciation_vocab_size=V, pronunciation_embed_dim=5, shape_vocab_size=V, shape_embed_dim=5, enable_pronunciation=False,
        enable_shape=False)),
    "layoutlm": tokens("LayoutLM", "LayoutLM", BERT_QV, **dict(ENCODER, max_2d_position_embeddings=8)),
    "deberta-v2-conv": cls("DebertaV2", "DebertaV2", ["query_proj", "dense"], **dict(
        ENCODER, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=4, norm_rel_ebd="layer_norm", conv_kernel_size=3,
        conv_act="gelu", pad_token_id=0)),
    "albert-tokens": tokens("Albert", "Albert", BERT_QV, **dict(
        ENCODER, embedding_size=7, num_hidden_groups=2, hidden_act="gelu_new", pad_token_id=0)),
    "modernbert-tokens": tokens("ModernBert", "ModernBert", ["Wqkv", "Wi"], **dict(
        COMMON, pad_token_id=0, local_attention=4, global_attn_every_n_layers=2, num_labels=3, attention_dropout=0.0, mlp_dropout=0.0,
        embedding_dropout=0.0, classifier_dropout=0.0)),
    "umt5": tokens("UMT5", "UMT5", ["q", "v"], **dict(
        vocab_size=V, d_model=H, d_kv=4, d_ff=20, num_layers=2, num_heads=HEADS, dropout_rate=0.0, num_labels=3,
        relative_attention_num_buckets=6, relative_attention_max_distance=8)),
    # As few positions as the text has.
    "bert-short": cls("Bert", "Bert", BERT_QV, **dict(ENCODER, max_position_embeddings=6)),
    "gpt2-short": lm("GPT2", ["c_attn"], model="GPT2LMHeadModel", **dict(
        vocab_size=V, n_embd=H, n_layer=2, n_head=HEADS, n_positions=6, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)),
    # Decoders
    "bert-generation": lm("BertGeneration", BERT_QV, model="BertGenerationDecoder", **dict(
        ENCODER, is_decoder=True, pad_token_id=0)),
    "bert-lm": lm("Bert", BERT_QV, model="BertLMHeadModel", **dict(ENCODER, is_decoder=True, pad_token_id=0)),
    "bart": lm("Bart", SELF_QV, **SEQ2SEQ),
    "mbart": lm("MBart", SELF_QV, **SEQ2SEQ),
    "marian": lm("Marian", SELF_QV, **SEQ2SEQ),
    "pegasus": lm("Pegasus", SELF_QV, **SEQ2SEQ),
    "blenderbot": lm("Blenderbot", SELF_QV, **SEQ2SEQ),
    "blenderbot-small": lm("BlenderbotSmall", SELF_QV, **SEQ2SEQ),
    "plbart": lm("PLBart", SELF_QV, **SEQ2SEQ),
    "trocr": lm("TrOCR", SELF_QV, **dict(
        vocab_size=V, d_model=H, decoder_layers=2, decoder_attention_heads=HEADS, decoder_ffn_dim=20, max_position_embeddings=16, dropout=0.0,
        use_learned_position_embeddings=False, layernorm_embedding=True, pad_token_id=0, bos_token_id=1, eos_token_id=2)),
    "gpt-neox-japanese": lm("GPTNeoXJapanese", ["query_key_value"], **dict(
        DECODER, intermediate_multiple_size=2, hidden_dropout=0.0, attention_dropout=0.0)),
    "helium": lm("Helium", QV, **dict(GROUPED, head_dim=4)),
    "gemma": lm("Gemma", QV, **dict(GROUPED, head_dim=4)),
    "gemma3": lm("Gemma3", QV, config="Gemma3Text", **dict(
        GROUPED, head_dim=4, sliding_window=3, query_pre_attn_scalar=4, layer_types=["sliding_attention", "full_attention"])),
    "gemma3n": lm("Gemma3n", QV, config="Gemma3nText", **dict(
        GROUPED, head_dim=4, sliding_window=3, layer_types=["sliding_attention", "full_attention"], vocab_size_per_layer_input=V,
        hidden_size_per_layer_input=4, altup_num_inputs=2, laurel_rank=2, num_kv_shared_layers=0, activation_sparsity_pattern=[0.5, 0.0])),
    "mistral": lm("Mistral", QV, **dict(GROUPED, sliding_window=3)),
    "ministral": lm("Ministral", QV, **dict(GROUPED, sliding_window=3, head_dim=4)),
    "qwen2": lm("Qwen2", QV, **dict(GROUPED)),
    "qwen3": lm("Qwen3", QV, **dict(GROUPED, head_dim=4)),
    "seed-oss": lm("SeedOss", QV, **dict(GROUPED, head_dim=4)),
    "ernie4-5": lm("Ernie4_5", QV, **dict(GROUPED, head_dim=4)),
    "hunyuan": lm("HunYuanDenseV1", QV, **dict(GROUPED, head_dim=4)),
    "apertus": lm("Apertus", QV, **GROUPED),
    "nanochat": lm("NanoChat", QV, **dict(GROUPED)),
    "bitnet": lm("BitNet", QV, **GROUPED),
    "diffllama": lm("DiffLlama", QV, **dict(DECODER, num_attention_heads=4, hidden_size=16, num_key_value_heads=2)),
    "doge": lm("Doge", QV, **GROUPED),
    "cwm": lm("Cwm", QV, **dict(GROUPED, head_dim=4, sliding_window=3)),
    "jais2": lm("Jais2", QV, **dict(GROUPED, head_dim=4)),
    "llama-rope": lm("Llama", QV, **dict(
        DECODER, num_key_value_heads=3, attention_bias=True, mlp_bias=True,
        rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8})),
    "llama-yarn": lm("Llama", QV, **dict(
        DECODER, num_key_value_heads=1, rope_parameters={
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0, "original_max_position_embeddings": 8})),
    "llama-dynamic": lm("Llama", QV, **dict(
        DECODER, num_key_value_heads=1, rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0})),
    "phi-bias": lm("Phi", ["q_proj", "fc1", "dense"], **dict(
        DECODER, partial_rotary_factor=0.5, qk_layernorm=True, resid_pdrop=0.0, embd_pdrop=0.0)),
    # Mixtures of experts; the adapters are outside of the experts.
    "mixtral": lm("Mixtral", QV, **dict(GROUPED, num_local_experts=3, num_experts_per_tok=2)),
    "olmoe": lm("Olmoe", QV, **dict(GROUPED, num_experts=3, num_experts_per_tok=2)),
    "granitemoe": lm("GraniteMoe", QV, **dict(GROUPED, num_local_experts=3, num_experts_per_tok=2)),
    "qwen2-moe": lm("Qwen2Moe", QV, **dict(
        GROUPED, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=8)),
    "phimoe": lm("Phimoe", QV, **dict(GROUPED, num_local_experts=3, num_experts_per_tok=2)),
    "gpt-oss": lm("GptOss", QV, **dict(GROUPED, head_dim=4, num_local_experts=3, num_experts_per_tok=2, sliding_window=3)),
    "deepseek-v2": lm("DeepseekV2", ["q_proj", "kv_b_proj"], **dict(
        DECODER, num_key_value_heads=3, q_lora_rank=None, kv_lora_rank=6, qk_nope_head_dim=4, qk_rope_head_dim=4, v_head_dim=4,
        first_k_dense_replace=2, n_routed_experts=2, num_experts_per_tok=1, moe_intermediate_size=8, n_group=1, topk_group=1)),
    "deepseek-v3": lm("DeepseekV3", ["q_b_proj", "kv_b_proj"], **dict(
        DECODER, num_key_value_heads=3, q_lora_rank=5, kv_lora_rank=6, qk_nope_head_dim=4, qk_rope_head_dim=4, v_head_dim=4,
        first_k_dense_replace=2, n_routed_experts=2, num_experts_per_tok=1, moe_intermediate_size=8, n_group=1, topk_group=1)),
    "dbrx": lm("Dbrx", ["Wqkv"], **dict(
        vocab_size=V, d_model=H, n_heads=HEADS, n_layers=2, max_seq_len=16, pad_token_id=0,
        attn_config={"kv_n_heads": 1, "clip_qkv": 2.5, "attn_pdrop": 0.0, "rope_theta": 10000.0},
        ffn_config={"ffn_hidden_size": 8, "moe_num_experts": 3, "moe_top_k": 2})),
    # State spaces, linear attention, recurrences
    "mamba": lm("Mamba", ["in_proj", "x_proj"], **dict(
        vocab_size=V, hidden_size=H, state_size=4, num_hidden_layers=2, expand=2, conv_kernel=3, time_step_rank=3, pad_token_id=0)),
    "mamba2": lm("Mamba2", ["in_proj"], **dict(
        vocab_size=V, hidden_size=H, state_size=4, num_hidden_layers=2, expand=2, conv_kernel=3, head_dim=4, num_heads=6, n_groups=1,
        chunk_size=4, pad_token_id=0)),
    "qwen3-next": lm("Qwen3Next", ["q_proj", "out_proj"], **dict(
        GROUPED, head_dim=4, linear_num_key_heads=1, linear_num_value_heads=2, linear_key_head_dim=4, linear_value_head_dim=4,
        linear_conv_kernel_dim=3, num_experts=2, num_experts_per_tok=1, moe_intermediate_size=8, shared_expert_intermediate_size=8,
        mlp_only_layers=[0, 1], layer_types=["linear_attention", "full_attention"])),
}
