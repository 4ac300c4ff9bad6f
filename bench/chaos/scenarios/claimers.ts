import { withDatabase } from '../../../test/helpers/mongo.ts';
import { median } from '../../statistics.ts';
import { monotonicMs } from '../monotonic.ts';
import { type Claiming, claimBacklog } from '../world/claiming.ts';
import { RoundServers } from '../world/servers.ts';
import { atLeast, exactly, told } from './measures.ts';
import { type Measure, type Played, type Scenario, type Stage, scaled } from './scenario.ts';

const CLAIMERS = 8;
const BATCH = 50;
const BACKLOG = 40_000;
const LEAST_BACKLOG = 8_000;
/** One claimer and all of them, each before the other in turns: what else the machine does meets both. */
const TURNS = 7;

/** Claimers on one ledger, all at once and without a pause: the claim alone, no Redis and no handlers behind it. */
export const claimers: Scenario = {
  name: 'F22',
  row: 'F22',
  title: `${CLAIMERS} claimers at once on one deep backlog, ${BATCH} jobs a claim`,
  target: 'won/asked ≥ 0.6, together not slower than one alone',
  play,
};

async function play({ scale, signal, say }: Stage): Promise<Played> {
  const servers = await RoundServers.start({});
  const startedAt = monotonicMs();
  try {
    const alone: Claiming[] = [];
    const together: Claiming[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const both = [[1, alone] as const, [CLAIMERS, together] as const];
      for (const [count, into] of turn % 2 === 0 ? both : both.toReversed()) {
        signal.throwIfAborted();
        const uri = withDatabase(servers.mongo.uri, `claim-${count}-${turn}`);
        const backlog = scaled(BACKLOG, scale, LEAST_BACKLOG);
        const claiming = await claimBacklog(uri, { claimers: count, batch: BATCH, backlog });
        say(`${count} claimers: won ${claiming.won} of ${claiming.asked}, ${Math.round(claiming.perSecond)} jobs/s`);
        into.push(claiming);
      }
    }
    return {
      servers: await servers.describe(),
      durationMs: Math.round(monotonicMs() - startedAt),
      gaveUp: null,
      evidence: null,
      measures: claimMeasures(alone, together),
    };
  } finally {
    await servers.stop();
  }
}

/** `alone` and `together` of one turn stand at the same place. */
export function claimMeasures(alone: readonly Claiming[], together: readonly Claiming[]): Measure[] {
  const all = [...alone, ...together];
  const sum = (of: readonly Claiming[], field: keyof Claiming) => of.reduce((total, one) => total + one[field], 0);
  const rates = (of: readonly Claiming[]) => of.map(turn => turn.perSecond);
  return [
    atLeast('won/asked', sum(together, 'won') / sum(together, 'asked'), 0.6),
    atLeast('jobs/s of one claimer', median(together.map((turn, n) => turn.perSecond / alone[n]!.perSecond)), 1, '×'),
    told('jobs/s alone, together', `${Math.round(median(rates(alone)))}, ${Math.round(median(rates(together)))}`),
    exactly('won twice', sum(all, 'wonTwice'), 0),
    exactly('lost', sum(all, 'lost'), 0),
  ];
}
