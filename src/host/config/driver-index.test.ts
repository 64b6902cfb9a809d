import { describe, expect, it } from 'vitest';

interface Generator {
  readonly readDefinition: (folder: string, source: string) => { folder: string; kind: string; types: string[] } | undefined;
  renderIndex(definitions: { folder: string; kind: string; types: string[] }[]): string;
}
interface Index {
  driverIndex: Record<string, { kind: string; folder: string; load(): Promise<{ kind: string; types: readonly string[] }> }>;
}
const generator = (await import(new URL('../../../tools/gen/drivers.mjs', import.meta.url).href)) as Generator;
const source = (kind: string, types: string): string => `export default defineDriver({\n  kind: ${kind},\n  types: ${types},\n});`;

describe('the driver index', () => {
  it('agrees with the definitions of the drivers', async () => {
    const { driverIndex } = (await import(new URL('../../gen/drivers.ts', import.meta.url).href)) as Index;
    for (const [type, entry] of Object.entries(driverIndex)) {
      const definition = await entry.load();
      expect(definition.kind).toBe(entry.kind);
      expect(definition.types).toContain(type);
      const indexed = Object.entries(driverIndex).filter(([, other]) => other.folder === entry.folder);
      expect(indexed.map(([name]) => name).toSorted()).toEqual([...definition.types].toSorted());
    }
  });

  it('reads literals only, and refuses what it cannot be sure of', () => {
    const read = generator.readDefinition;
    expect(read('x', source("'state'", "['state.in-memory', 'state.mem']"))).toEqual({
      folder: 'x',
      kind: 'state',
      types: ['state.in-memory', 'state.mem'],
    });
    expect(read('x', 'export const openJournal = 1;')).toBeUndefined();
    expect(() => read('x', source('kind', "['state.a']"))).toThrow('kind');
    expect(() => read('x', source("'state'", 'names'))).toThrow('types');
    expect(() => read('x', source("'state'", '[name]'))).toThrow('types');
    expect(() => read('x', source("'state'", "['pubsub.a']"))).toThrow('pubsub.a');
    expect(() =>
      generator.renderIndex([read('a', source("'state'", "['state.a']"))!, read('b', source("'state'", "['state.a']"))!]),
    ).toThrow('claimed');
  });
});
