// Server-sent events as text (WHATWG HTML, section 9.2.6), read from pieces that end anywhere.

export interface Message {
  id: string | undefined;
  event: string;
  data: string;
}

/** A line longer than this is no event of ours. */
const LONGEST_BYTES = 1 << 20;

/** Puts pieces of a stream together to messages. */
export class Parser {
  private rest = '';
  private id: string | undefined;
  private event = '';
  private data: string[] = [];

  /** The messages that end in this piece. */
  push(piece: string): Message[] {
    const messages: Message[] = [];
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LONGEST_BYTES) throw new Error('the stream of events has a line without end');
    for (const line of lines) {
      if (line === '') this.end(messages);
      else this.field(line);
    }
    return messages;
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.data.push(value);
    else if (name === 'event') this.event = value;
    else if (name === 'id') this.id = value;
  }

  private end(messages: Message[]): void {
    if (this.data.length > 0) {
      messages.push({ id: this.id, event: this.event || 'message', data: this.data.join('\n') });
    }
    this.event = '';
    this.data = [];
  }
}
