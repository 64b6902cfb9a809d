import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProaError } from '../../kernel/errors.ts';
import type { CommandContext } from '../context.ts';
import { run as runCommand } from './run.ts';

/** Where the demo's run file may lie: beside the bundles of the package, or in a checkout. */
const places = ['demo/proa.yaml', '../demo/proa.yaml', '../../demo/proa.yaml', '../../../examples/food-delivery/proa.yaml'] as const;

/** `proa demo`: `proa run` over the example shop of this package, with its data in ./.proa/demo. */
export async function run(context: CommandContext): Promise<number> {
  const { ports, args } = context;
  const here = dirname(fileURLToPath(import.meta.url));
  for (const place of places) {
    const file = join(here, place);
    const stat = await ports.disk.stat(file).catch(() => undefined);
    if (stat?.kind !== 'file') continue;
    const data = args.values['data-dir'] ?? join(ports.process.cwd(), '.proa/demo');
    const values = { ...args.values, 'run-file': file, 'data-dir': data };
    return runCommand({ ...context, args: { ...args, values, rest: [] } });
  }
  throw new ProaError('unavailable', 'the demo is not part of this build', { hint: 'build the package with `npm run build`' });
}
