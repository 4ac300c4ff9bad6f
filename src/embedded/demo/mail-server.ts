import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';

/**
 * The mail server of the demo: takes mails and counts them. `busy<n>@…` is told 451 at the first attempts, once for an even
 * n and twice for an odd one; `unknown…@…` is told 550.
 */
export class MailServer {
  #received = 0;
  readonly #refusals = new Map<string, number>();
  readonly #server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    closeTimeout: 200,
    onData: (stream, session, callback) => this.#receive(stream, session, callback),
  });

  /** Mails that were taken. */
  get received(): number {
    return this.#received;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.#server.server.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    this.#server.on('error', () => undefined);
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server.server, 'listening');
  }

  async stop(): Promise<void> {
    await new Promise<void>(resolve => this.#server.close(resolve));
  }

  #receive(stream: SMTPServerDataStream, session: SMTPServerSession, callback: (error?: Error | null) => void): void {
    stream.resume();
    stream.on('end', () => {
      const refusal = this.#refusalFor(session.envelope.rcptTo[0]?.address ?? '');
      if (!refusal) this.#received += 1;
      callback(refusal);
    });
  }

  #refusalFor(address: string): Error | null {
    if (address.startsWith('unknown')) return smtpError(550, 'no such user here');
    const busy = /^busy(\d+)@/.exec(address);
    if (!busy) return null;
    const given = this.#refusals.get(address) ?? 0;
    if (given > Number(busy[1]) % 2) return null;
    this.#refusals.set(address, given + 1);
    return smtpError(451, 'busy, try again later');
  }
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
