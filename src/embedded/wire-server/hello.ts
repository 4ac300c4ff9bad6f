import { EventEmitter } from 'node:events';
import { fail } from '../documents/errors.ts';
import { asNumber, asText, Doc, doc, truthy } from '../documents/value.ts';
import { equal } from '../documents/value-order.ts';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import type { Services } from './server.ts';
import { encodeReply, MAX_MESSAGE_BYTES, type Request } from './wire.ts';
import { newOid } from './writes.ts';

export const SET_NAME = 'rs0';

/** What the server says of itself. A change wakes the monitors that wait for one. */
export class Topology {
  readonly address: string;
  primary = true;
  /** The process is new at every start: the clients must not take an old answer for a newer one. */
  readonly #processId = newOid();
  #counter = 0n;
  readonly news = new EventEmitter().setMaxListeners(0);

  constructor(address: string) {
    this.address = address;
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

/** A one-node replica set of MongoDB 7.0. */
function helloReply({ topology, store }: Services, { id: connectionId }: Connection): Doc {
  const { primary, address, version: topologyVersion } = topology;
  const now = new Date();
  return doc({
    isWritablePrimary: primary,
    ismaster: primary,
    secondary: !primary,
    helloOk: true,
    topologyVersion,
    hosts: [address],
    me: address,
    setName: SET_NAME,
    lastWrite: { opTime: { ts: store.clusterTime, t: 1n }, lastWriteDate: now },
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: now,
    logicalSessionTimeoutMinutes: 30,
    connectionId,
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
  });
}

/** hello, isMaster: answers at once, or (with topologyVersion) when something changed or maxAwaitTimeMS is over. */
export async function runHello({ services, connection, args }: Context): Promise<Doc> {
  const client = args.optionalDoc('client')?.get('application');
  if (client instanceof Doc) connection.appName = asText(client.get('name'));
  const known = args.optionalDoc('topologyVersion');
  const maxAwait = args.optionalNumber('maxAwaitTimeMS');
  if (known && maxAwait === undefined) return fail(51760, 'topologyVersion must be sent with maxAwaitTimeMS');
  const { topology } = services;
  if (known && maxAwait && equal(known, topology.version)) await connection.until(maxAwait, topology.news);
  return helloReply(services, connection);
}

export const isHello = (body: Doc): boolean =>
  ['hello', 'ismaster'].includes(body.first?.name ?? '') && truthy(body.first?.value);

/** The exhaust stream of a monitor: reply after reply, each answering the one before, until the socket closes. */
export async function streamHello(services: Services, connection: Connection, request: Request, firstId: number) {
  const maxAwait = asNumber(request.body.get('maxAwaitTimeMS')) ?? 10_000;
  for (let id = firstId; ; ) {
    await connection.until(maxAwait, services.topology.news);
    if (connection.closed) return;
    const next = encodeReply({ id, legacy: false }, helloReply(services, connection).set('ok', 1), true);
    id = next.id;
    connection.socket.write(next.bytes);
  }
}
