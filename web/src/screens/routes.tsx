// Routes, in the order in which they are tried (TRK-7).

import { useRef, useState } from 'preact/hooks';
import { asProblem, path, query, request } from '../core/api';
import { useLoad } from '../core/load';
import { link } from '../core/route';
import { may, refusal } from '../core/session';
import type { Page, Route } from '../core/types';
import { Badge, Button, Empty, Freshness, Head, InEffect, Notice } from '../ui/basic';
import { ask } from '../ui/dialog';
import { Icon } from '../ui/icons';
import { say, sayProblem } from '../ui/toast';
import { RouteDialog } from './route-dialog';

const EVERY_MS = 10_000;

export function Routes() {
  const loaded = useLoad('routes', (signal) => request<Page<Route>>('GET', `routes${query({ limit: 1000 })}`, { signal }), { everyMs: EVERY_MS });
  const [edited, setEdited] = useState<Route | 'new' | undefined>();
  const routes = loaded.value?.body.items ?? [];
  const own = routes.filter((route) => route.origin === 'store');
  const readOnly = !may('admin');

  const order = async (ids: string[]) => {
    const byId = new Map(own.map((route) => [route.id, route]));
    const sorted = ids.map((id) => byId.get(id)).filter((route) => route !== undefined);
    if (loaded.value) loaded.set({ ...loaded.value, body: { ...loaded.value.body, items: [...routes.filter((route) => route.origin === 'file'), ...sorted] } });
    try {
      await request('PUT', 'routes/order', { body: { ids }, etag: loaded.value?.etag ?? '*' });
    } catch (error) {
      const problem = asProblem(error);
      if (problem.status === 412) say('Somebody else changed the routes; this is the order now.', 'warning');
      else sayProblem(error);
    }
    loaded.reload();
  };
  const move = (id: string, to: number) => {
    const ids = own.map((route) => route.id).filter((other) => other !== id);
    if (to < 0 || to > ids.length) return;
    ids.splice(to, 0, id);
    void order(ids);
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-route="${CSS.escape(id)}"]`)?.focus());
  };
  const add = (
    <Button kind="primary" icon="plus" needs="admin" onClick={() => setEdited('new')}>
      New route
    </Button>
  );
  return (
    <>
      <Head title="Routes" about="The first that matches a call decides where it goes. No route: 404, code 32012.">
        {add}
      </Head>
      <Freshness of={loaded} what="Routes" />
      {readOnly && <Notice title="Read-only">{refusal('admin')}</Notice>}
      {loaded.value && routes.length === 0 && (
        <Empty icon="route" title="No routes yet">
          <p>Without a route every call is refused. Send everything to one trunk first, then add routes for number prefixes above it.</p>
          {add}
        </Empty>
      )}
      {routes.length > 0 && <RouteTable routes={routes} own={own} readOnly={readOnly} onMove={move} onEdit={setEdited} onRemove={(route) => void remove(route, loaded.reload)} />}
      {edited !== undefined && (
        <RouteDialog
          route={edited === 'new' ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onSaved={() => {
            setEdited(undefined);
            loaded.reload();
          }}
        />
      )}
    </>
  );
}

async function remove(route: Route, reload: () => void): Promise<void> {
  const sure = await ask({ title: 'Remove this route?', text: `${conditions(route)} → ${goal(route)}. Calls that it took go to the next route that matches.`, action: 'Remove route', danger: true });
  if (!sure) return;
  try {
    const { etag } = await request('GET', path('routes', route.id));
    await request('DELETE', path('routes', route.id), { etag: etag ?? '*' });
    say('Route removed.');
  } catch (error) {
    sayProblem(error);
  }
  reload();
}

interface TableProps {
  routes: Route[];
  own: Route[];
  readOnly: boolean;
  onMove: (id: string, to: number) => void;
  onEdit: (route: Route) => void;
  onRemove: (route: Route) => void;
}

function RouteTable({ routes, own, readOnly, onMove, onEdit, onRemove }: TableProps) {
  const dragged = useRef<string | undefined>(undefined);
  const [over, setOver] = useState<string | undefined>();
  const place = (route: Route) => own.findIndex((other) => other.id === route.id);
  const drop = (route: Route) => {
    if (dragged.current && dragged.current !== route.id) onMove(dragged.current, place(route));
    dragged.current = undefined;
    setOver(undefined);
  };
  const pressed = (event: KeyboardEvent, route: Route) => {
    if (!event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    onMove(route.id, place(route) + (event.key === 'ArrowUp' ? -1 : 1));
  };
  return (
    <table class="table stack routes">
      <thead>
        <tr>
          <th scope="col" class="w-grip"><span class="sr">Order</span></th>
          <th scope="col">A call</th>
          <th scope="col">goes to</th>
          <th scope="col">with</th>
          <th scope="col" class="w-actions"><span class="sr">Actions</span></th>
        </tr>
      </thead>
      <tbody>
        {routes.map((route, index) => {
          const isOwn = route.origin === 'store' && !readOnly;
          return (
            <tr
              key={route.id}
              data-route={route.id}
              class={over === route.id ? 'drop' : ''}
              tabIndex={isOwn ? 0 : undefined}
              draggable={isOwn}
              aria-keyshortcuts={isOwn ? 'Alt+ArrowUp Alt+ArrowDown' : undefined}
              onKeyDown={(event) => isOwn && pressed(event, route)}
              onDragStart={() => (dragged.current = route.id)}
              onDragOver={(event) => {
                if (!isOwn || !dragged.current) return;
                event.preventDefault();
                setOver(route.id);
              }}
              onDragLeave={() => setOver(undefined)}
              onDrop={() => drop(route)}
              onDragEnd={() => setOver(undefined)}
            >
              <td class="grip" data-label="">
                {isOwn && <Icon name="grip" />}
                <span class="figure">{index + 1}</span>
              </td>
              <td data-label="A call">
                {conditions(route)} {route.origin === 'file' && <Badge title="Stands in trunkline.toml: read-only here">file</Badge>} <InEffect of={route} />
              </td>
              <td data-label="goes to">
                <Goal route={route} />
              </td>
              <td data-label="with" class="muted">{changes(route)}</td>
              <td class="row-actions">
                {isOwn && (
                  <>
                    <Button kind="quiet" icon="up" label="Move up" disabled={place(route) === 0} onClick={() => onMove(route.id, place(route) - 1)} />
                    <Button kind="quiet" icon="down" label="Move down" disabled={place(route) === own.length - 1} onClick={() => onMove(route.id, place(route) + 1)} />
                    <Button kind="quiet" icon="edit" label={`Edit route ${index + 1}`} onClick={() => onEdit(route)} />
                    <Button kind="quiet" icon="trash" label={`Remove route ${index + 1}`} onClick={() => onRemove(route)} />
                  </>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** `from carrier, to numbers beginning 43`. */
export function conditions(route: Route): string {
  const parts = [
    route.from ? `from ${route.from}` : 'from anywhere',
    route.prefix ? `to numbers beginning ${route.prefix}` : '',
    route.pattern ? `to numbers like /${route.pattern}/` : '',
    route.caller_prefix ? `by callers beginning ${route.caller_prefix}` : '',
    route.caller_pattern ? `by callers like /${route.caller_pattern}/` : '',
  ];
  return parts.filter(Boolean).join(', ');
}

export function goal(route: Route): string {
  return route.reject ? `rejected with ${route.reject}` : (route.to ?? '–');
}

function Goal({ route }: { route: Route }) {
  if (route.reject) return <Badge tone="bad">rejected with {route.reject}</Badge>;
  const isAccount = route.to?.includes('@');
  return (
    <a class="break" href={isAccount ? '#/accounts' : link('trunks', route.to ?? '')}>
      {route.to}
    </a>
  );
}

function changes(route: Route): string {
  const digits = (what: string, strip = 0, prepend = '') => [strip ? `${what} without its first ${strip}` : '', prepend ? `${prepend} before ${what}` : ''];
  const parts = [...digits('the number', route.strip, route.prepend), ...digits('the caller', route.caller_strip, route.caller_prepend)];
  return parts.filter(Boolean).join(', ') || '–';
}
