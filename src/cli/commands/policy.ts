import { importSentinel, sentinelKinds, type SentinelKind } from '../../host/import-sentinel.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { UsageError } from '../parse-args.ts';
import { resolve } from 'node:path';

const fileBytesMax = 10 * 1024 * 1024;

/** `proa policy import sentinel FILE [KIND]`: prints Policy YAML; what has no counterpart goes to stderr. */
export async function run({ args, output, ports }: CommandContext): Promise<number> {
  const [verb, from, file, kind, ...more] = args.positionals;
  const example = 'proa policy import sentinel rules.json --app-id orders';
  if (verb !== 'import' || from !== 'sentinel' || file === undefined || more.length > 0)
    throw new UsageError('what is to be imported?', example);
  if (kind !== undefined && !sentinelKinds.includes(kind as SentinelKind))
    throw new UsageError(`there is no kind ${kind}: ${sentinelKinds.join(', ')}`, example);
  const app = args.values['app-id'];
  if (app === undefined) throw new UsageError('for which app? give --app-id', example);
  const path = resolve(ports.process.cwd(), file);
  const stat = await ports.disk.stat(path);
  if (stat?.kind !== 'file' || stat.sizeBytes > fileBytesMax) {
    output.error(`${file} is no file of at most 10 MiB`);
    return exitCodes.notFound;
  }
  try {
    const rules: unknown = JSON.parse(Buffer.from(await ports.disk.readFile(path)).toString('utf8'));
    const { policies, notes } = importSentinel(rules, app, kind as SentinelKind | undefined);
    if (output.json) output.value({ policies, notes });
    else {
      const { stringify } = await import('yaml');
      output.line(
        policies
          .map((policy) => stringify(policy, { lineWidth: 0 }))
          .join('---\n')
          .trimEnd(),
      );
    }
    for (const note of notes) output.error(`not as it was: ${note}`);
    return exitCodes.ok;
  } catch (error) {
    output.error(`${file}: ${(error as Error).message}`);
    return exitCodes.unsatisfied;
  }
}
