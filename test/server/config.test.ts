import { describe, expect, it } from 'vitest';
import { parseCoordinatorConfig } from '../../src/server/config.js';

describe('the configuration of a coordinator', () => {
  it('needs a data folder only, and is frozen', () => {
    const config = parseCoordinatorConfig({ dataFolder: '/data' });
    expect(config).toMatchObject({
      grpc: { host: '127.0.0.1', port: 9470 },
      http: { host: '127.0.0.1', port: 9471 },
      heartbeatIntervalMs: 5000,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it.each([
    ['an unknown key', { dataFolder: 'x', grpc: { prot: 1 } }, 'config_unknown_key', 'grpc'],
    ['no data folder', {}, 'config_invalid', 'dataFolder'],
    ['a port out of range', { dataFolder: 'x', http: { port: 70_000 } }, 'config_invalid', 'http.port'],
    ['chunks that are too large', { dataFolder: 'x', chunkBytes: 2 ** 21 }, 'config_invalid', 'chunkBytes'],
  ])('refuses %s, and says where', (_what, value, code, where) => {
    const parse = () => parseCoordinatorConfig(value, 'coordinator.yaml');
    expect(parse).toThrow(expect.objectContaining({ code }));
    expect(parse).toThrow(`coordinator.yaml: ${where}`);
  });
});
