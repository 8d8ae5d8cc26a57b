import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';

/** One place where a file names a module. */
export interface ImportSite {
  readonly specifier: string;
  readonly line: number;
  /** `import type`, `export type … from` or a type position: gone at run time. */
  readonly typeOnly: boolean;
  /** `import()`: loaded when it is called, not when the file is. */
  readonly dynamic: boolean;
  /** What is taken from it by name: `import { a }`, `const { a } = await import()`. */
  readonly names: readonly string[];
}

/** What the architecture test knows of a file. Paths are relative to the repository, with `/`. */
export interface ScannedFile {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ImportSite[];
  /** Names of the values that it exports; what `export *` passes on is not among them. */
  readonly exports: readonly string[];
  /** Lines that read the environment (process.env, or env from node:process). */
  readonly envReads: readonly number[];
  /** Its string literals and the fixed parts of its templates, import specifiers included. */
  readonly strings: readonly string[];
}

const isResolveCall = (node: ts.CallExpression): boolean =>
  /^(require|require\.resolve|import\.meta\.resolve)$/.test(node.expression.getText());

export function scanSource(path: string, text: string): ScannedFile {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
  const imports: ImportSite[] = [];
  const exports: string[] = [];
  const envReads: number[] = [];
  const strings: string[] = [];

  const add = (node: ts.Node, name: ts.Node | undefined, typeOnly: boolean, dynamic: boolean): void => {
    if (name && ts.isStringLiteralLike(name))
      imports.push({ specifier: name.text, line: lineOf(node), typeOnly, dynamic, names: namesTaken(node) });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, isTypeOnlyImport(node), false);
      if (importsEnv(node)) envReads.push(lineOf(node));
    } else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly, false);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node, node.argument.literal, true, false);
    else if (ts.isCallExpression(node)) {
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node, node.arguments[0], false, true);
      else if (isResolveCall(node)) add(node, node.arguments[0], false, true);
    } else if (isProcessEnv(node)) envReads.push(lineOf(node));
    else if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node)
    )
      strings.push(node.text);
    if (ts.isStatement(node)) exports.push(...namesExported(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return { path, lines, imports, exports, envReads, strings };
}

/** Names that an import declaration, or a destructured `await import()`, takes. */
function namesTaken(node: ts.Node): string[] {
  if (ts.isImportDeclaration(node)) {
    const bindings = node.importClause?.namedBindings;
    if (!bindings || !ts.isNamedImports(bindings)) return [];
    return bindings.elements.map(({ propertyName, name }) => (propertyName ?? name).text);
  }
  const awaited = node.parent;
  if (!ts.isAwaitExpression(awaited) || !ts.isVariableDeclaration(awaited.parent)) return [];
  return boundNames(awaited.parent.name);
}

/** `a` of `const a`, or the properties that `const { a, b: c }` takes. */
const boundNames = (name: ts.BindingName): string[] =>
  ts.isIdentifier(name)
    ? [name.text]
    : name.elements.flatMap((element) =>
        ts.isBindingElement(element) ? (element.propertyName ?? element.name).getText() : [],
      );

function namesExported(node: ts.Statement): string[] {
  if (ts.isExportDeclaration(node)) {
    const clause = node.isTypeOnly ? undefined : node.exportClause;
    return clause && ts.isNamedExports(clause) ? clause.elements.map(({ name }) => name.text) : [];
  }
  const marked =
    ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (!marked) return [];
  if (ts.isVariableStatement(node))
    return node.declarationList.declarations.flatMap(({ name }) => boundNames(name));
  return ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node) ? [node.name?.text ?? 'default'] : [];
}

function isTypeOnlyImport({ importClause }: ts.ImportDeclaration): boolean {
  if (!importClause) return false;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = importClause;
  return (
    !name &&
    namedBindings !== undefined &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.length > 0 &&
    namedBindings.elements.every((element) => element.isTypeOnly)
  );
}

function importsEnv({ moduleSpecifier, importClause }: ts.ImportDeclaration): boolean {
  if (!ts.isStringLiteral(moduleSpecifier) || !/^(node:)?process$/.test(moduleSpecifier.text)) return false;
  const bindings = importClause?.namedBindings;
  return (
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.some((element) => (element.propertyName ?? element.name).text === 'env')
  );
}

function isProcessEnv(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node))
    return node.name.text === 'env' && node.expression.getText() === 'process';
  return (
    ts.isElementAccessExpression(node) &&
    node.expression.getText() === 'process' &&
    ts.isStringLiteralLike(node.argumentExpression) &&
    node.argumentExpression.text === 'env'
  );
}

/** Every TypeScript and JavaScript file below `folders` of the repository. */
export function scanFolders(root: string, folders: readonly string[]): ScannedFile[] {
  return folders.flatMap((folder) =>
    readdirSync(posix.join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|tsx|mjs|js)$/.test(entry.name))
      .map((entry) => posix.join(entry.parentPath, entry.name))
      .sort()
      .map((file) => scanSource(posix.relative(root, file), readFileSync(file, 'utf8'))),
  );
}

/** The repository path that a relative specifier means (`.js` is written for `.ts`); undefined for packages. */
export function resolveLocal(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

/** `@scope/name` or `name` of a package specifier; undefined for relative paths and Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier.startsWith('/'))
    return undefined;
  const [scope, name] = specifier.split('/');
  return scope!.startsWith('@') ? `${scope}/${name ?? ''}` : scope;
}
