import type { CommandContext } from '../context.ts';

/** `proa worker`: one of several processes that serve the same applications; their host starts it and tells it what to do. */
export async function run({ ports }: CommandContext): Promise<number> {
  const { runWorker, startInRole } = await import('../../host/index.ts');
  return runWorker(ports, startInRole);
}
