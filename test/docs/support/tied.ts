/** Why a command of the documents is not run as it stands, and which test runs what it does. */
export interface Tie {
  /** Of the command's text. */
  readonly command: RegExp;
  /** File and title of the test. */
  readonly test: string;
  readonly title: string;
  readonly because: string;
}

/** The pages whose commands are run as they stand, from top to bottom, by a test of their own. */
export const RUN_PAGES: Readonly<Record<string, string>> = {
  'docs/quick-start.md': 'test/docs/quick-start.test.ts',
  'docs/first-federation.md': 'test/images/newcomer.test.ts',
};

export const TIES: readonly Tie[] = [
  {
    command: /^npm run demo$/,
    test: 'test/e2e/demo.test.ts',
    title: 'fedrot demo',
    because: 'minutes long; that test runs it with fewer rounds',
  },
  {
    command: /^npm test$/,
    test: 'test/house/scripts.test.ts',
    title: 'scripts',
    because: 'a test cannot run the tests',
  },
  {
    command: /^npm run check$/,
    test: 'test/house/scripts.test.ts',
    title: 'scripts',
    because: 'it runs the tests',
  },
  {
    command: /^ONNXRUNTIME_NODE_INSTALL=skip npm install( --global)? fedrot$/,
    test: 'test/house/pack.test.ts',
    title: 'the package that silos install',
    because: 'fedrot is installed from the packed tarball there, not from a registry',
  },
  {
    command: /^npx fedrot --help$/,
    test: 'test/house/pack.test.ts',
    title: 'the package that silos install',
    because: 'run there from the installed package',
  },
  {
    command: /^npm run fuzz -- --inputs \d+/,
    test: 'test/house/fuzz.test.ts',
    title: 'a few thousand inputs at every parser that meets bytes from outside find nothing',
    because: 'minutes to hours long; that test runs it with fewer inputs',
  },
  {
    command: /^fedrot audit (verify|replay|show)|^fedrot journal/,
    test: 'test/security/evidence.test.ts',
    title: 'evidence',
    because: 'needs a run with signed evidence and placeholders filled in',
  },
  {
    command: /^fedrot (coordinator|token create|enrol|client|silo revoke) .*|^openssl s_client/,
    test: 'test/docs/quick-start.test.ts',
    title: 'quick start',
    because: 'the same commands with other values are run there',
  },
  {
    command:
      /^fedrot (bundle create CHECKPOINT|run create -f run\.yaml --bundle bundle --credential|run watch RUN)/,
    test: 'test/docs/quick-start.test.ts',
    title: 'quick start',
    because: 'the same commands with real names are run there',
  },
  {
    command: /^curl -H "Authorization: Bearer \$TOKEN"/,
    test: 'test/server/http/api.test.ts',
    title: '/api/v1',
    because: 'the host is an example; that test asks the same paths by fetch',
  },
  {
    command: /^npm run bench:paper/,
    test: 'test/sim/study-run.test.ts',
    title: 'describe',
    because: 'hours long; that test runs the study that it is made of on a small problem',
  },
  {
    command: /^docker compose up|^docker build|^docker run|^docker exec/,
    test: 'test/images/images.test.ts',
    title: 'container images',
    because: 'no container engine here; images are built by buildah and their commands run',
  },
  {
    command: /^cp deploy\/systemd|^systemctl/,
    test: 'test/ops/deploy.test.ts',
    title: 'systemd units',
    because: 'needs root on a machine of its own; systemd-analyze verifies the units',
  },
  {
    command: /^kubectl/,
    test: 'test/ops/deploy.test.ts',
    title: 'Kubernetes manifests',
    because: 'needs a cluster; the manifests are checked',
  },
  {
    command: /^tar xzf fedrot-|^\.\/fedrot-\*\/bin\/fedrot/,
    test: 'test/ops/airgap.test.ts',
    title: 'air-gapped bundle',
    because: 'run there on the bundle that is made',
  },
];
