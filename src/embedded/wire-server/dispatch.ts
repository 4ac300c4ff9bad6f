import { Binary, Timestamp } from 'bson';
import { checkDeep } from '../documents/codec.ts';
import { CommandError, codeName, fail } from '../documents/errors.ts';
import { asNumber, asText, Doc, doc, show, truthy } from '../documents/value.ts';
import { words } from '../documents/words.ts';
import { adminCommands } from './admin-commands.ts';
import { catalogCommands } from './catalog-commands.ts';
import type { Connection } from './connection.ts';
import { Arguments, type CommandSpec, type Commands, type Context } from './context.ts';
import { CloseConnection } from './fail-points.ts';
import { isHello } from './hello.ts';
import { indexCommands } from './index-commands.ts';
import { labelsFor, STATE_CHANGE_CODES } from './labels.ts';
import { readCommands } from './read-commands.ts';
import type { Services } from './server.ts';
import { openSession, sessionCommands } from './sessions.ts';
import { writeCommands } from './write-commands.ts';

/** Every command this server knows. What is not here is answered with error 59. */
export const commands: Commands = {
  ...adminCommands,
  ...sessionCommands,
  ...readCommands,
  ...writeCommands,
  ...catalogCommands,
  ...indexCommands,
};

export const GENERIC = words(`$db $readPreference $clusterTime lsid txnNumber autocommit startTransaction readConcern
  writeConcern maxTimeMS comment apiVersion apiStrict apiDeprecationErrors`);

const allowed = new Map(
  Object.entries(commands).map(([name, { fields, refused = '' }]) => [
    name,
    { names: new Set([name, ...words(fields), ...words(refused), ...GENERIC]), refused: words(refused) },
  ]),
);

/** Runs one command and makes its reply; undefined = a fail point wants the connection closed. */
export async function dispatch(services: Services, connection: Connection, body: Doc): Promise<Doc | undefined> {
  const name = body.first?.name ?? '';
  const args = new Arguments(body, name);
  const db = asText(body.get('$db'));
  const context: Context = { services, connection, args, name, db, deadline: Number.POSITIVE_INFINITY, position: 0 };
  let failure: Doc | undefined;
  let reply: Doc;
  try {
    failure = await services.failPoints.command(context);
    if (truthy(failure?.get('closeConnection'))) return undefined;
    const code = asNumber(failure?.get('errorCode'));
    if (code !== undefined) fail(code, "Failing command via 'failCommand' failpoint");
    reply = await run(context);
    const concernError = failure?.get('writeConcernError');
    if (concernError) reply.set('writeConcernError', concernError);
  } catch (error) {
    if (error instanceof CloseConnection) return undefined;
    if (context.transaction && name !== 'commitTransaction') services.store.abort(context.transaction);
    reply = errorReply(services, error);
  }
  count(services, name, reply.has('code'));
  // A fail point's labels replace the server's own.
  const labels = failure?.get('errorLabels') ?? labelsFor(reply, context);
  if (Array.isArray(labels) && labels.length) reply.set('errorLabels', labels);
  return finish(services, body, reply);
}

async function run(context: Context): Promise<Doc> {
  const { args, name, db, services } = context;
  const spec = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!spec) return fail(59, `no such command: '${name}'`);
  if (!db) fail(40571, 'OP_MSG requests require a $db argument');
  if (spec.adminOnly && db !== 'admin') fail(13, `${name} may only be run against the admin database.`);
  const { names, refused } = allowed.get(name) as { names: Set<string>; refused: string[] };
  args.allow(names, refused);
  checkDeep(args.body);
  const version = args.get('apiVersion');
  if (version !== undefined && version !== '1') fail(322, 'API version must be "1"');
  if (version === undefined && (args.get('apiStrict') ?? args.get('apiDeprecationErrors')) !== undefined)
    fail(72, 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
  const maxTimeMs = args.count('maxTimeMS');
  if (maxTimeMs > 0) context.deadline = performance.now() + maxTimeMs;
  Object.assign(context, openSession(context, spec));
  checkConcerns(context, spec);
  if (!services.topology.primary && !spec.anywhere) fail(spec.writes ? 10107 : 13435, 'not primary');
  const reply = await spec.run(context);
  await awaitConcern(context, spec, reply);
  return reply;
}

