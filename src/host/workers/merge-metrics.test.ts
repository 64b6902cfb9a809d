import { expect, it } from 'vitest';
import { nodeClock } from '../../ports/node/clock.ts';
import { additiveGauges, mergeExpositions } from './merge-metrics.ts';

it('adds counters and histograms up, keeps what only one has, and takes the first value of a gauge that does not add up', async () => {
  const one = '# TYPE calls counter\ncalls{app="a",status="200"} 3\n# TYPE memory gauge\nmemory 10\n# TYPE keys gauge\nkeys 7\n';
  const two =
    '# TYPE calls counter\ncalls{app="a",status="200"} 4\ncalls{app="a",status="500"} 1\n# TYPE memory gauge\nmemory 20\n# TYPE keys gauge\nkeys 7\n';
  const merged = await mergeExpositions([one, two], new Set(['memory']), nodeClock);
  expect(merged).toBe(
    '# TYPE calls counter\ncalls{app="a",status="200"} 7\ncalls{app="a",status="500"} 1\n# TYPE memory gauge\nmemory 30\n# TYPE keys gauge\nkeys 7\n',
  );
  expect((await mergeExpositions([`${one}# EOF\n`, `${two}# EOF\n`], new Set(), nodeClock)).endsWith('# EOF\n')).toBe(true);
});

it('lets other work of the process come between, however many series there are', async () => {
  const page = `# TYPE calls counter\n${Array.from({ length: 20_000 }, (_, i) => `calls{path="/p${i}"} ${i}\n`).join('')}`;
  let turns = 0;
  const merged = await mergeExpositions([page, page], new Set(), {
    soon(callback) {
      turns++;
      nodeClock.soon(callback);
    },
  });
  expect(turns).toBeGreaterThan(50);
  expect(merged.split('\n').length).toBe(20_002);
  expect(merged).toContain('calls{path="/p19999"} 39998\n');
});

it('adds up the actors of all processes', async () => {
  const [one, two] = [3, 4].map((count) => `# TYPE proa_actors_active gauge\nproa_actors_active{actor_type="cart"} ${count}\n`) as [
    string,
    string,
  ];
  expect(await mergeExpositions([one, two], additiveGauges, nodeClock)).toContain('proa_actors_active{actor_type="cart"} 7\n');
});
