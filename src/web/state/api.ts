import type { ErrorBody } from '../../api/types.js';

/** What the coordinator answered instead, or why it did not answer. */
export class ApiFailure extends Error {
  constructor(
    /** 0: no answer at all. */
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const BASE = '/api/v1';

/** Throws ApiFailure. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return call<T>(path, { ...(signal && { signal }) });
}

/** Throws ApiFailure. */
export async function act<T>(path: string, body: object = {}): Promise<T> {
  return call<T>(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  });
}

export async function remove(path: string): Promise<void> {
  await call<unknown>(path, { method: 'DELETE' });
}

export async function askText(path: string): Promise<string> {
  const response = await request(path, {});
  return response.text();
}

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const response = await request(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function request(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${BASE}${path}`, init);
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError')
      throw new ApiFailure(0, 'cancelled', 'no longer needed');
    throw new ApiFailure(0, 'unavailable', 'the coordinator does not answer; is it running?');
  }
  if (response.ok) return response;
  const failure = await response.json().then(
    (body: ErrorBody) => body.error,
    () => ({ code: 'internal', message: `the coordinator answered with status ${response.status}` }),
  );
  throw new ApiFailure(response.status, failure.code, failure.message);
}

/** Anything thrown, as a failure that can be shown. */
export function failureOf(thrown: unknown): ApiFailure {
  if (thrown instanceof ApiFailure) return thrown;
  return new ApiFailure(0, 'internal', thrown instanceof Error ? thrown.message : String(thrown));
}

export const apiPath = (path: string): string => `${BASE}${path}`;
