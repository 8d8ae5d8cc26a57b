/**
 * Rows of a query or key matrix (out × in) in the order of Hugging Face's Llama. llama2.c turns neighbouring dimensions
 * (2i, 2i + 1) of a head together, Hugging Face dimension i with i + dim / 2: the same model with its rows reordered
 * (transformers, convert_llama_weights_to_hf.py: permute).
 */
export function halvesFromPairs(
  matrix: Float32Array,
  heads: number,
  [rows = 0, columns = 0]: readonly number[],
): Float32Array {
  const out = new Float32Array(matrix.length);
  const dim = rows / heads;
  const half = dim / 2;
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < dim; i++) {
      const from = head * dim + (i < half ? 2 * i : 2 * (i - half) + 1);
      out.set(matrix.subarray(from * columns, (from + 1) * columns), (head * dim + i) * columns);
    }
  return out;
}
