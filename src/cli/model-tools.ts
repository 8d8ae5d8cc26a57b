import type { ModelTools } from '../server/model-tools.js';

/** The coordinator's view of models: loaded when a run is started over HTTP, never before. */
export const modelTools: ModelTools = {
  async initialAdapter(bundleFolder, spec) {
    const [{ openBundle }, { checkTask }, { initialAdapter }] = await Promise.all([
      import('../model/bundle.js'),
      import('../model/check-task.js'),
      import('../model/initial-adapter.js'),
    ]);
    const bundle = await openBundle(bundleFolder, { verify: false, sha256: spec.bundle });
    checkTask(bundle, spec.task);
    return initialAdapter(bundle, spec.lora, spec.seed);
  },

  async adapterConfig(spec, tensorNames, baseModel) {
    const { peftConfig } = await import('../model/peft-config.js');
    return peftConfig(spec.lora, tensorNames, baseModel, spec.task.kind);
  },
};
