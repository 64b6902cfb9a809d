import { defineConfig } from 'vitest/config';

// The longer ladder: real processes, simulation, compat. Files run one after another because they share two cores. What waits, waits for what should happen; the
// limits are for what never does, and leave a machine that is busy with other things several times what these tests take.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['default'],
  },
});
