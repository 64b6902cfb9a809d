import { journalStage, memoryStage } from '../../test/fixtures/durable-stages.ts';
import { durableSuites } from '../../test/fixtures/durable-suites.ts';

durableSuites('in memory', memoryStage);
durableSuites('on a journal', journalStage);
