import { expect, it } from 'vitest';
import { mergeExpositions } from './merge-metrics.ts';

it('adds counters and histograms up, keeps what only one has, and takes the first value of a gauge that does not add up', () => {
  const one = '# TYPE calls counter\ncalls{app="a",status="200"} 3\n# TYPE memory gauge\nmemory 10\n# TYPE keys gauge\nkeys 7\n';
  const two =
    '# TYPE calls counter\ncalls{app="a",status="200"} 4\ncalls{app="a",status="500"} 1\n# TYPE memory gauge\nmemory 20\n# TYPE keys gauge\nkeys 7\n';
  const merged = mergeExpositions([one, two], new Set(['memory']));
  expect(merged).toBe(
    '# TYPE calls counter\ncalls{app="a",status="200"} 7\ncalls{app="a",status="500"} 1\n# TYPE memory gauge\nmemory 30\n# TYPE keys gauge\nkeys 7\n',
  );
  expect(mergeExpositions([`${one}# EOF\n`, `${two}# EOF\n`], new Set()).endsWith('# EOF\n')).toBe(true);
});