const READ_LEVELS = ['local', 'majority', 'snapshot', 'available', 'linearizable'];

/** Refuses read and write concerns where a real server does. */
function checkConcerns({ args, name, transaction }: Context, spec: CommandSpec): void {
  const read = args.optionalDoc('readConcern');
  const level = read?.get('level') ?? 'local';
  if (!READ_LEVELS.includes(asText(level)))
    fail(9, `Enumeration value ${show(level)} for field 'readConcern.level' is not a valid value.`);
  const write = args.optionalDoc('writeConcern');
  if (transaction && !/^(commit|abort)Transaction$/.test(name)) {
    if (write) fail(72, 'writeConcern is not allowed within a multi-statement transaction');
    if (read && args.get('startTransaction') === undefined)
      fail(72, 'Only the first command in a transaction may specify a readConcern');
    if (READ_LEVELS.indexOf(asText(level)) > 2)
      fail(72, "The readConcern level must be 'local' (default), 'majority' or 'snapshot' in a transaction");
    return;
  }
  if (write && !spec.writes && name !== 'aggregate') fail(72, `Command ${name} does not support writeConcern`);
  // Outside a transaction such a read is served like a local one: what it sees may be of several moments.
  if (level === 'snapshot' && !['find', 'aggregate', 'distinct'].includes(name))
    fail(72, `Command ${name} does not support read concern snapshot`);
}

/**
 * Holds the reply until its concern is met: w:1 until write() has taken the frame, everything else (none = majority)
 * until fdatasync has. A majority read waits for what it may have seen.
 */
async function awaitConcern(context: Context, spec: CommandSpec, reply: Doc): Promise<void> {
  const { services, args, transaction, name, position } = context;
  const { journal } = services.store;
  if (!spec.writes) {
    const level = args.optionalDoc('readConcern')?.get('level');
    if (level === 'majority' || level === 'linearizable') await journal.durable(journal.position);
    return;
  }
  if (transaction && name !== 'commitTransaction') return;
  const concern = args.doc('writeConcern');
  const w = concern.get('w') ?? 'majority';
  const nodes = asNumber(w);
  if (nodes === 0) return;
  if (nodes === 1 && !truthy(concern.get('j'))) await journal.written(position);
  else await journal.durable(position);
  if (w === 'majority' || nodes === 1) return;
  const code = nodes === undefined ? 79 : 100;
  const errmsg = code === 79 ? `No write concern mode named ${show(w)} found` : 'Not enough data-bearing nodes';
  const error = { code, codeName: codeName(code), errmsg, errInfo: { writeConcern: concern } };
  reply.set('writeConcernError', doc(error));
}

function errorReply(services: Services, error: unknown): Doc {
  const known = error instanceof CommandError ? error : new CommandError(1, String(error));
  if (known !== error) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  const { code, extra, message: errmsg } = known;
  const topologyVersion = STATE_CHANGE_CODES.has(code) ? services.topology.version : undefined;
  return doc({ ok: 0, errmsg, code, codeName: codeName(code), ...extra, topologyVersion });
}

function count({ commandCounts }: Services, name: string, isFailed: boolean): void {
  const { total, failed } = commandCounts.get(name) ?? { total: 0, failed: 0 };
  // Names come from clients: a stream of nonsense must not grow the map.
  if (total > 0 || commandCounts.size < 500)
    commandCounts.set(name, { total: total + 1, failed: failed + Number(isFailed) });
}

/** A signature of zeros, as a server without authentication sends it. */
const SIGNATURE = doc({ hash: new Binary(Buffer.alloc(20)), keyId: 0n });

function finish({ store }: Services, body: Doc, reply: Doc): Doc {
  // A client may carry a later time from elsewhere; ours must not fall behind it.
  const sent = body.get('$clusterTime');
  const time = sent instanceof Doc ? sent.get('clusterTime') : undefined;
  if (time instanceof Timestamp && time.compare(store.clusterTime) > 0 && !isHello(body)) store.clusterTime = time;
  if (!reply.has('ok')) reply.set('ok', 1);
  reply.set('$clusterTime', doc({ clusterTime: store.clusterTime, signature: SIGNATURE }));
  return reply.set('operationTime', store.clusterTime);
}
