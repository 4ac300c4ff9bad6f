import type { CommandSpec, Context } from './context.ts';
import { codeName, fail } from './errors.ts';
import { asNumber, asText, type Doc, doc, show, truthy } from './value.ts';

const READ_LEVELS = ['local', 'majority', 'snapshot', 'available', 'linearizable'];

/** Refuses read and write concerns where a real server does. */
export function checkConcerns({ args, name, transaction }: Context, spec: CommandSpec): void {
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
export async function awaitConcern(context: Context, spec: CommandSpec, reply: Doc): Promise<void> {
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
