// The one place that loads the X.509 library: it needs the Reflect polyfill, and before anything of its own runs.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

export { x509 };
