import { describe, expect, it } from 'vitest';
import { bodyOf, chunksOf } from './async-body.ts';
import { bytesBody, collect } from './body.ts';

async function* numbers(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield Uint8Array.of(i);
}

describe('bodies and iterables', () => {
  it('go both ways without loss', async () => {
    const read = await collect(bodyOf(chunksOf(bodyOf(numbers(200)))), 1000);
    expect([...read]).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const parts: number[] = [];
    for await (const chunk of chunksOf(bytesBody(Uint8Array.of(1, 2, 3)))) parts.push(...chunk);
    expect(parts).toEqual([1, 2, 3]);
  });

  it('reads no further than the sink grants', async () => {
    let made = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for (;;) {
        made++;
        yield new Uint8Array(10);
      }
    }
    for await (const _chunk of chunksOf(bodyOf(counted()), 25)) if (made > 2) break;
    await new Promise((resolve) => setImmediate(resolve));
    expect(made).toBeLessThan(8);
  });

  it('hands a failure of the source on', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
      throw new Error('broken off');
    }
    await expect(collect(bodyOf(broken()), 10)).rejects.toThrow('broken off');
  });
});
