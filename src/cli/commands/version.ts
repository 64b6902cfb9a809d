import { exitCodes, type CommandContext } from '../context.ts';

/** `proa version`. */
export async function run({ ports, output, version }: CommandContext): Promise<number> {
  if (output.json) output.value({ version, node: ports.process.nodeVersion, platform: ports.process.platform });
  else output.line(`proa ${version} (Node ${ports.process.nodeVersion}, ${ports.process.platform})`);
  return exitCodes.ok;
}
