export { createShardTimers, type TimersOptions } from './shard-timers.ts';
