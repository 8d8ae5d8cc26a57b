import { pino, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  /** Default `info`. */
  level?: LogLevel;
  /** `json` for machines, `pretty` for people; default `auto`: pretty when stderr is a terminal. */
  format?: 'json' | 'pretty' | 'auto';
  /** Fields on every line, e.g. { service: 'coordinator' }. */
  base?: Record<string, unknown>;
}

/** The process's logger. Logs go to stderr (file descriptor 2); stdout belongs to what a command prints. */
export function createLogger(options: LogOptions = {}): Logger {
  const { level = 'info', format = 'auto', base = {} } = options;
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const common = { level, base, timestamp: pino.stdTimeFunctions.isoTime };
  if (!pretty) return pino(common, pino.destination(2));
  return pino({
    ...common,
    transport: {
      target: 'pino-pretty',
      options: { destination: 2, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' },
    },
  });
}

/** A logger that writes nothing: the default of library code and tests. */
export const silentLogger: Logger = pino({ level: 'silent' });
