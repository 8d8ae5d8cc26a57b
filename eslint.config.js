// The house rules that a machine can check. Zero warnings: a rule that is not worth an error is not here.
import { defineConfig } from 'eslint/config';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

const bareError = {
  selector: 'NewExpression[callee.name=/^(Error|TypeError|RangeError|SyntaxError|AggregateError)$/]',
  message: 'Throw FedrotError with one of the closed codes (src/errors.ts).',
};
const callError = {
  selector: 'ThrowStatement > CallExpression[callee.name=/^(Error|TypeError|RangeError)$/]',
  message: 'Throw FedrotError with one of the closed codes (src/errors.ts).',
};
const processEnv = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Configuration is read in one place: src/cli/env.ts. Pass what you need as an option.',
};
const builtinEnv = {
  selector: "ImportDeclaration[source.value='node:process'] > ImportSpecifier[imported.name='env']",
  message: processEnv.message,
};

export default defineConfig(
  {
    ignores: ['node_modules/', 'dist/', '.cache/', 'coverage/', 'src/rpc/gen/', 'demo-out/', 'bench-out/'],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true } },

  // Import order and cycles, everywhere.
  {
    files: ['**/*.{ts,tsx,js,mjs}'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.tsx', '.js', '.mjs'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx'] },
      'import-x/resolver-next': [
        createNodeResolver({
          extensions: ['.ts', '.tsx', '.js', '.mjs'],
          extensionAlias: { '.js': ['.ts', '.js'] },
          conditionNames: ['node', 'import', 'types', 'default'],
        }),
      ],
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-self-import': 'error',
      'import-x/no-duplicates': ['error', { 'prefer-inline': true }],
      'import-x/first': 'error',
      'import-x/newline-after-import': 'error',
      'import-x/order': [
        'error',
        {
          groups: ['builtin', 'external', 'parent', 'sibling', 'index'],
          'newlines-between': 'ignore',
        },
      ],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^\\.(/(index(\\.js)?)?)?$',
              message: 'A folder never imports its own index; import the file.',
            },
          ],
        },
      ],
    },
  },

  // TypeScript, with types.
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Numbers, and values that print as themselves, read better without String().
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNever: true },
      ],
      // One-line arrows whose expression is a call for its effect are the idiom of event handlers.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/require-await': 'off', // a service handler is async by contract, whether or not it waits
      eqeqeq: ['error', 'always'],
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', processEnv, builtinEnv],
    },
  },
  // The dashboard has types of its own: the browser's.
  {
    files: ['src/web/**/*.{ts,tsx}'],
    languageOptions: { parserOptions: { project: './src/web/tsconfig.json' } },
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    rules: { 'no-restricted-syntax': ['error', bareError, callError, processEnv, builtinEnv] },
  },
  // The one place that reads the environment.
  { files: ['src/cli/env.ts'], rules: { 'no-restricted-syntax': ['error', bareError, callError] } },
  // Kernels index typed arrays in bounds by construction; noUncheckedIndexedAccess makes every read `number | undefined`.
  {
    files: [
      'src/tensor/**/*.ts',
      'src/align/**/*.ts',
      'src/train/**/*.ts',
      'src/model/**/*.ts',
      'test/**/*.ts',
      'bench/**/*.ts',
    ],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  // Tests and benches talk to a terminal and to child processes.
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', '*.config.ts'],
    rules: {
      'no-console': 'off',
      'no-restricted-syntax': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
);
