export { freePort } from '../../src/embedded/servers/free-port.ts';
