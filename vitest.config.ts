import { defineConfig } from 'vitest/config';

// Two cores: two files at a time keeps real servers and child processes honest about their times.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
