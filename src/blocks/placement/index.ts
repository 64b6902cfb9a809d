export { createPlacement, type PlacementOptions } from './placement.ts';
