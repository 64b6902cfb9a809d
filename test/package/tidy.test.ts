import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { root, sourcesIn, type Source } from './sources.ts';

const linesMax = 450;
const functionLinesMax = 70;
/** The aim is three; hot paths have some functions with one more, because an options object per call costs. Never more of them than now. */
const parametersMax = 4;
const fourParametersMax = 42;
/** Suites register cases one after another; these two hold a state machine each that is easier to read in one piece. */
const mayBeLong = /^src\/testing\/[\w-]*suite[\w-]*\.ts$|^src\/testing\/memory-disk\.ts$|^src\/host\/app-lifecycle\.ts$/;
const typescript = (name: string): boolean => name.endsWith('.ts');
const sources = sourcesIn(['src', 'test', 'bench', 'examples'], typescript);
const production = sources.filter(({ path }) => path.startsWith('src/') && !path.endsWith('.test.ts'));

let fourParameters = 0;

interface Finding {
  readonly at: string;
  readonly what: string;
}

/** Every function with a body, and every use of `any`. */
function lookAt({ path, text }: Source): Finding[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const findings: Finding[] = [];
  const line = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: ts.Node): void => {
    const at = `${path}:${line(node.getStart(file))}`;
    if (node.kind === ts.SyntaxKind.AnyKeyword) findings.push({ at, what: 'any' });
    if (ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node) || ts.isDecorator(node))
      findings.push({ at, what: 'enum, namespace or decorator' });
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const length = line(node.end) - line(node.getStart(file)) + 1;
      if (length > functionLinesMax && !mayBeLong.test(path)) findings.push({ at, what: `a function of ${length} lines` });
      // Three, then an options object that may be left out: that is the rule itself.
      const options = ts.isParameter(node.parameters[3] ?? node) && node.parameters[3]?.initializer?.getText(file) === '{}';
      if (node.parameters.length === parametersMax && !options) fourParameters++;
      if (node.parameters.length > parametersMax) findings.push({ at, what: `${node.parameters.length} parameters` });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return findings;
}

describe('house style', () => {
  it('keeps files and functions short, and types honest', () => {
    expect(production.length).toBeGreaterThan(300);
    expect(sources.filter(({ text }) => text.split('\n').length - 1 > linesMax).map(({ path }) => path)).toEqual([]);
    expect(production.flatMap(lookAt)).toEqual([]);
    expect(fourParameters).toBeLessThanOrEqual(fourParametersMax);
  });

  it('names files for the one thing inside', () => {
    const odd = sources.filter(({ path }) => {
      const name = basename(path).replace(/(\.test)?\.ts$/, '');
      return !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || /^(utils?|helpers?|common|misc)$/.test(name);
    });
    expect(odd.map(({ path }) => path)).toEqual([]);
  });

  it('leaves nothing for later and nothing of the machine where it was written', () => {
    const documents = sourcesIn(['docs', 'tools', 'test', 'src', 'examples', 'bench'], (name) =>
      /\.(md|mjs|cjs|ts|ya?ml|json)$/.test(name),
    );
    const top = readdirSync(root).filter((name) => /\.(md|json|ts|cjs)$/.test(name));
    expect(top.length).toBeGreaterThan(5);
    const wrong = [...documents, ...sourcesIn(['.'], () => false)].filter(
      ({ path, text }) =>
        path !== join('test', 'package', 'tidy.test.ts') && /\b(TODO|FIXME|XXX)\b|@ts-ignore|\/(home|Users|work|root)\/\w+/.test(text),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});
