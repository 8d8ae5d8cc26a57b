import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createRpcServer, type RpcServer } from '../../src/rpc/server.js';
import { siloHandlers } from './handlers.js';

let server: RpcServer | undefined;
let client: Client | undefined;
afterEach(async () => {
  client?.close();
  await server?.close(0);
});

async function start(): Promise<string> {
  server = createRpcServer({ silo: siloHandlers() });
  return `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
}

const same = (bytes: Buffer): Buffer => bytes;

/** HealthCheckResponse.ServingStatus. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING'];

/** HealthCheckRequest { service = 1 } and HealthCheckResponse { status = 1 } by hand. */
function ask(address: string, service: string): Promise<string | undefined> {
  const connected = (client ??= new Client(address, credentials.createInsecure()));
  const request = Buffer.concat([Buffer.from([0x0a, service.length]), Buffer.from(service)]);
  return new Promise((resolve, reject) => {
    connected.makeUnaryRequest('/grpc.health.v1.Health/Check', same, same, request, (error, response) => {
      if (error) reject(error);
      else resolve(STATUSES[response?.[1] ?? 0]);
    });
  });
}

describe('grpc.health.v1', () => {
  it('answers for the server and the services that it has', async () => {
    const address = await start();
    expect(await ask(address, '')).toBe('SERVING');
    expect(await ask(address, 'fedrot.v1.SiloService')).toBe('SERVING');
    await expect(ask(address, 'fedrot.v1.AdminService')).rejects.toMatchObject({ code: 5 });
    server?.setServing(false);
    expect(await ask(address, '')).toBe('NOT_SERVING');
  });
});

describe('server reflection', () => {
  it('lists the services', async () => {
    const address = await start();
    client = new Client(address, credentials.createInsecure());
    // ServerReflectionRequest { list_services = 7: "" } by hand: field 7, wire type 2, length 0.
    const call = client.makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      same,
      same,
    );
    const answer = new Promise<Buffer>((resolve, reject) => {
      call.on('data', resolve);
      call.on('error', reject);
    });
    call.write(Buffer.from([0x3a, 0x00]));
    expect((await answer).toString('latin1')).toContain('fedrot.v1.SiloService');
    call.end();
  });
});
