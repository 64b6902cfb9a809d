import { defineConfig } from 'vitest/config';

// The longer ladder: real processes, simulation, compat. Files run one after another because they share two cores.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default'],
  },
});
