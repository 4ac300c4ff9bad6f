/** The environment of a child process that runs one isolated job: this process's own, and the mark that says so. */
export function childEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LEDGERMQ_CHILD: 'true', WORKER_MODE: 'true' };
}
