import { docAt, encode, int32 } from '../documents/codec.ts';
import { fail } from '../documents/errors.ts';
import type { Doc, Value } from '../documents/value.ts';

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
  /** Came as OP_QUERY, as handshakes do: the answer goes as OP_REPLY. */
  readonly legacy: boolean;
  readonly flags: number;
}

export const isSilent = ({ flags }: Request): boolean => (flags & MORE_TO_COME) !== 0;

export const allowsExhaust = ({ flags }: Request): boolean => (flags & EXHAUST_ALLOWED) !== 0;

/**
 * Cuts a stream of bytes into messages. Chunks are collected and joined once per message: joining at every chunk would
 * cost the square of a large message's size.
 */
export class MessageReader {
  #chunks: Buffer[] = [];
  #length = 0;
  #needed = 4;

  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const messages: Buffer[] = [];
    while (this.#length >= this.#needed) {
      const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
      const size = all.readInt32LE(0);
      if (size < HEADER || size > MAX_MESSAGE_BYTES) fail(17, `message length ${size} is out of bounds`);
      const isWhole = all.length >= size;
      if (isWhole) messages.push(all.subarray(0, size));
      this.#chunks = [isWhole ? all.subarray(size) : all];
      this.#length = isWhole ? all.length - size : all.length;
      this.#needed = isWhole ? 4 : size;
    }
    return messages;
  }
}

export function parseMessage(message: Buffer): Request {
  const id = message.readInt32LE(4);
  const opcode = message.readInt32LE(12);
  if (opcode === OP_MSG) return { id, legacy: false, ...parseMsg(message) };
  const nameEnd = message.indexOf(0, HEADER + 4);
  const ns = message.toString('utf8', HEADER + 4, nameEnd);
  if (opcode !== OP_QUERY || !ns.endsWith('.$cmd')) fail(17, `opcode ${opcode} is not supported`);
  return { id, legacy: true, flags: 0, body: docAt(message, nameEnd + 9).set('$db', ns.slice(0, -5)) };
}

function parseMsg(message: Buffer): { flags: number; body: Doc } {
  const flags = message.readUInt32LE(HEADER);
  // The lower half are flags that must be understood.
  if ((flags & 0xffff & ~(CHECKSUM_PRESENT | MORE_TO_COME)) !== 0) fail(17, `unknown OP_MSG flags ${flags}`);
  const end = message.length - (flags & CHECKSUM_PRESENT ? 4 : 0);
  const bodies: Doc[] = [];
  const sequences: [name: string, documents: Value[]][] = [];
  for (let at = HEADER + 4; at < end; ) {
    const kind = message[at++];
    const size = at + 4 <= end ? message.readInt32LE(at) : 0;
    if (kind === undefined || kind > 1 || size < 5 || at + size > end)
      fail(17, `an OP_MSG section of kind ${kind} and size ${size}`);
    if (kind === 0) bodies.push(docAt(message, at));
    else sequences.push(parseSequence(message, at + 4, at + size));
    at += size;
  }
  const [body, ...more] = bodies;
  if (!body || more.length) return fail(17, `OP_MSG with ${bodies.length} bodies`);
  for (const [name, documents] of sequences) {
    if (body.has(name)) fail(17, `duplicate field '${name}' in OP_MSG`);
    body.set(name, documents);
  }
  return { flags, body };
}

function parseSequence(message: Buffer, from: number, end: number): [string, Value[]] {
  const nameEnd = message.indexOf(0, from);
  const documents: Value[] = [];
  for (let at = nameEnd + 1; at < end; at += message.readInt32LE(at)) documents.push(docAt(message, at));
  return [message.toString('utf8', from, nameEnd), documents];
}

let lastId = 0;

/** One reply message. `moreToCome` announces another one that nobody has to ask for. */
export function encodeReply(
  request: { id: number; legacy: boolean },
  reply: Doc,
  moreToCome = false,
): { id: number; bytes: Buffer } {
  const id = ++lastId;
  const opcode = request.legacy ? [OP_REPLY, 8, 0, 0, 0, 1] : [OP_MSG, moreToCome ? MORE_TO_COME : 0];
  const rest = [id, request.id, ...opcode].map(int32).join('') + (request.legacy ? '' : '\0') + encode(reply);
  return { id, bytes: Buffer.from(int32(rest.length + 4) + rest, 'latin1') };
}
