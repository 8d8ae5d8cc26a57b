/** Side of the square tiles: two of them (float32) stay in the first-level cache. */
const TILE = 32;

/** A row-major rows × columns matrix as columns × rows. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < columns; left += TILE) {
      const bottom = Math.min(top + TILE, rows);
      const right = Math.min(left + TILE, columns);
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++)
          out[column * rows + row] = matrix[row * columns + column]!;
    }
  return out;
}
