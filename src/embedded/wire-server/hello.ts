import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { fail } from './errors.ts';
import type { Services } from './server.ts';
import { SESSION_MINUTES } from './sessions.ts';
import { clock } from './store.ts';
import { asNumber, asText, Doc, doc, Oid, truthy } from './value.ts';
import { equal } from './value-order.ts';
import { encodeReply, MAX_MESSAGE_BYTES, type Request } from './wire.ts';

export const SET_NAME = 'rs0';
const WIRE_VERSION = 21;

/** What the server says of itself. A change wakes the monitors that wait for one. */
export class Topology {
  readonly address: string;
  /** New at every start: the clients must not take an old answer for a newer one. */
  readonly processId: Oid;
  /** Must grow from start to start, or clients take the restarted server for a stale primary. */
  readonly electionId: Oid;
  primary = true;
  #counter = 0n;
  readonly #listeners = new Set<() => void>();

  constructor(address: string, processId: Oid) {
    this.address = address;
    this.processId = processId;
    const seconds = Buffer.alloc(12);
    seconds.write('7fffffff', 'hex');
    seconds.writeUIntBE(Math.floor(Date.now() / 1000), 6, 6);
    this.electionId = new Oid(seconds.toString('latin1'));
  }

  get version(): Doc {
    return doc({ processId: this.processId, counter: this.#counter });
  }

  change(primary: boolean): void {
    this.primary = primary;
    this.#counter++;
    for (const listener of this.#listeners) listener();
  }

  get counter(): bigint {
    return this.#counter;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function helloReply(services: Services, connectionId: number, legacyName: boolean): Doc {
  const { topology, store } = services;
  const seconds = topology.electionId;
  return doc({
    ...(legacyName ? { ismaster: topology.primary } : { isWritablePrimary: topology.primary }),
    helloOk: true,
    topologyVersion: topology.version,
    hosts: [topology.address],
    setName: SET_NAME,
    setVersion: 1,
    ...(legacyName ? {} : { ismaster: topology.primary }),
    secondary: !topology.primary,
    ...(topology.primary ? { primary: topology.address } : {}),
    me: topology.address,
    electionId: seconds,
    lastWrite: doc({
      opTime: doc({ ts: store.clusterTime, t: 1n }),
      lastWriteDate: clock.now(),
      majorityOpTime: doc({ ts: store.clusterTime, t: 1n }),
      majorityWriteDate: clock.now(),
    }),
    maxBsonObjectSize: 16 * 1024 * 1024,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: clock.now(),
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
  if (known) {
    const maxAwait = args.optionalNumber('maxAwaitTimeMS');
    if (maxAwait === undefined) return fail(51760, 'topologyVersion must be sent with maxAwaitTimeMS');
    await changeSince(services, connection, known, maxAwait);
  }
  return helloReply(services, connection.id, name !== 'hello');
}

async function changeSince(
  { topology }: Services,
  connection: Connection,
  known: Doc,
  maxAwait: number,
): Promise<void> {
  const same =
    equal(known.get('processId') ?? null, topology.processId) &&
    BigInt(asNumber(known.get('counter')) ?? 0) === topology.counter;
  if (!same) return;
  await new Promise<void>(resolve => {
    const finish = () => {
      clearTimeout(timer);
      forgetTopology();
      forgetClose();
      resolve();
    };
    const timer = setTimeout(finish, maxAwait);
    const forgetTopology = topology.listen(finish);
    const forgetClose = connection.onClose(finish);
  });
}

export const isHello = (body: Doc): boolean =>
  ['hello', 'ismaster', 'isMaster'].includes(body.first?.name ?? '') && truthy(body.first?.value);

/** The exhaust stream of a monitor: reply after reply, each answering the one before, until the socket closes. */
export async function streamHello(
  services: Services,
  connection: Connection,
  request: Request,
  firstId: number,
): Promise<void> {
  const maxAwait = asNumber(request.body.get('maxAwaitTimeMS')) ?? 10_000;
  let id = firstId;
  let known = services.topology.version;
  while (!connection.closed) {
    await changeSince(services, connection, known, maxAwait);
    if (connection.closed) return;
    known = services.topology.version;
    const reply = helloReply(services, connection.id, request.body.first?.name !== 'hello').set('ok', 1);
    const next = encodeReply({ id, legacy: false }, reply, true);
    id = next.id;
    connection.socket.write(next.bytes);
  }
}
