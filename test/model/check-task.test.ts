import { rm } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { checkTask } from '../../src/model/check-task.js';
import { tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

it('compares labels, their order, and the length of texts', async () => {
  const folder = await tinyCheckpoint();
  const bundle = await tinyBundle(folder);
  const task = { kind: 'text-classification' as const, labels: ['ham', 'spam', 'neither'], maxTokens: 20 };
  checkTask(bundle, task);
  expect(() => checkTask(bundle, { ...task, labels: ['spam', 'ham', 'neither'] })).toThrow(/in this order/);
  expect(() => checkTask(bundle, { ...task, labels: ['ham', 'spam'] })).toThrow(
    /made for ham, spam, neither/,
  );
  expect(() => checkTask(bundle, { ...task, maxTokens: 21 })).toThrow(/21 is more than the 20 tokens/);
  await rm(folder, { recursive: true });
});
