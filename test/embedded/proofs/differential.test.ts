import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { scratch, spawnServer } from '../wire-server/harness.ts';
import { INDEXES, indexChoices, operations } from './reference/arbitraries.ts';
import { Model } from './reference/model.ts';
import { commandOf, isWrite, type Operation } from './reference/operations.ts';
import { outcomeOf } from './reference/reply.ts';
import { type Doc, identical, shown } from './reference/values.ts';
import { WireClient } from './wire-client.ts';

const OPERATIONS = Number(process.env.DIFFERENTIAL_OPERATIONS ?? 20_000);
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 20_260_101);
const UNIQUE = { name: 'unique', key: { k: 1 }, unique: true, partialFilterExpression: { s: 'p' } };

let client: WireClient;
beforeAll(async () => {
  client = await WireClient.connect((await spawnServer(scratch())).port);
});

interface Difference {
  at: number;
  operation: Operation;
  model: string;
  server: string;
}

let collections = 0;

/** Runs the operations in a fresh collection and in the model; the first difference, if any. */
async function firstDifference(indexes: readonly number[], list: readonly Operation[]): Promise<Difference | null> {
  collections += 1;
  const name = `c${collections}`;
  const setUp = { createIndexes: name, indexes: [UNIQUE, ...indexes.map(n => INDEXES[n])], writeConcern: { w: 1 } };
  const look = { find: name, sort: { _id: 1 }, batchSize: 1_000 };
  const replies = await client.sendAll([setUp, ...list.flatMap(op => [commandOf(op, name), look]), { drop: name }]);
  expect(Number(replies[0]!.ok), shown(replies[0])).toBe(1);
  const model = new Model();
  for (const [at, operation] of list.entries()) {
    const outcome = outcomeOf(operation, replies[1 + 2 * at]!);
    const { firstBatch: state } = replies[2 + 2 * at]!.cursor as { firstBatch: Doc[] };
    const expected = model.run(operation);
    if (model.isPartial) {
      const before = model.state();
      if (!model.adopt(state, outcome.code))
        return { at, operation, model: `an error; before: ${shown(before)}`, server: shown({ outcome, state }) };
      continue;
    }
    if (!identical(expected, outcome)) return { at, operation, model: shown(expected), server: shown(outcome) };
    if (isWrite(operation) && !identical(model.state(), state))
      return { at, operation, model: shown(model.state()), server: shown(state) };
  }
  return null;
}

it(`does what a plain model does, ${OPERATIONS} times`, async () => {
  let done = 0;
  let last: Difference | null = null;
  const property = fc.asyncProperty(
    indexChoices,
    fc.array(operations, { minLength: 1, maxLength: 100, size: 'max' }),
    async (indexes, list) => {
      last = await firstDifference(indexes, list);
      done += list.length;
      return last === null;
    },
  );
  for (let run = 0; done < OPERATIONS; run += 1) {
    const result = await fc.check(property, { seed: SEED + run, numRuns: 50, interruptAfterTimeLimit: 20_000 });
    if (!result.failed) continue;
    const [indexes, list] = result.counterexample!;
    await firstDifference(indexes, list).then(difference => {
      last = difference;
    });
    expect.fail(reportOf(SEED + run, indexes, list, last));
  }
}, 600_000);

function reportOf(
  seed: number,
  indexes: readonly number[],
  list: readonly Operation[],
  difference: Difference | null,
): string {
  return [
    `seed ${seed}, indexes ${JSON.stringify(indexes.map(n => INDEXES[n]))}`,
    ...list.slice(0, (difference?.at ?? list.length) + 1).map(operation => shown(commandOf(operation, 'c'))),
    `model:  ${difference?.model}`,
    `server: ${difference?.server}`,
  ].join('\n');
}
