import { EventEmitter } from 'node:events';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { fail } from './errors.ts';
import type { Services } from './server.ts';
import { SESSION_MINUTES } from './sessions.ts';
import { clock } from './store.ts';
import { asNumber, asText, Doc, doc, Oid, truthy } from './value.ts';
import { equal } from './value-order.ts';
import { encodeReply, MAX_MESSAGE_BYTES, type Request } from './wire.ts';
import { newOid } from './writes.ts';

export const SET_NAME = 'rs0';
const WIRE_VERSION = 21;

/** What the server says of itself. A change wakes the monitors that wait for one. */
export class Topology {
  readonly address: string;
  /** New at every start: the clients must not take an old answer for a newer one. */
  readonly #processId = newOid();
  /** Must grow from start to start, or clients take the restarted server for a stale primary. */
  readonly electionId: Oid;
  primary = true;
  #counter = 0n;
  readonly news = new EventEmitter().setMaxListeners(0);

  constructor(address: string) {
    this.address = address;
    const seconds = Math.floor(Date.now() / 1000);
    const hex = `7fffffff${seconds.toString(16).padStart(16, '0')}`;
    this.electionId = new Oid(Buffer.from(hex, 'hex').toString('latin1'));
  }

  get version(): Doc {
    return doc({ processId: this.#processId, counter: this.#counter });
  }

  change(primary: boolean): void {
    this.primary = primary;
    this.#counter++;
    this.news.emit('change');
  }
}

function helloReply({ topology, store }: Services, connectionId: number, legacyName: boolean): Doc {
  const { primary, address, version: topologyVersion, electionId } = topology;
  const now = clock.now();
  const opTime = { ts: store.clusterTime, t: 1n };
  return doc({
    isWritablePrimary: legacyName ? undefined : primary,
    ismaster: primary,
    helloOk: true,
    topologyVersion,
    hosts: [address],
    setName: SET_NAME,
    setVersion: 1,
    secondary: !primary,
    primary: primary ? address : undefined,
    me: address,
    electionId,
    lastWrite: { opTime, lastWriteDate: now, majorityOpTime: opTime, majorityWriteDate: now },
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: now,
    logicalSessionTimeoutMinutes: SESSION_MINUTES,
    connectionId,
    minWireVersion: 0,
    maxWireVersion: WIRE_VERSION,
    readOnly: false,
  });
}

/** hello, isMaster: answers at once, or (with topologyVersion) when something changed or maxAwaitTimeMS is over. */
export async function runHello({ services, connection, args, name }: Context): Promise<Doc> {
  const client = args.optionalDoc('client')?.get('application');
  if (client instanceof Doc) connection.appName = asText(client.get('name'));
  const known = args.optionalDoc('topologyVersion');
  const maxAwait = args.optionalNumber('maxAwaitTimeMS');
  if (known && maxAwait === undefined) return fail(51760, 'topologyVersion must be sent with maxAwaitTimeMS');
  const { topology } = services;
  if (known && maxAwait && equal(known, topology.version)) await connection.until(maxAwait, topology.news);
  return helloReply(services, connection.id, name !== 'hello');
}

export const isHello = (body: Doc): boolean =>
  ['hello', 'ismaster'].includes(body.first?.name ?? '') && truthy(body.first?.value);

/** The exhaust stream of a monitor: reply after reply, each answering the one before, until the socket closes. */
export async function streamHello(
  services: Services,
  connection: Connection,
  request: Request,
  firstId: number,
): Promise<void> {
  const maxAwait = asNumber(request.body.get('maxAwaitTimeMS')) ?? 10_000;
  for (let id = firstId; ; ) {
    await connection.until(maxAwait, services.topology.news);
    if (connection.closed) return;
    const reply = helloReply(services, connection.id, request.body.first?.name !== 'hello').set('ok', 1);
    const next = encodeReply({ id, legacy: false }, reply, true);
    id = next.id;
    connection.socket.write(next.bytes);
  }
}
