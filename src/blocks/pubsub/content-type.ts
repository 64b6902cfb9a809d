/** How event data is embedded, by its content type (parameters and case do not matter). */
export type DataForm = 'cloud-event' | 'json' | 'binary' | 'text';

/** The media type alone: in lower case, without parameters. */
export function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/**
 * Dapr's rules, with one exception: `application/x-protobuf` is always binary, where Dapr makes a lossy text of whatever is not a CloudEvent.
 * Other JSON types than `application/json` are text to Dapr, and so they are here.
 */
export function dataForm(contentType: string): DataForm {
  if (contentType === 'application/json') return 'json';
  switch (mediaType(contentType)) {
    case 'application/json':
      return 'json';
    case 'application/cloudevents+json':
      return 'cloud-event';
    case 'application/octet-stream':
    case 'application/cloudevents+protobuf':
    case 'application/x-protobuf':
      return 'binary';
    default:
      return 'text';
  }
}
