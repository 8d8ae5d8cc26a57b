/** Well-known operators that are refused where a trained value passes through them, and why. Every other unknown one is refused too. */
export const REFUSED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '::If': 'a condition that depends on what the inputs hold; export the model without control flow',
    '::Loop': 'control flow; export the model without it',
    '::Scan': 'control flow; export the model without it',
    '::LSTM': 'recurrent layers are not differentiated',
    '::GRU': 'recurrent layers are not differentiated',
    '::RNN': 'recurrent layers are not differentiated',
    '::SplitToSequence':
      'sequences of tensors are not differentiated; torch.onnx with dynamo=True writes none',
    '::SequenceConstruct':
      'sequences of tensors are not differentiated; torch.onnx with dynamo=True writes none',
    '::QuantizeLinear': 'rounding has no gradient; train the model before it is quantized',
    '::DynamicQuantizeLinear': 'rounding has no gradient; train the model before it is quantized',
    '::MatMulInteger': 'integer products round their input; quantize weights only (MatMulNBits)',
    '::QLinearMatMul': 'integer products round their input; quantize weights only (MatMulNBits)',
    'com.microsoft::MatMulIntegerToFloat':
      'integer products round their input; quantize weights only (MatMulNBits)',
    'com.microsoft::DynamicQuantizeMatMul':
      'integer products round their input; quantize weights only (MatMulNBits)',
    'com.microsoft::QAttention': 'integer products round their input; quantize weights only (MatMulNBits)',
    'com.microsoft::MoE': 'mixtures of experts are not differentiated',
    'com.microsoft::QMoE': 'mixtures of experts are not differentiated',
    'com.microsoft::MatMulBnb4': 'FP4 and NF4 weights; 4-bit integers (MatMulNBits) can be trained through',
    'com.microsoft::PackedAttention': 'packed sequences have no CPU kernel; export without packing',
    'com.microsoft::PackedMultiHeadAttention': 'packed sequences have no CPU kernel; export without packing',
    'com.microsoft::PagedAttention': 'a key/value cache; export the model without one',
    'com.microsoft::SparseAttention': 'block-sparse attention is not differentiated',
    'com.microsoft::DecoderMaskedMultiHeadAttention': 'a key/value cache; export the model without one',
  }),
);
