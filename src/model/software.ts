import { packageVersion } from '../version.js';

/** `fedrot 0.1.0`: what made a bundle. */
export const software = (): string => `fedrot ${packageVersion()}`;
