import { http2Codes } from './http2.ts';

/** Why a stream or connection was ended: the code on the wire and a reason for people, which goes into GOAWAY. */
export interface Http2Fault {
  readonly code: number;
  readonly reason: string;
}

function fault(code: keyof typeof http2Codes, reason: string): Http2Fault {
  return { code: http2Codes[code], reason };
}

/** Everything that the codec refuses. The reasons are ours and repeat nothing that the peer sent. */
export const http2Faults = {
  preface: fault('protocolError', 'the connection does not begin with the preface of HTTP/2'),
  firstFrame: fault('protocolError', 'the first frame is not SETTINGS'),
  frameSize: fault('frameSizeError', 'a frame is larger than 16384 bytes'),
  frameLength: fault('frameSizeError', 'a frame has a length that its type does not have'),
  streamZero: fault('protocolError', 'a frame of a stream came on stream 0'),
  streamNotZero: fault('protocolError', 'a frame of the connection came on a stream'),
  padding: fault('protocolError', 'a frame has more padding than payload'),
  pushPromise: fault('protocolError', 'PUSH_PROMISE is not allowed here'),
  headerBlockTorn: fault('protocolError', 'a header block was interrupted by another frame'),
  continuation: fault('protocolError', 'CONTINUATION came without an open header block'),
  compression: fault('compressionError', 'a header block cannot be decoded'),
  headerBlockMax: fault('enhanceYourCalm', 'a header block is too large'),
  continuationMax: fault('enhanceYourCalm', 'a header block has too many frames'),
  idleStream: fault('protocolError', 'a frame came on a stream that was never opened'),
  streamId: fault('protocolError', 'a stream id is not allowed'),
  streamClosed: fault('streamClosed', 'a frame came on a closed stream'),
  malformed: fault('protocolError', 'a message is malformed'),
  contentLength: fault('protocolError', 'the content-length differs from the bytes that came'),
  headersMax: fault('enhanceYourCalm', 'the header fields are too large or too many'),
  streamsMax: fault('refusedStream', 'too many streams are open'),
  settingValue: fault('protocolError', 'a setting has a value that is not allowed'),
  settingWindow: fault('flowControlError', 'SETTINGS_INITIAL_WINDOW_SIZE is larger than 2^31-1'),
  windowZero: fault('protocolError', 'WINDOW_UPDATE has no increment'),
  windowMax: fault('flowControlError', 'a window grew beyond 2^31-1'),
  windowExceeded: fault('flowControlError', 'more data came than the window allows'),
  settingsTimeout: fault('settingsTimeout', 'SETTINGS were not acknowledged in time'),
  handshakeTimeout: fault('protocolError', 'the preface or SETTINGS did not arrive in time'),
  headersTimeout: fault('enhanceYourCalm', 'a header block did not arrive in time'),
  pingTimeout: fault('noError', 'PING was not answered in time'),
  stalled: fault('cancel', 'an answer was not taken in time'),
  flood: fault('enhanceYourCalm', 'too many frames that carry nothing'),
  internal: fault('internalError', 'this side failed'),
  idsUsedUp: fault('noError', 'the connection has no more stream ids'),
} as const satisfies Record<string, Http2Fault>;
