import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import mongoose from 'mongoose';
import { atEnd } from '../../helpers/fixtures.ts';
import { body, flags } from '../wire-server/harness.ts';

const { BSON } = mongoose.mongo;

export type Document = Record<string, unknown>;

/**
 * Speaks the protocol without a driver: commands go out many at a time and as they are, nothing is repeated, and the
 * replies keep their BSON types.
 */
export class WireClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { resolve: (reply: Document) => void; reject: (error: Error) => void }>();
  #chunks: Buffer[] = [];
  #length = 0;
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the connection was closed'));
      this.#waiting.clear();
    });
  }

  static async connect(port: number): Promise<WireClient> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    atEnd(async () => void socket.destroy());
    return new WireClient(socket);
  }

  /** The id of the last message sent: its reply carries it. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Sends all at once; the server answers one after the other. */
  sendAll(commands: readonly Document[]): Promise<Document[]> {
    const replies = commands.map(() => {
      this.#lastId += 1;
      const id = this.#lastId;
      return new Promise<Document>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    });
    const first = this.#lastId - commands.length + 1;
    this.#socket.write(Buffer.concat(commands.map((command, n) => messageOf(command, first + n))));
    return Promise.all(replies);
  }

  async send(command: Document): Promise<Document> {
    const [reply] = await this.sendAll([command]);
    return reply as Document;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    let all = Buffer.concat(this.#chunks, this.#length);
    while (all.length >= 4 && all.length >= all.readInt32LE(0)) {
      const size = all.readInt32LE(0);
      const id = all.readInt32LE(8);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      waiting?.resolve(BSON.deserialize(all.subarray(21, size), { promoteValues: false }));
      all = all.subarray(size);
    }
    this.#chunks = [all];
    this.#length = all.length;
  }
}

function messageOf(command: Document, id: number): Buffer {
  const payload = Buffer.concat([flags(0), body({ ...command, $db: 'test' })]);
  const header = Buffer.alloc(16);
  header.writeInt32LE(16 + payload.length, 0);
  header.writeInt32LE(id, 4);
  header.writeInt32LE(2013, 12);
  return Buffer.concat([header, payload]);
}
