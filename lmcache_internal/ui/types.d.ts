// The types that modules share. The modules name them in JSDoc, and `tsc` checks them; a browser never reads this file.

type Client = import("./assets/client.js").Client;
type Scrape = import("./assets/exposition.js").Scrape;
type FleetState = import("./assets/fleet/state.js").FleetState;

/** What `h` inserts. */
type Child = Node | string | number | null | undefined | false;
type Unit = "percent" | "seconds" | "bytes" | "per second" | "number";

/** What a view may use of its page. */
interface Context {
  client: Client;
  /** Return the role that `METHOD /path` requires, if the caller's is lower; else "". */
  requires: (route: string) => string;
  /** Return whether this kind of engine has the route `METHOD /path`. */
  has: (route: string) => boolean;
  /** Ask, then make a change; return the body of the response, or null if it was not made. */
  change: (change: Change) => Promise<string | null>;
  /** Ask before a change. */
  confirm: (change: Change) => Promise<boolean>;
  /** Read the chosen view again, and show an error in the page. */
  refresh: () => Promise<void>;
}

interface View {
  /** The part of the URL behind #. */
  id: string;
  title: string;
  /** The `METHOD /path` that the view needs; it is not offered where the engine has none. */
  route: string;
  /** Whether it is refreshed regularly; others are when they are opened. */
  live?: boolean;
  create: (context: Context) => { element: HTMLElement; refresh: () => Promise<void> };
}

interface Change {
  /** What happens, such as "Close the backend LocalDiskBackend". */
  title: string;
  method: string;
  path: string;
  body?: unknown;
  /** The arguments of `lmcache-internal` that do the same, if it has such a command. */
  command?: string[];
  /** A name to type first, where the change cannot be undone. */
  type?: string;
  details?: string;
}

/** How commands reach a rank. */
interface Address {
  base: string;
  socket: string;
}

/** A page of a plugin, with the role that it requires. */
interface PluginPage {
  title: string;
  path: string;
  role: string;
}

/** An entry of the navigation. */
interface NavigationEntry {
  title: string;
  /** null if no browser can open it. */
  href: string | null;
  /** The role that the caller lacks, or "". */
  needed: string;
  /** The server where it opens, if it is another one. */
  place?: string;
}

/** A row of a table with a filter; the filter searches `text`. */
interface TableRow {
  text: string;
  cells: (Child | Child[])[];
}

// Charts. Times are in ms since the epoch.

/** Returns pixels. */
type Scale = (position: number) => number;

/** One value for each time; null is a gap. */
interface Series {
  name: string;
  values: (number | null)[];
}

/** A point in time, such as a change. */
interface Mark {
  time: number;
  label: string;
}

interface ChartData {
  times: number[];
  series: Series[];
  marks?: Mark[];
}

/** A chart of the overview: the name of each line, and its name in the history. */
interface ChartPlan {
  title: string;
  unit: Unit;
  highest?: number;
  lines: Record<string, string>;
}

// What a rank reports.

/** A sample of Prometheus metrics. */
interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

interface Health {
  status: string;
  checks: Record<string, { ok: boolean; message: string; since: string }>;
}

/** The usage of a backend, in bytes. */
interface Usage {
  name: string;
  state: string;
  used: number | null;
  limit: number | null;
}

interface AuditEntry {
  time: string;
  caller?: string;
  method: string;
  path: string;
  arguments?: Record<string, unknown>;
  status: number;
}

/** A revision of the configuration. */
interface Revision {
  number: number;
  time: string;
  changes: Record<string, { old: unknown; new: unknown }>;
  rollback: boolean;
}

interface Setting {
  value: unknown;
  default: unknown;
  source: string;
  mutable: boolean;
  description?: string;
  takes_effect?: string;
}

interface Advice {
  next_step: string;
  evidence: Record<string, unknown>;
}

interface Finding extends Advice {
  code: string;
  title: string;
  severity: string;
  message: string;
  reference: string;
}

interface Report {
  findings: Finding[];
  checked: string[];
  not_checked: { code: string; why: string }[];
}

interface Chunk {
  start: number;
  end: number;
  backends: string[];
  storage: string | null;
  hit: boolean;
  key: { chunk_hash: string };
}

