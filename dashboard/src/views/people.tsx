// Who may sign in: for admins.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { ApiProblem } from '../api.ts';
import { Dialog } from '../dialog.tsx';
import { moment, words } from '../language.ts';
import { people, type Person } from '../people.ts';
import type { Role } from '../rest.ts';
import { Sign } from '../signs.tsx';
import { Form, reasonOf } from './sign-in.tsx';

const ROLES = ['staff', 'manager', 'admin'] as const satisfies readonly Role[];

export function People() {
  const { people: said, app } = words.value;
  const all = useSignal<Person[] | null>(null);
  const problem = useSignal('');
  const invitation = useSignal<{ name: string; link: string } | null>(null);
  const adding = useSignal(false);

  const attempt = async (what: () => Promise<unknown>) => {
    problem.value = '';
    try {
      await what();
    } catch (failure) {
      const isOlder = failure instanceof ApiProblem && failure.status === 404 && all.value === null;
      problem.value = isOlder ? said.unavailable : reasonOf(failure, app.unreachable);
    }
  };
  const read = () => attempt(async () => void (all.value = await people.list()));
  const change = (person: Person, changed: Partial<Person>) => attempt(async () => void (await people.change(person.id, changed))).then(read);
  const invite = (person: Person) => attempt(async () => void (invitation.value = { name: person.name, ...(await people.invite(person.id)) }));
  useEffect(() => void read(), []);

  return (
    <>
      <header class="view-head">
        <h1>{said.title}</h1>
        {all.value && (
          <button class="primary" onClick={() => (adding.value = true)}>
            {said.add}
          </button>
        )}
      </header>
      {problem.value && (
        <p class="note" role="alert">
          <Sign name="low" /> <span>{problem.value}</span>
        </p>
      )}
      {all.value?.length === 0 && <p class="quiet">{said.empty}</p>}
      {all.value && all.value.length > 0 && <PeopleTable all={all.value} change={change} invite={invite} />}
      {adding.value && (
        <AddPerson
          onClose={() => (adding.value = false)}
          onAdded={async (person) => {
            adding.value = false;
            await read();
            await invite(person);
          }}
        />
      )}
      {invitation.value && <InvitationLink {...invitation.value} onClose={() => (invitation.value = null)} />}
    </>
  );
}

interface PeopleTableProps {
  all: Person[];
  change: (person: Person, changed: Partial<Person>) => Promise<void>;
  invite: (person: Person) => Promise<void>;
}

function PeopleTable({ all, change, invite }: PeopleTableProps) {
  const { people: said, roles } = words.value;
  return (
    <div class="card">
      <table class="people stacked">
        <thead>
          <tr>
            {[said.name, said.role, said.locations, said.state, said.lastSeen, said.actions].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {all.map((person) => (
            <tr key={person.id}>
              <th scope="row">{person.name}</th>
              <td data-label={said.role}>
                <select aria-label={`${said.role}: ${person.name}`} value={person.role} onChange={(event) => void change(person, { role: event.currentTarget.value as Role })}>
                  {[...new Set<Role>([...ROLES, person.role])].map((role) => (
                    <option key={role} value={role}>
                      {roles[role] ?? role}
                    </option>
                  ))}
                </select>
              </td>
              <td data-label={said.locations}>{person.locations?.join(', ') ?? said.all}</td>
              <td data-label={said.state} class={person.disabled ? 'tone-out' : 'tone-good'}>
                <span class="with-sign">
                  <Sign name={person.disabled ? 'out' : 'good'} /> {person.disabled ? said.disabled : said.active}
                </span>
              </td>
              <td data-label={said.lastSeen}>{person.lastSeenAt ? moment(person.lastSeenAt) : said.never}</td>
              <td class="actions">
                <button class="small" aria-label={`${said.invite}: ${person.name}`} onClick={() => void invite(person)}>
                  {said.invite}
                </button>
                <button class="small" aria-label={`${person.disabled ? said.enable : said.disable}: ${person.name}`} onClick={() => void change(person, { disabled: !person.disabled })}>
                  {person.disabled ? said.enable : said.disable}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function AddPerson({ onClose, onAdded }: { onClose: () => void; onAdded: (person: Person) => Promise<void> }) {
  const { people: said, roles } = words.value;
  const send = async (fields: Record<string, string>) => {
    const ids = fields.locations!.split(/[\s,]+/).filter(Boolean);
    await onAdded(await people.add({ name: fields.name!.trim(), role: fields.role as Role, locations: ids.length > 0 ? ids : null }));
  };
  return (
    <Dialog title={said.add} onClose={onClose}>
      <Form submit={said.add} send={send}>
        <label>
          {said.name}
          <input name="name" required maxLength={128} autocomplete="off" />
        </label>
        <label>
          {said.role}
          <select name="role">
            {ROLES.map((role) => (
              <option key={role} value={role}>
                {roles[role]}
              </option>
            ))}
          </select>
        </label>
        <label>
          {said.locations}
          <input name="locations" autocomplete="off" aria-describedby="locations-why" />
        </label>
        <p class="quiet" id="locations-why">
          {said.locationsWhy}
        </p>
      </Form>
    </Dialog>
  );
}

function InvitationLink({ name, link, onClose }: { name: string; link: string; onClose: () => void }) {
  const { people: said } = words.value;
  const copied = useSignal(false);
  const copy = () => navigator.clipboard?.writeText(link).then(() => (copied.value = true));
  return (
    <Dialog title={said.linkFor(name)} onClose={onClose}>
      <p>{said.linkWhy}</p>
      <div class="copy-line">
        <input readOnly value={link} aria-label={said.linkFor(name)} onFocus={(event) => event.currentTarget.select()} />
        <button onClick={() => void copy()}>{said.copy}</button>
      </div>
      <p role="status">{copied.value && said.copied}</p>
    </Dialog>
  );
}
