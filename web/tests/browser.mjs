// Chromium, as the tests use it: the system's own, with nothing of it that talks to anybody.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PROGRAM = process.env.TRUNKLINE_CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--ignore-certificate-errors'];

/** Where the console under test is, and a token of the role `admin`. */
export const URL_UNDER_TEST = required('TRUNKLINE_URL');
export const TOKEN = required('TRUNKLINE_TOKEN');
/** Where screenshots are left. */
const SHOTS = process.env.TRUNKLINE_SHOTS ?? join(import.meta.dirname ?? '.', 'shots');

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: it says where the console under test is`);
  return value;
}

/** A browser with one page, which notes whatever no console should do. */
export class Browser {
  static async start() {
    await mkdir(SHOTS, { recursive: true });
    const profile = await mkdtemp(join(tmpdir(), 'trunkline-chromium-'));
    const context = await chromium.launchPersistentContext(profile, { executablePath: PROGRAM, headless: true, args: FLAGS, viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
    const page = context.pages()[0] ?? (await context.newPage());
    return new Browser(context, page, profile);
  }

  constructor(context, page, profile) {
    Object.assign(this, { context, page, profile });
    /** Requests to other hosts, errors, violations of the Content-Security-Policy. */
    this.offences = [];
    const own = new URL(URL_UNDER_TEST).origin;
    page.setDefaultTimeout(15_000);
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== 'data:' && origin !== own) this.offences.push(`asked ${request.url()}`);
    });
    page.on('pageerror', (error) => this.offences.push(`threw ${error.stack ?? error}`));
    page.on('console', (message) => {
      // A wrong token is answered 401, and Chromium writes that down as an error of the page.
      const isAnswer = /Failed to load resource/.test(message.text());
      if (message.type() === 'error' && !isAnswer) this.offences.push(`said ${message.text()}`);
    });
  }

  /** A button of exactly this name. */
  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** At the form that asks for a token. */
  async enter(token) {
    await this.page.getByLabel('Token').fill(token);
    await this.button('Sign in').click();
  }

  /** The same, with a token that is good. */
  async signIn(token = TOKEN) {
    await this.enter(token);
    await this.page.getByLabel('Token', { exact: true }).waitFor({ state: 'detached' });
    await this.page.getByRole('heading', { level: 1 }).waitFor();
  }

  async go(hash) {
    await this.page.evaluate((hash) => void (location.hash = hash), hash);
  }

  async shot(name, options = {}) {
    await this.page.screenshot({ path: join(SHOTS, `${name}.png`), animations: 'disabled', ...options });
  }

  /** What is wider than the window: on a phone one would have to push the page about. */
  async overflow() {
    return this.page.evaluate(() => {
      const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
      if (wide <= 0) return undefined;
      const culprits = [...document.querySelectorAll('main *')].filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
      return `${wide} pixels too wide: ${culprits.slice(0, 3).map((element) => element.outerHTML.slice(0, 120)).join(' | ')}`;
    });
  }

  async stop() {
    await this.context.close();
    await rm(this.profile, { recursive: true, force: true });
  }
}
