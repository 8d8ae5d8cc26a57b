import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';
import type { ProtoGrpcType } from './gen/admin.js';

/** proto/ of this package: two folders up from src/rpc and from dist/rpc alike. */
const PROTO_FOLDER = fileURLToPath(new URL('../../proto', import.meta.url));

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

/** One service with its methods as the adapters see them: messages are objects. */
export interface Service {
  /** E.g. SiloService. */
  readonly name: string;
  /** By the proto's name of the method, e.g. SubmitUpdate. */
  readonly methods: Readonly<Record<string, Method>>;
}

export type Method = MethodDefinition<object, object>;

export const siloService: Service = { name: 'SiloService', methods: loaded.fedrot.v1.SiloService.service };
export const enrolService: Service = { name: 'EnrolService', methods: loaded.fedrot.v1.EnrolService.service };
export const adminService: Service = { name: 'AdminService', methods: loaded.fedrot.v1.AdminService.service };

/** SubmitUpdate → submitUpdate, the name of its handler and of its client call. */
export function handlerName(method: string): string {
  return method.charAt(0).toLowerCase() + method.slice(1);
}
