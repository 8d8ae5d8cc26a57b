import { Option } from 'commander';
import { leaf, type BuildCommand } from '../command.js';
import { readDemoOptions, DEMO_DEFAULTS, type DemoFlags } from '../demo-options.js';

export const build: BuildCommand = (context) =>
  leaf(
    'demo',
    'the whole thing on this machine: a coordinator and silos fine-tune a spam filter on real e-mails',
  )
    .addOption(new Option('--rounds <n>', `how many rounds (default: ${DEMO_DEFAULTS.rounds})`))
    .addOption(new Option('--silos <n>', `how many silos (default: ${DEMO_DEFAULTS.silos})`))
    .addOption(new Option('--method <name>', `fedrot or fedit (default: ${DEMO_DEFAULTS.method})`))
    .addOption(new Option('--rank <r>', `rank of the LoRA factors (default: ${DEMO_DEFAULTS.rank})`))
    .addOption(
      new Option(
        '--alpha <dirichlet>',
        `how even labels are spread over the silos (default: ${DEMO_DEFAULTS.alpha}; small is skewed)`,
      ),
    )
    .addOption(
      new Option(
        '--scramble-basis',
        'each silo rotates its factors by a random rotation before it uploads them',
      ),
    )
    .addOption(new Option('--seed <n>', `everything random derives from it (default: ${DEMO_DEFAULTS.seed})`))
    .addOption(
      new Option('--steps <n>', `optimizer steps of a silo in a round (default: ${DEMO_DEFAULTS.steps})`),
    )
    .addOption(new Option('--test-size <n>', `mails in the test set (default: ${DEMO_DEFAULTS.testSize})`))
    .addOption(new Option('--out <folder>', `where results go (default: ${DEMO_DEFAULTS.out})`))
    .addOption(
      new Option(
        '--cache <folder>',
        `for the bundle and the prepared mails (default: ${DEMO_DEFAULTS.cache})`,
      ),
    )
    .addOption(new Option('--keep-state', 'keep what coordinator and silos stored'))
    .action(async (flags: DemoFlags) => {
      const options = readDemoOptions(flags);
      // The demo's packages are installed in a clone of the repository only.
      const { runDemo } = await import('../demo/run-demo.js');
      await runDemo(options, context);
    });
