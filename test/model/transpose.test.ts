import { expect, it } from 'vitest';
import { transpose } from '../../src/model/transpose.js';

it.each([
  [1, 1],
  [3, 5],
  [33, 64],
  [100, 31],
  [0, 4],
])('transposes %i × %i', (rows, columns) => {
  const matrix = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const turned = transpose(matrix, rows, columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      expect(turned[column * rows + row]).toBe(row * columns + column);
  expect(transpose(turned, columns, rows)).toEqual(matrix);
});
