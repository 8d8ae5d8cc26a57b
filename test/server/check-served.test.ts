import { describe, expect, it } from 'vitest';
import { aggregationSchema } from '../../src/run-spec.js';
import { checkServed } from '../../src/server/services/check-served.js';

const aggregation = (value: Record<string, unknown>) => aggregationSchema.parse(value);

describe('checkServed', () => {
  it('accepts what rounds carry out', () => {
    for (const method of ['fedrot', 'fedit', 'fedrot-consensus', 'fedrot-exact'])
      expect(() => {
        checkServed(aggregation({ method }));
      }).not.toThrow();
  });

  it('refuses by name the methods that ask silos for more', () => {
    for (const method of ['flora', 'fedex', 'fedsa'])
      expect(() => {
        checkServed(aggregation({ method }));
      }).toThrow(new RegExp(`method ${method} asks silos to`));
  });

  it('refuses steps that would be left out in silence', () => {
    expect(() => {
      checkServed(aggregation({ robust: { combine: { kind: 'median' } } }));
    }).toThrow(/aggregation\.robust/);
  });
});
