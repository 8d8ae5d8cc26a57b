import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';
import type { ProtoGrpcType } from './gen/admin.js';

/** proto/ of this package: two folders up from src/rpc and from dist/rpc alike. */
export const PROTO_FOLDER = fileURLToPath(new URL('../../proto', import.meta.url));

/** The same as OPTIONS in scripts/gen-proto.mjs. 64-bit integers become numbers: see integers.ts for the check up to 2^53 − 1. */
const LOADER_OPTIONS: Options = {
  keepCase: false,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [PROTO_FOLDER],
};

/** Every message and service of fedrot.v1 as proto-loader describes them; server reflection serves this. */
export const reflectionPackage: PackageDefinition = loadSync('fedrot/v1/admin.proto', LOADER_OPTIONS);

const loaded = loadPackageDefinition(reflectionPackage) as unknown as ProtoGrpcType;

export const siloServiceDefinition = loaded.fedrot.v1.SiloService.service;
export const adminServiceDefinition = loaded.fedrot.v1.AdminService.service;
