// Makes everything in src/gen/, which is not committed: one file in tools/gen/ per generated thing.
import { generateProtobuf } from './gen/protobuf.mjs';

await generateProtobuf();
