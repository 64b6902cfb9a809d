import { driverIndex } from '../../gen/drivers.ts';
import type { Disk } from '../../kernel/ports.ts';
import { loadResources } from './load-resources.ts';
import type { Problem } from './problem.ts';

export interface LintOptions {
  readonly disk: Disk;
  readonly paths: readonly string[];
  readonly configPaths: readonly string[];
  readonly appId: string;
  /** Empty: every namespace. */
  readonly namespace: string;
}

/** What is wrong with the resources of an app, judged with the drivers of this build. Opens nothing. */
export async function lintResources(options: LintOptions): Promise<readonly Problem[]> {
  const { problems } = await loadResources({ ...options, drivers: driverIndex });
  return problems;
}
