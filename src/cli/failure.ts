import { FedrotError } from '../errors.js';

/** Thrown by a command that has said all there is to say: the process ends with this code. */
export class Exit extends FedrotError {
  constructor(readonly exitCode: number) {
    super('cancelled', `exit code ${exitCode}`);
  }
}

/** Any text as one line. */
const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ');

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? thrown.message;
  return thrown.cause === undefined ? stack : `${stack}\ncaused by ${stackOf(thrown.cause)}`;
}

/** What a failed command prints on stderr: one line, and with --verbose the stack with its causes. */
export function failureText(thrown: unknown, verbose: boolean): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code = thrown instanceof FedrotError && verbose ? ` [${thrown.code}]` : '';
  return `fedrot: ${oneLine(message)}${code}\n${verbose ? `${stackOf(thrown)}\n` : ''}`;
}
