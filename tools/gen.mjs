// Makes everything in src/gen/, which is not committed: one file in tools/gen/ per generated thing.
import { fileURLToPath } from 'node:url';
import { generateDrivers } from './gen/drivers.mjs';
import { generateProtobuf } from './gen/protobuf.mjs';

await generateProtobuf();
generateDrivers(fileURLToPath(new URL('..', import.meta.url)));
