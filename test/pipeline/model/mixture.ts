import type { Census } from './census.ts';

/** How often each change of status and each kind of trouble must have happened, at least, in 10,000 steps. */
const LEAST: Readonly<Record<string, number>> = {
  T0: 100,
  'T1 pending > queued': 100,
  'T2 queued > pending': 20,
  'T3 queued > processing': 100,
  'T3u queued > pending': 15,
  'T4s pending > processing': 3,
  'T5 processing > completed': 50,
  'T5s pending > completed': 10,
  'T6 processing > pending': 20,
  'T7 processing > failed': 25,
  'T8 processing > cancelled': 5,
  'T9 processing > pending': 20,
  'T10 processing > pending': 10,
  'T10 processing > failed': 5,
  'T11 pending > failed': 5,
  'T11 queued > failed': 2,
  'S1 queued > pending': 50,
  'S1 of what had moved': 25,
  'S2 step A': 50,
  'S2 processing > pending': 30,
  'S2 processing > failed': 1,
  'S2 processing > cancelled': 3,
  'S2 of what had moved': 50,
  'S2 met by a cancel': 2,
  'U1 pending > cancelled': 25,
  'U1 queued > cancelled': 10,
  'U2 processing > processing': 20,
  'U3 failed > pending': 10,
  'U3 cancelled > pending': 20,
  U5: 50,
  'submit: replayed': 10,
  'submit: conflict': 10,
  'gate of fresh and stale tickets': 100,
  'ticket refused by the gate': 100,
  'outcome lost': 25,
  'beat: lost': 25,
  'command lost': 100,
  'command unsent': 50,
  'stands still between two commands': 200,
  crash: 25,
};

/** What happened less often than it must: the mixture of steps is too tame. */
export function tooSeldom(census: Census, steps: number): string[] {
  return Object.entries(LEAST)
    .map(([what, least]) => ({ what, least: Math.floor((least * steps) / 10_000), times: census.of(what) }))
    .filter(({ least, times }) => times < least)
    .map(({ what, least, times }) => `${what}: ${times} of ${least}`);
}
