import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeIssues } from '../src/read-config.js';

describe('issues of a schema', () => {
  it.each([
    [z.object({ rank: z.int().min(1) }), { rank: 0 }, 'rank: must be at least 1'],
    [z.object({ rate: z.number().positive() }), { rate: 0 }, 'rate: must be more than 0'],
    [z.object({ port: z.int().max(65_535) }), { port: 99_999 }, 'port: must be at most 65535'],
    [z.object({ beta: z.number().lt(1) }), { beta: 1 }, 'beta: must be less than 1'],
    [z.object({ name: z.string().min(1) }), { name: '' }, 'name: must have at least 1 characters'],
    [z.object({ of: z.array(z.string()).max(1) }), { of: ['a', 'b'] }, 'of: must have at most 1 entries'],
    [z.int().min(1), 0, '(top level): must be at least 1'],
  ])('say what a value must be: %#', (schema: z.ZodType, value: unknown, text) => {
    expect(describeIssues(schema.safeParse(value).error!)).toBe(text);
  });

  it('keep the text that a schema has of its own, one after the other, with places', () => {
    const schema = z.object({ a: z.array(z.int().min(1, 'must be a count')), b: z.int().min(2) });
    const { error } = schema.safeParse({ a: [1, 0], b: 1 });
    expect(describeIssues(error!)).toBe('a.1: must be a count; b: must be at least 2');
  });
});
