/** Limits that more than one part honours. Each can be reached only with a clear error. */
export const limits = {
  /** `--max-body-size`, Dapr's default. */
  bodyBytes: 4 * 1024 * 1024,
  /** `--read-buffer-size`, Dapr's default. */
  headerBytes: 4 * 1024,
  /** The head of a request may be larger than the read buffer by this much, as it may for daprd: apps send cookies and tokens of 5 KB. */
  headerBytesExtra: 4 * 1024,
  headers: 100,
  /** Nesting of JSON that the runtime has to look into; deeper documents are refused before they are parsed. */
  jsonDepth: 256,
  appIdChars: 253,
  keyBytes: 1024,
  topicChars: 512,
  metadataEntries: 256,
  /** Bodies up to this size can be sent again (retry, mirror). */
  replayBytes: 64 * 1024,
  tracestateBytes: 512,
} as const;
