// Buttons, badges and what a screen says when it has nothing to show.

import type { ComponentChildren, TargetedMouseEvent } from 'preact';
import type { Problem } from '../core/api';
import { refusal } from '../core/session';
import type { Role } from '../core/types';
import { ago } from '../core/format';
import { Icon, type IconName } from './icons';
import { say } from './toast';

interface ButtonProps {
  children?: ComponentChildren;
  icon?: IconName;
  kind?: 'primary' | 'danger' | 'quiet' | 'plain';
  type?: 'button' | 'submit';
  onClick?: ((event: TargetedMouseEvent<HTMLButtonElement>) => void) | undefined;
  /** What the token must be allowed. */
  needs?: Role | undefined;
  /** Why it cannot be used now; said on hovering, and when it is pressed all the same. */
  blocked?: string | undefined;
  busy?: boolean;
  /** For screen readers, where there is an icon alone. */
  label?: string;
  pressed?: boolean;
  id?: string;
  class?: string;
  disabled?: boolean;
}

/**
 * A button that cannot be used stays in the order of the focus and says why: a grey one that says
 * nothing leaves people guessing.
 */
export function Button(props: ButtonProps) {
  const why = refusal(props.needs) ?? props.blocked;
  const pressed = (event: TargetedMouseEvent<HTMLButtonElement>) => {
    if (why || props.busy) {
      event.preventDefault();
      if (why) say(why, 'warning');
      return;
    }
    props.onClick?.(event);
  };
  return (
    <button
      id={props.id}
      type={props.type ?? 'button'}
      class={`button ${props.kind ?? 'plain'} ${props.children ? '' : 'square'} ${props.class ?? ''}`}
      aria-disabled={why || props.busy ? true : undefined}
      aria-label={props.label}
      aria-pressed={props.pressed}
      aria-busy={props.busy || undefined}
      disabled={props.disabled}
      title={why ?? props.label}
      onClick={pressed}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children && <span>{props.children}</span>}
    </button>
  );
}

export type Tone = 'neutral' | 'good' | 'warning' | 'bad' | 'info' | 'strong';

export function Badge({ tone = 'neutral', title, children }: { tone?: Tone; title?: string | undefined; children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

/** A sentence that stays: what is wrong, or why something cannot be changed. */
export function Notice({ tone = 'info', title, children }: { tone?: Tone; title?: string; children?: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'note'}>
      {title && <strong>{title}</strong>}
      {children && <div>{children}</div>}
    </div>
  );
}

/** Nothing there yet, and what to do about it. */
export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface StateOf {
  value: unknown;
  problem: Problem | undefined;
  at: number | undefined;
  reload: () => void;
}

/**
 * What there is to say about something that is being fetched: that it is not there yet, that it could
 * not be fetched, or that what is shown is old.
 */
export function Freshness({ of, what }: { of: StateOf; what: string }) {
  if (of.problem) {
    const age = of.at === undefined ? undefined : ago((Date.now() - of.at) / 1000);
    return (
      <Notice tone={of.value === undefined ? 'bad' : 'warning'} title={of.value === undefined ? `${what} could not be fetched` : `Not fresh: this is from ${age}`}>
        {of.problem.sentence} <Button kind="quiet" onClick={of.reload}>Try again</Button>
      </Notice>
    );
  }
  if (of.value === undefined) return <p class="loading" role="status">{what} …</p>;
  return null;
}

/** The heading of a screen and what one can do there. */
export function Head({ title, up, upName, children, about }: { title: ComponentChildren; up?: string; upName?: string; children?: ComponentChildren; about?: ComponentChildren }) {
  return (
    <header class="head">
      <div class="head-title">
        {up && (
          <a class="up" href={up} data-up>
            <Icon name="back" />
            {upName}
          </a>
        )}
        <h1 tabIndex={-1}>{title}</h1>
        {about && <div class="about">{about}</div>}
      </div>
      {children && <div class="head-actions">{children}</div>}
    </header>
  );
}

export function Panel({ title, about, children, actions, id }: { title?: string; about?: ComponentChildren; children: ComponentChildren; actions?: ComponentChildren; id?: string }) {
  return (
    <section class="panel" id={id} aria-label={title}>
      {(title || actions) && (
        <div class="panel-head">
          {title && <h2>{title}</h2>}
          {actions && <div class="panel-actions">{actions}</div>}
        </div>
      )}
      {about && <p class="panel-about">{about}</p>}
      {children}
    </section>
  );
}

/** Says of an object that it is not in effect, and why. */
export function InEffect({ of }: { of: { problem?: string | null } }) {
  if (!of.problem) return null;
  return (
    <Badge tone="bad" title={of.problem}>
      not in effect
    </Badge>
  );
}

/** Why an object that stands in the file cannot be changed here. */
export function InFile({ what }: { what: string }) {
  return (
    <Notice title={`This ${what} stands in trunkline.toml`}>
      So it is read-only here. Change it in the file, then reload the daemon (<code>systemctl reload trunkline</code>); live calls go on.
      To manage it here, move its section from the file to <a href="#/configuration">Import</a>.
    </Notice>
  );
}
