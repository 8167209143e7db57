// Requests to the daemon, and what may go wrong with them (RFC 9457).

const BASE = new URL('/api/v1/', location.origin);

/** Requests that take longer than this are given up. */
const PATIENCE_MS = 20_000;

/** A request that did not do what it was to do. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 if there was no answer. */
    readonly status: number,
    /** The last part of the problem's type: `stale`, `invalid_field`, … */
    readonly slug: string,
    readonly title: string,
    readonly detail: string,
    /** The field that it is about, `acl[0]`. */
    readonly field: string | undefined,
    /** What would have been right. */
    readonly expected: string | undefined,
    readonly retryAfter: number | undefined,
  ) {
    super(detail || title);
  }

  /** One sentence for people. */
  get sentence(): string {
    const text = this.detail || this.title;
    return this.expected && !text.includes(this.expected) ? `${text} (expected ${this.expected})` : text;
  }
}

export interface Answer<T> {
  body: T;
  /** The object's version, to be sent back with a change of it. */
  etag: string | undefined;
  location: string | undefined;
}

export interface Options {
  body?: unknown;
  etag?: string | undefined;
  /** The same key twice is done once. */
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

/** Who wants to know that the session is over. */
let onSignedOut: (problem: Problem) => void = () => {};

export function whenSignedOut(listener: (problem: Problem) => void): void {
  onSignedOut = listener;
}

/** The address of a resource; `path` has no leading slash. */
export function address(path: string): URL {
  return new URL(path, BASE);
}

/** A path of which no part can be taken for another: `path('trunks', name)`. */
export function path(...parts: (string | number)[]): string {
  return parts.map((part) => encodeURIComponent(String(part))).join('/');
}

/** `?a=1&b=2` of what is there. */
export function query(values: Record<string, string | number | boolean | undefined | null>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

export async function request<T>(method: string, where: string, options: Options = {}): Promise<Answer<T>> {
  const response = await send(method, where, options);
  if (!response.ok) throw await problemOf(response, where);
  const text = await response.text();
  return {
    body: (text ? parsed(text, response) : undefined) as T,
    etag: response.headers.get('ETag') ?? undefined,
    location: response.headers.get('Location') ?? undefined,
  };
}

export async function get<T>(where: string, signal?: AbortSignal): Promise<T> {
  return (await request<T>('GET', where, { signal })).body;
}

async function send(method: string, where: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
  // A page of another site can send our cookie, but not this (with SameSite=Strict not even the cookie).
  if (method !== 'GET') headers['X-Trunkline'] = '1';
  if (options.body !== undefined) {
    headers['Content-Type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  }
  if (options.etag) headers['If-Match'] = options.etag;
  if (options.idempotencyKey) headers['Idempotency-Key'] = options.idempotencyKey;
  const limit = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await fetch(address(where), {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const detail = limit.aborted
      ? `Trunkline has not answered for ${PATIENCE_MS / 1000} seconds.`
      : 'Trunkline cannot be reached: it may be restarting, or the network is down.';
    throw new Problem(0, 'unreachable', 'No answer', detail, undefined, undefined, undefined);
  }
}

/** What an answer that is no success says. */
export async function problemOf(response: Response, where: string): Promise<Problem> {
  const said = await body(response);
  const text = (name: string) => (typeof said[name] === 'string' ? (said[name] as string) : undefined);
  const slug = text('type')?.split('/').pop() ?? `status_${response.status}`;
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  const problem = new Problem(
    response.status,
    slug,
    text('title') ?? `${response.status} ${response.statusText}`.trim(),
    text('detail') ?? '',
    text('field'),
    text('expected'),
    retryAfter,
  );
  if (response.status === 401 && where !== 'session') onSignedOut(problem);
  return problem;
}

async function body(response: Response): Promise<Record<string, unknown>> {
  try {
    const value: unknown = await response.json();
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** JSON where it is JSON; the export is TOML. */
function parsed(text: string, response: Response): unknown {
  return response.headers.get('Content-Type')?.includes('json') ? JSON.parse(text) : text;
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem(0, 'console', 'The console made a mistake', detail, undefined, undefined, undefined);
}

/** A key for a request that must not be done twice. */
export function freshKey(): string {
  return crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join('-');
}