interface Reason extends Advice {
  code: string;
  message: string;
}

interface Explanation {
  tokens: number;
  chunk_size: number;
  hit_tokens: number | null;
  missing_tokens: number | null;
  remainder_tokens: number;
  chunks: Chunk[];
  reasons: Reason[];
  not_checked: string[];
}

interface StackFrame {
  file: string;
  line: number;
  function: string;
}

interface SourceFrame extends StackFrame {
  source: string;
}

/** The stack of a thread in some samples, the outermost frame first. */
interface Sampled {
  thread: string;
  count: number;
  stack: StackFrame[];
}

interface Thread {
  name: string;
  daemon: boolean;
  stack: SourceFrame[];
}

/** A frame of a flame graph. */
interface FlameNode {
  /** A function with its file, or a thread. */
  name: string;
  /** The samples in this frame and the frames that it called. */
  count: number;
  /** The samples in this frame alone. */
  own: number;
  parent: FlameNode | null;
  /** The widest first. */
  children: FlameNode[];
}

/** Where a frame is drawn. */
interface FlameBox {
  node: FlameNode;
  x: number;
  width: number;
  depth: number;
}

/** The usage of L1 of an MP server, in bytes and objects. */
interface Tier {
  used: number | null;
  total: number | null;
  objects: number | null;
}

/** An L2 adapter of an MP server. */
interface Adapter {
  name: string;
  healthy: boolean | null;
  used: number | null;
  objects: number | null;
  details: string;
}

/** A worker of an MP server. */
interface MPWorker {
  id: string;
  model: string;
  worldSize: string;
  layout: string;
}

// The fleet, as the gateway reports it.

interface FleetContext {
  client: Client;
  state: FleetState;
  /** Read the chosen view again, and show an error in the page. */
  refresh: () => Promise<void>;
}

interface FleetView {
  /** The part of the URL behind #. */
  id: string;
  title: string;
  /** `refresh` is called when the view is opened, `poll` after each poll. */
  create: (context: FleetContext) => { element: HTMLElement; refresh: () => Promise<void>; poll: () => void };
}

interface RankRow {
  number: number;
  name: string;
  address: string;
  host: string;
  /** Why there are no figures; null if there are. */
  error: string | null;
  /** The age of the figures, in seconds. */
  age: number | null;
  kind: string;
  version: string;
  model: string;
  /** The role of the gateway at this rank. */
  role: string;
  /** The role that each view's change requires, if `role` is lower. */
  needs?: Record<string, string>;
  health?: string;
  mode?: string;
  reasons?: string[];
  /** In bytes. */
  usage?: number | null;
  /** In bytes. */
  limit?: number | null;
  /** In seconds since the epoch. */
  started?: number | null;
  hit?: number | null;
  requested?: number | null;
  found?: number | null;
  looked_up?: number | null;
  stored?: number | null;
  evicted?: number | null;
}

/** The figures of a rank or of the fleet at a poll. */
interface Figures {
  hitRate: number | null;
  requested: number | null;
  stored: number | null;
  usage: number | null;
}

interface RankEntry {
  row: RankRow;
  figures: Figures | undefined;
}

/** What a rank has of a prompt. */
interface RankExplanation {
  number: number;
  name: string;
  tokens: number;
  chunk_size: number;
  hit_tokens: number | null;
  remainder_tokens: number;
  reasons: { code: string; message: string; next_step: string }[];
}

/** Reasons, each with its ranks. */
type Failures = { error: string; ranks: string }[];

/** What the ranks say to a change. */
interface CheckedChange {
  /** Applies it; null if it cannot be applied. */
  id: string | null;
  /** The number of ranks. */
  count: number;
  changes: { name: string; old: string; new: string; ranks: string }[];
  failed: Failures;
  notes?: string[];
  /** Does the same. */
  command: string;
}

interface ChangeResults {
  applied: string;
  failed: Failures;
  unknown: Failures;
  undo?: string[];
}

/** What ranks have in common: each value with its ranks. */
interface Common<T> {
  name: string;
  values: { value: T; ranks: string }[];
}

/** A stack of threads, with its ranks. */
interface CommonStack {
  count: number;
  names: string[];
  ranks: string;
  stack: [file: string, line: number, function: string, source: string][];
}
