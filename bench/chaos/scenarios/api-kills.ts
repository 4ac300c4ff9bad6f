import { alwaysOk } from '../job/job-plan.ts';
import { cutByKills, foundStored } from '../oracle/posting.ts';
import { killApis } from '../world/api-faults.ts';
import { loadRound } from './load-round.ts';
import { atLeast, exactly, told } from './measures.ts';
import { type Scenario, scaled } from './scenario.ts';

const KILLS = 60;

/** The clients go to the other API with the key that they had; a job that was stored unanswered must be found by it. */
export const apiKills: Scenario = loadRound({
  name: 'F20',
  row: 'F20',
  title: `kill -9 of one of two APIs during POST, ${KILLS}×; clients repeat with their key`,
  target: 'one job per key',
  mix: alwaysOk({ fromMs: 1, toMs: 20 }),
  clients: 8,
  largestBulk: 10,
  apis: 2,
  workers: 1,
  concurrency: 10,
  pace: { perSecond: 60 },
  warmUpMs: 1_000,
  faults: [killApis({ everyMs: 2_000, times: KILLS, jitter: 0.5 })],
  measures: ({ casebook, figures, scale }) => {
    const keys = new Set(casebook.jobs.map(job => job.key));
    return [
      atLeast('kills', figures.kills, scaled(KILLS, scale)),
      // Each kill is aimed at a post, but some answers are on their way by then.
      atLeast('posts that a kill cut short', cutByKills(casebook).length, scaled(KILLS / 2, scale)),
      exactly('second jobs of a key', casebook.jobs.length - keys.size, 0),
      exactly('D', figures.duplicates, 0),
      told('stored unanswered, found by their key', foundStored(casebook.posts)),
    ];
  },
  // A transaction that its API left open holds its keys for a minute; whoever repeats them waits that long.
  stuckMs: 90_000,
  limitMs: 20 * 60_000,
});
