import { driverIndex } from '../gen/drivers.ts';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import type { DriverIndex } from './config/check-component.ts';

// Dapr's, to the letter: component processes put their sockets there whatever TMPDIR says.
const folderDefault = '/tmp/dapr-components-sockets';

/**
 * The drivers of this build and those that pluggable components serve at this moment. Nothing of gRPC is loaded while there is no folder of sockets. A
 * driver of this build wins over a component of the same type, with a warning.
 */
export async function findDrivers(ports: Ports, log: Logger): Promise<DriverIndex> {
  const folder = ports.process.env('DAPR_COMPONENTS_SOCKETS_FOLDER') || folderDefault;
  if ((await ports.disk.stat(folder))?.kind !== 'directory') return driverIndex;
  const { discoverPluggable } = await import('../drivers/pluggable/discover.ts');
  const found = await discoverPluggable(ports, log, folder);
  for (const type of Object.keys(found))
    if (Object.hasOwn(driverIndex, type)) log.warn(`component type ${type} is built in; the pluggable component of that name is not used`);
  return { ...found, ...driverIndex };
}
