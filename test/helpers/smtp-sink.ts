import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** Headers and body as sent. */
  raw: string;
  subject: string;
}

/**
 * `accept` takes mails; `temporary` answers 451 and `permanent` 550 to the message; `refuse-recipient` 550 to each
 * recipient; `hang` never answers; `drop` cuts the connection in the middle of the message.
 */
export type SmtpMode = 'accept' | 'temporary' | 'permanent' | 'refuse-recipient' | 'hang' | 'drop';

const REFUSALS: { readonly [mode in SmtpMode]?: readonly [code: number, text: string] } = {
  temporary: [451, 'try again later'],
  permanent: [550, 'not wanted'],
};

/** A mail server on loopback that keeps what it gets. */
export class SmtpSink {
  readonly mails: ReceivedMail[] = [];
  mode: SmtpMode = 'accept';
  readonly #server: SMTPServer;

  constructor() {
    this.#server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS', 'AUTH'],
      disableReverseLookup: true,
      closeTimeout: 200,
      onRcptTo: (_address, _session, callback) =>
        callback(this.mode === 'refuse-recipient' ? smtpError(550, 'no such user') : null),
      onData: (stream, session, callback) => void this.#receive(stream, session, callback),
    });
    this.#server.on('error', () => undefined);
  }

  async start(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server.server, 'listening');
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    await new Promise<void>(resolve => this.#server.close(resolve));
  }

  async #receive(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    callback: (error?: Error | null) => void,
  ): Promise<void> {
    const mode = this.mode;
    if (mode === 'drop') {
      this.#cut(session);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    if (mode === 'hang') return;
    const refusal = REFUSALS[mode];
    if (!refusal) this.mails.push(toMail(session, Buffer.concat(chunks).toString('utf8')));
    callback(refusal ? smtpError(...refusal) : null);
  }

  #cut(session: SMTPServerSession): void {
    for (const connection of this.#server.connections) {
      if (connection.session.id === session.id) connection._socket.destroy();
    }
  }
}

function toMail(session: SMTPServerSession, raw: string): ReceivedMail {
  const { mailFrom, rcptTo } = session.envelope;
  return {
    from: mailFrom ? mailFrom.address : '',
    to: rcptTo.map(recipient => recipient.address),
    raw,
    subject: /^subject: (.*)$/im.exec(raw)?.[1]?.trim() ?? '',
  };
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
