export { createPlacement, type PlacementOptions } from './placement.ts';
export { shardOf } from './share.ts';
