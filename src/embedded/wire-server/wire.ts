import { Writer } from './codec.ts';
import { fail } from './errors.ts';
import { Doc, Field, type Value } from './value.ts';

export const MAX_MESSAGE_BYTES = 48_000_000;
const HEADER = 16;
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;

const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 0x10000;

export interface Request {
  readonly id: number;
  readonly body: Doc;
  /** Came as OP_QUERY: the answer goes as OP_REPLY. */
  readonly legacy: boolean;
  /** The client does not want an answer. */
  readonly silent: boolean;
  readonly exhaustAllowed: boolean;
}

/**
 * Cuts a stream of bytes into messages. Chunks are collected and joined once per message: joining at every chunk would
 * cost the square of a large message's size.
 */
export class MessageReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** Whole messages that the chunk completes. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const messages: Buffer[] = [];
    while (this.#length >= 4) {
      const size = this.#sizeOfNext();
      if (size < HEADER || size > MAX_MESSAGE_BYTES) fail(17, `message length ${size} is out of bounds`);
      if (this.#length < size) break;
      const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#length);
      messages.push(all.subarray(0, size));
      this.#chunks = all.length > size ? [all.subarray(size)] : [];
      this.#length -= size;
    }
    return messages;
  }

  #sizeOfNext(): number {
    if ((this.#chunks[0] as Buffer).length < 4) this.#chunks = [Buffer.concat(this.#chunks, this.#length)];
    return (this.#chunks[0] as Buffer).readInt32LE(0);
  }
}

export function parseMessage(message: Buffer): Request {
  const id = message.readInt32LE(4);
  const opcode = message.readInt32LE(12);
  if (opcode === OP_MSG) return parseMsg(message, id);
  if (opcode === OP_QUERY) return parseQuery(message, id);
  return fail(17, `opcode ${opcode} is not supported`);
}

function parseQuery(message: Buffer, id: number): Request {
  const nameEnd = message.indexOf(0, HEADER + 4);
  const ns = message.toString('utf8', HEADER + 4, nameEnd);
  if (nameEnd < 0 || !ns.endsWith('.$cmd')) return fail(17, 'OP_QUERY is only supported for the handshake');
  const body = Doc.read(message, nameEnd + 9);
  body.set('$db', ns.slice(0, -5));
  return { id, body, legacy: true, silent: false, exhaustAllowed: false };
}

function parseMsg(message: Buffer, id: number): Request {
  const flags = message.readUInt32LE(HEADER);
  // The lower half are flags that must be understood.
  if ((flags & 0xffff & ~(CHECKSUM_PRESENT | MORE_TO_COME)) !== 0) fail(17, `unknown OP_MSG flags ${flags}`);
  const end = message.length - (flags & CHECKSUM_PRESENT ? 4 : 0);
  let body: Doc | undefined;
  const sequences: Field[] = [];
  for (let at = HEADER + 4; at < end; ) {
    const kind = message[at++];
    if (kind === 0) {
      if (body) fail(17, 'OP_MSG with two bodies');
      body = Doc.read(message, at);
      at += message.readInt32LE(at);
    } else if (kind === 1) {
      const size = at + 4 <= end ? message.readInt32LE(at) : 0;
      if (size < 6 || at + size > end) fail(17, 'OP_MSG sequence of wrong size');
      sequences.push(parseSequence(message, at + 4, at + size));
      at += size;
    } else fail(17, `unknown OP_MSG section kind ${kind}`);
  }
  if (!body) return fail(17, 'OP_MSG without a body');
  for (const sequence of sequences) {
    if (body.has(sequence.name)) fail(17, `duplicate field '${sequence.name}' in OP_MSG`);
    body.fields.push(sequence);
  }
  return {
    id,
    body,
    legacy: false,
    silent: (flags & MORE_TO_COME) !== 0,
    exhaustAllowed: (flags & EXHAUST_ALLOWED) !== 0,
  };
}

function parseSequence(message: Buffer, from: number, end: number): Field {
  const nameEnd = message.indexOf(0, from);
  const documents: Value[] = [];
  for (let at = nameEnd + 1; at < end; at += message.readInt32LE(at)) documents.push(Doc.read(message, at));
  return new Field(message.toString('utf8', from, nameEnd), documents);
}

let nextId = 1;
const writer = new Writer(64 * 1024);

/** One reply message. `moreToCome` announces another one that nobody has to ask for. */
export function encodeReply(
  request: { id: number; legacy: boolean },
  reply: Doc,
  moreToCome = false,
): { id: number; bytes: Buffer } {
  const id = nextId++;
  writer.reset();
  writer.int32(0);
  writer.int32(id);
  writer.int32(request.id);
  if (request.legacy) {
    writer.int32(OP_REPLY);
    writer.int32(8);
    writer.int32(0);
    writer.int32(0);
    writer.int32(0);
    writer.int32(1);
  } else {
    writer.int32(OP_MSG);
    writer.int32(moreToCome ? MORE_TO_COME : 0);
    writer.byte(0);
  }
  writer.document(reply);
  writer.buf.writeInt32LE(writer.pos, 0);
  return { id, bytes: Buffer.from(writer.bytes) };
}
