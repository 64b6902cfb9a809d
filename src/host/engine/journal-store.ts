import type { BackupSource } from '../../contracts/engine-backup.ts';
import { backupJournal } from '../../drivers/engine-journal/backup.ts';
import { parseListing } from '../../drivers/engine-journal/format.ts';
import { type JournalOptions, openJournalEngine } from '../../drivers/engine-journal/open-journal.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import type { OwnedStore } from './owned-store.ts';

/** The journal in `directory` as a store with one owner at a time. */
export function createJournalStore(
  ports: { readonly clock: Clock; readonly disk: Disk },
  directory: string,
  options: JournalOptions = {},
): OwnedStore {
  const epoch = async (): Promise<number> => {
    const { epochs, segments } = parseListing(await namesIn(ports.disk, directory));
    return Math.max(0, ...epochs.slice(-1), ...segments.map((segment) => segment.epoch));
  };
  return {
    epoch,
    async open(seen, claimed): Promise<BackupSource | undefined> {
      let mine = seen;
      const claim = {
        after: seen,
        claimed(own: number): Promise<void> {
          mine = own;
          return claimed(own);
        },
      };
      try {
        const engine = await openJournalEngine({ ports, directory, options, claim });
        return Object.assign(engine, { backup: (to: string) => backupJournal(engine, ports.disk, to) });
      } catch (error) {
        // Whatever went wrong, it is the business of whoever claimed a later epoch: files change under a reader that was replaced.
        if ((await epoch()) > mine) return undefined;
        throw error;
      }
    },
  };
}

async function namesIn(disk: Disk, directory: string): Promise<string[]> {
  try {
    return await disk.list(directory);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return [];
    throw error;
  }
}
