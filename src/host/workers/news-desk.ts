import type { News } from '../../contracts/news.ts';

/** A piece of news on its way to another process. */
export interface NewsParcel {
  readonly topic: string;
  readonly message: unknown;
}

/** The news of one process: what is told here is sent, what arrives is heard. */
export interface NewsDesk {
  readonly news: News;
  arrived(parcel: NewsParcel): void;
}

/** Makes the desk; `send` takes a piece of news to every other process. */
export function createNewsDesk(send: (parcel: NewsParcel) => void): NewsDesk {
  const listeners = new Map<string, Set<(message: unknown) => void>>();
  return {
    news: {
      tell: (topic, message) => send({ topic, message }),
      listen(topic, heard) {
        const set = listeners.get(topic) ?? new Set();
        listeners.set(topic, set.add(heard));
        return () => {
          set.delete(heard);
          if (set.size === 0 && listeners.get(topic) === set) listeners.delete(topic);
        };
      },
    },
    arrived({ topic, message }) {
      for (const heard of listeners.get(topic) ?? []) heard(message);
    },
  };
}
