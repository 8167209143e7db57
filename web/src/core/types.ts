// The objects of the API, `/api/v1`. Field names are those of `trunkline.toml` and of the command line.

export type Role = 'read' | 'operate' | 'admin';
export type Secure = 'disabled' | 'tls' | 'srtp';
export type Origin = 'file' | 'store';
export type Side = 'caller' | 'callee';

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** Any value of a setting. */
export type Setting = unknown;
export type Settings = Record<string, Setting>;

export interface Origination {
  uri: string;
  priority?: number;
  weight?: number;
  enabled?: boolean;
}

export interface Credential {
  user: string;
  has_password?: boolean;
  password?: string;
}

export interface Target extends Origination {
  /** Null while it is switched off, or not known yet. */
  state: string | null;
  failed_probes?: number;
  latest_probe?: string | null;
  probed_ms?: number | null;
}

export interface ProviderRegistration {
  trunk: string;
  aor: string;
  registered: boolean;
  expires_s: number | null;
  failures: number;
  problem: string | null;
}

/** What every object of the configuration has. */
export interface Managed extends Settings {
  origin: Origin;
  version?: number;
  /** Why it is not in effect: it does not fit what trunkline.toml says since the last start. */
  problem?: string | null;
}

export interface Trunk extends Managed {
  name: string;
  secure?: Secure;
  domains?: string[];
  acl?: string[];
  credentials?: Credential[];
  destination?: string;
  origination?: Origination[];
  state?: {
    targets?: Target[];
    registration?: ProviderRegistration | null;
    calls?: number;
    calls_per_second?: number;
  };
}

export interface Route extends Managed {
  id: string;
  position?: number;
  from?: string;
  prefix?: string;
  pattern?: string;
  caller_prefix?: string;
  caller_pattern?: string;
  to?: string;
  reject?: number;
  strip?: number;
  prepend?: string;
  caller_strip?: number;
  caller_prepend?: string;
}

export interface Account extends Managed {
  aor: string;
  trunk: string;
  user?: string;
  bindings?: number;
  has_password?: boolean;
}

export interface Binding {
  contact: string;
  source?: string;
  expires_s?: number;
  listener?: string;
}

export interface Registrations {
  accounts: { aor: string; bindings: Binding[] }[];
  providers: ProviderRegistration[];
}

export interface Leg {
  call_id?: string;
  user?: string | null;
  trunk?: string | null;
  transport?: string;
  remote?: string | null;
  profile?: string | null;
  suite?: string | null;
}

export interface Direction {
  from: Side;
  stream: number;
  path: string;
  packets: number;
  bytes: number;
  dropped?: number | Record<string, number>;
  lost: number;
  reordered?: number;
  duplicated?: number;
  jitter_ms: number | null;
  mos: number | null;
  far_end?: { fraction_lost: number; jitter_ms: number | null; round_trip_ms: number | null } | null;
}

/** The latest MOS values of one direction, oldest first. */
export type MosTrail = (number | null)[] | { from?: Side; stream?: number; samples: (number | null)[] };

export interface TriedTarget {
  uri: string;
  address: string | null;
  transport: string | null;
  call_id?: string | null;
  status: number | null;
  outcome: string;
}

/** A call that is up, or the record of one that was. */
export interface Call {
  call: number;
  from: string;
  to: string;
  state?: string;
  held?: boolean | boolean[];
  start?: string;
  answer?: string | null;
  end?: string;
  age_ms?: number;
  answered_ms?: number | null;
  duration_s?: number;
  setup_ms?: number | null;
  status?: number;
  code?: number | null;
  reason?: string;
  ended_by?: string;
  outcome?: 'answered' | 'refused' | 'failed';
  /** Of the worst direction. */
  mos_min?: number | null;
  codec?: string | null;
  caller: Leg;
  callee: Leg | null;
  targets?: TriedTarget[];
  /** Of a call that was placed: where its first party was tried. Absent without any. */
  first_party_targets?: TriedTarget[];
  media?: { directions: Direction[] } | null;
  mos?: MosTrail[];
  has_ladder?: boolean;
}

export interface LadderMessage {
  time?: string;
  offset_ms: number;
  from: string;
  to: string;
  leg: string;
  transport?: string;
  direction: 'in' | 'out';
  summary: string;
  method?: string | null;
  status?: number | null;
  text: string;
}

export interface Ladder {
  messages: LadderMessage[];
  truncated: boolean;
}

export interface QualitySample {
  at_ms: number;
  mos: number | null;
  loss_percent: number | null;
  jitter_ms: number | null;
  packets?: number;
}

export interface Quality {
  interval_s: number;
  directions: { from: Side; stream: number; samples: QualitySample[] }[];
}

export type Flow = Record<string, unknown> & { flow: number | null; from: Side; path: string; carries?: string };

export interface Happening {
  seq: number;
  time: string;
  kind: string;
  call: number | null;
  trunk: string | null;
  peer: string | null;
  code: number | null;
  text: string;
  data?: Record<string, unknown>;
}

export interface CallDetail extends Call {
  ladder?: Ladder | LadderMessage[] | null;
  quality?: Quality | null;
  flows?: Flow[] | null;
  timeline?: Happening[] | null;
}

export interface Certificate {
  used_by: string;
  names: string[];
  key: string;
  not_after: string | null;
  days_left: number;
}

export interface Health {
  status: 'ok' | 'degraded';
  problems: { what: string; detail: string; since?: string | null }[];
  version: string;
  uptime_s: number;
  calls: { live: number; limit: number | null };
  store?: Record<string, unknown>;
  media?: { backend: string; attach_mode?: string | null; fallback_reason?: string | null };
  verdicts?: Record<string, number | Record<string, number>>;
  cpu?: { thread: string; share: number }[];
  counters?: Record<string, unknown>;
  events?: { latest: number; clients?: number; stalled?: number };
  webhooks?: WebhookStatus[];
  draining?: boolean;
  draining_since?: string | null;
  limits?: Record<string, unknown>;
}

export interface AuditEntry {
  id: number;
  time: string;
  who: string;
  role: string;
  from: string;
  action: string;
  object: string;
  detail?: unknown;
  outcome: string;
}

export interface Token {
  id: string;
  label: string;
  role: Role;
  created_ms: number;
  /** Since the daemon started. */
  last_used_ms: number | null;
  /** In the answer to its creation alone. */
  token?: string;
}

export interface Webhook extends Managed {
  name: string;
  url: string;
  kinds?: string[];
  secret?: string;
  has_secret?: boolean;
  enabled?: boolean;
}

export interface WebhookStatus {
  name: string;
  enabled?: boolean;
  failing_since: string | null;
  last_error?: string | null;
  delivered?: number;
  given_up?: number;
  behind?: number;
}

export interface Diff {
  changes: {
    kind: string;
    name: string;
    change: 'add' | 'update' | 'remove' | 'move';
    fields?: { field: string; old?: unknown; new?: unknown }[];
  }[];
  applied: boolean;
}
