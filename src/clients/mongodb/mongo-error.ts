interface MongoFailure {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly beforeHandshake?: unknown;
  readonly reason?: unknown;
  hasErrorLabel?(label: string): boolean;
}

/** No connection could be had: the operation was never sent. Errors of connections that are closed or cleared while they are in use are not among them. */
const unsentNames = new Set([
  'MongoServerSelectionError',
  'MongoWaitQueueTimeoutError',
  'MongoPoolClosedError',
  'MongoPoolClearedError',
  'MongoTopologyClosedError',
  'MongoNotConnectedError',
  'MongoServerClosedError',
]);

/** The server ended an operation on its way: shutting down, stepping down, out of time. What it had done by then is not known. */
const midway = new Set([50, 91, 189, 11_600, 11_602]);

/** Not the primary any more, or not yet: nothing happened, and it may work later. */
const elsewhere = new Set([10_107, 13_435, 13_436, 11_601]);

const failureOf = (error: unknown): MongoFailure => error as MongoFailure;

/**
 * What a bulk failed of: the client wraps whatever it was, a lost connection too, into an error of the server. Other errors, and those that name the writes which
 * failed, are themselves.
 */
function originOf(error: unknown): Error {
  const { name, errorResponse } = error as { name: string; errorResponse?: unknown };
  return name === 'MongoBulkWriteError' && errorResponse instanceof Error ? errorResponse : (error as Error);
}

/** Whether the operation never left this process, nor any part of it. */
export function wasUnsent(error: unknown): boolean {
  const origin = originOf(error);
  const { name, beforeHandshake } = failureOf(origin);
  const unsent = unsentNames.has(name) || beforeHandshake === true || hasLabel(origin, 'HandshakeError');
  return unsent && !isPartial(error);
}

/** Whether the server answered that it does not do it, or the client knew before. A write concern that was not reached is no refusal: the write is on the primary. */
export function isRefusal(error: unknown): boolean {
  const origin = originOf(error);
  const { name, code } = failureOf(origin);
  if (name === 'MongoBulkWriteError' && !isReply(error)) return writeErrorsOf(error).length > 0 && !hasConcernError(error);
  if (name === 'MongoInvalidArgumentError') return true;
  return (name === 'MongoServerError' || name === 'MongoBulkWriteError') && !midway.has(Number(code));
}

/** Whether a refusal may be none a little later. */
export function isPassing(error: unknown): boolean {
  return elsewhere.has(codeOf(error)) || hasLabel(error, 'TransientTransactionError');
}

/** The document's key is there already. A value that is there twice for an index that somebody made is another thing. */
export function isDuplicateKey(error: unknown): boolean {
  return codeOf(error) === 11_000 && !/ index: (?!_id_)/.test(failureOf(error).message);
}

/** The writes of a bulk that the server refused, by their places in it. */
export function writeErrorsOf(error: unknown): readonly { readonly index: number }[] {
  const { writeErrors } = error as { writeErrors?: unknown };
  return Array.isArray(writeErrors) ? (writeErrors as { index: number }[]) : [];
}

/** The server's number of an error; 0 for errors of others. */
export function codeOf(error: unknown): number {
  const { code } = failureOf(error);
  return typeof code === 'number' ? code : 0;
}

/** Whether the client or the server put this label on the error. */
export function hasLabel(
  error: unknown,
  label: 'HandshakeError' | 'TransientTransactionError' | 'UnknownTransactionCommitResult',
): boolean {
  return failureOf(error).hasErrorLabel?.(label) === true;
}

/** True for errors of the client or the server, false for those that a transaction's own work threw. */
export function isMongoError(error: unknown): boolean {
  return typeof failureOf(error).hasErrorLabel === 'function';
}

/** What went wrong, with the reason why no server could be had, and without the password that a connection string may hold. */
export function messageOf(error: unknown): string {
  const { message, reason } = failureOf(error);
  const cause = reasonOf(reason);
  const text = cause === undefined || message.includes(cause) ? message : `${message}: ${cause}`;
  return text.replaceAll(/(mongodb(?:\+srv)?:\/\/)[^\s"']*@/g, '$1***@');
}

/** What the first server that has an error says, out of a description of all servers. */
function reasonOf(reason: unknown): string | undefined {
  const servers = (reason as { servers?: unknown } | undefined)?.servers;
  if (!(servers instanceof Map)) return undefined;
  for (const server of servers.values()) {
    const { error } = server as { error?: unknown };
    if (error instanceof Error) return error.message;
  }
  return undefined;
}

interface BulkResult {
  readonly matchedCount?: number;
  readonly upsertedCount?: number;
  readonly deletedCount?: number;
  getWriteConcernError?(): unknown;
}

const resultOf = (error: unknown): BulkResult => (error as { result?: BulkResult }).result ?? {};

function hasConcernError(error: unknown): boolean {
  return resultOf(error).getWriteConcernError?.() !== undefined;
}

/** Whether the server refused the command that a bulk was sent with. */
function isReply(error: unknown): boolean {
  const { errorResponse } = error as { errorResponse?: { readonly ok?: unknown } };
  return errorResponse?.ok === 0;
}

/** Whether a bulk was sent in several commands, and some of them had been done. */
function isPartial(error: unknown): boolean {
  const { matchedCount = 0, upsertedCount = 0, deletedCount = 0 } = resultOf(error);
  return matchedCount + upsertedCount + deletedCount > 0;
}
