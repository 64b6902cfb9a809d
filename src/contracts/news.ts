/** What the processes of one runtime tell each other, as plain data. */
export interface News {
  /** Tells all other processes. What one process tells arrives in its order, within milliseconds; a process that starts or ends meanwhile misses it. */
  tell(topic: string, message: unknown): void;
  /** Hears what others tell about `topic`, until the answer is called. */
  listen(topic: string, heard: (message: unknown) => void): () => void;
}

/** Numbers that every process of a runtime counts for itself, and what the others counted. */
export interface Sums {
  /** Something was counted here: the others are told within a tenth of a second. */
  touched(): void;
  /** The sums of what the others told last; of a process that is silent for a second nothing counts. */
  readonly others: readonly number[];
}
