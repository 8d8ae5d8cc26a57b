import { z } from 'zod';

/**
 * kustomization.yaml of kustomize.config.k8s.io/v1beta1, as far as a file of ours may go: no npm package ships the schema under a licence
 * that fits, and kubectl, which would judge it, is on few machines. Fields that kustomize 5 has deprecated are refused like unknown ones.
 * https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
 */
const name = z.string().min(1);
const names = z.record(name, z.string());

const imageSchema = z
  .strictObject({
    name,
    newName: name.optional(),
    newTag: z
      .string()
      .regex(/^[\w][\w.-]{0,127}$/)
      .optional(),
    digest: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .optional(),
  })
  .refine(({ newTag, digest }) => newTag === undefined || digest === undefined, 'a tag and a digest');

export const kustomizationSchema = z.strictObject({
  apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
  kind: z.literal('Kustomization'),
  namespace: name.optional(),
  namePrefix: name.optional(),
  nameSuffix: name.optional(),
  resources: z.array(name).min(1),
  components: z.array(name).optional(),
  images: z.array(imageSchema).optional(),
  replicas: z.array(z.strictObject({ name, count: z.int().min(0) })).optional(),
  labels: z
    .array(
      z.strictObject({
        pairs: names,
        includeSelectors: z.boolean().optional(),
        includeTemplates: z.boolean().optional(),
      }),
    )
    .optional(),
  commonAnnotations: names.optional(),
  patches: z
    .array(
      z.strictObject({
        path: name.optional(),
        patch: name.optional(),
        target: z.record(z.string(), z.string()).optional(),
        options: z.record(z.string(), z.boolean()).optional(),
      }),
    )
    .optional(),
});
