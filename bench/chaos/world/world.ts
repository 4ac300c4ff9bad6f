import { mkdirSync } from 'node:fs';
import { sharedGuard } from '../../../test/helpers/servers.ts';
import { auditDir } from './chaos-process.ts';
import { Fleet } from './fleet.ts';
import { LedgerProbe } from './ledger-probe.ts';
import { endLeftovers } from './leftovers.ts';
import { type Profile, profileEnv } from './profiles.ts';
import { RoundServers, type ServerOptions } from './servers.ts';

export interface WorldOptions {
  runDir: string;
  /** Compiled entry of the processes under test. */
  entry: string;
  /** Of this process: PATH and HOME go on to the processes under test. */
  environment: Readonly<Record<string, string | undefined>>;
}

export interface WorldDemands {
  /** Slots of a worker. */
  concurrency: number;
  profile?: Profile;
  servers?: ServerOptions;
  /** More environment: of every process, and of the worker that is started as the nth (1, 2, …). */
  env?: Readonly<Record<string, string>>;
  workerEnv?: (number: number, round: { servers: RoundServers; runDir: string }) => Readonly<Record<string, string>>;
}

/** The servers and processes of one round, nothing shared with anybody. */
export class World {
  readonly servers: RoundServers;
  readonly fleet: Fleet;
  readonly probe: LedgerProbe;
  readonly runDir: string;

  private constructor(servers: RoundServers, fleet: Fleet, probe: LedgerProbe, runDir: string) {
    this.servers = servers;
    this.fleet = fleet;
    this.probe = probe;
    this.runDir = runDir;
  }

  static async start({ runDir, entry, environment }: WorldOptions, demands: WorldDemands): Promise<World> {
    mkdirSync(auditDir(runDir), { recursive: true });
    const { workerEnv } = demands;
    const guard = await sharedGuard();
    const servers = await RoundServers.start(demands.servers ?? {});
    try {
      const env = {
        PATH: environment.PATH ?? '',
        HOME: environment.HOME ?? '',
        ...profileEnv(demands.profile ?? 'test', servers),
        WORKER_SIZE_JOBS: String(demands.concurrency),
        ...demands.env,
      };
      const fleet = new Fleet({
        entry,
        runDir,
        guard,
        env,
        ...(workerEnv && { workerEnv: (number: number) => workerEnv(number, { servers, runDir }) }),
      });
      return new World(servers, fleet, await LedgerProbe.connect(servers.directUri), runDir);
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** Ends all that is left and removes the servers' data. */
  async stop(): Promise<void> {
    await this.fleet.stop();
    await endLeftovers(this.runDir);
    await this.probe.close();
    await this.servers.stop();
  }
}
