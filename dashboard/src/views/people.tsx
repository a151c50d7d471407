// Who may sign in: for admins.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { ApiProblem, ask } from '../api.ts';
import { Dialog } from '../dialog.tsx';
import { moment, words } from '../language.ts';
import { people, type Person } from '../people.ts';
import type { Role } from '../rest.ts';
import { shopName } from '../shop.ts';
import { Sign } from '../signs.tsx';
import { Form, reasonOf } from './sign-in.tsx';

const ROLES = ['staff', 'manager', 'admin'] as const satisfies readonly Role[];

export function People() {
  const { people: said, app } = words.value;
  const all = useSignal<Person[] | null>(null);
  const problem = useSignal('');
  const invitation = useSignal<{ name: string; link: string } | null>(null);
  const adding = useSignal(false);
  const names = useSignal<LocationNames>(new Map());
  const shop = shopName.value;

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
  useEffect(() => {
    // Without them, locations are called by their ids.
    void ask('GET /api/v1/locations', { limit: 1_000, ...(shop && { shop }) }).then(
      ({ data }) => (names.value = new Map(data.map(({ locationId, name }) => [locationId, name]))),
      () => null,
    );
  }, [shop]);

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
      {all.value && all.value.length > 0 && <PeopleTable all={all.value} names={names.value} change={change} invite={invite} />}
      {adding.value && (
        <AddPerson
          names={names.value}
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

/** Each location's name, by its id. */
type LocationNames = ReadonlyMap<string, string>;

interface PeopleTableProps {
  all: Person[];
  names: LocationNames;
  change: (person: Person, changed: Partial<Person>) => Promise<void>;
  invite: (person: Person) => Promise<void>;
}

function PeopleTable({ all, names, change, invite }: PeopleTableProps) {
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
              <td data-label={said.locations}>{person.locations?.map((id) => names.get(id) ?? id).join(', ') ?? said.all}</td>
              <td data-label={said.state} class={person.disabled ? 'tone-out' : 'tone-good'}>
                <span class="with-sign">
                  <Sign name={person.disabled ? 'out' : 'good'} /> {person.disabled ? said.disabled : said.active}
                </span>
              </td>
              <td data-label={said.lastSeen}>{person.lastSeenAt ? moment(person.lastSeenAt) : said.never}</td>
              <td>
                <div class="actions">
                  <button class="small" aria-label={`${said.invite}: ${person.name}`} onClick={() => void invite(person)}>
                    {said.invite}
                  </button>
                  <button class="small" aria-label={`${person.disabled ? said.enable : said.disable}: ${person.name}`} onClick={() => void change(person, { disabled: !person.disabled })}>
                    {person.disabled ? said.enable : said.disable}
                  </button>
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface AddPersonProps {
  names: LocationNames;
  onClose: () => void;
  onAdded: (person: Person) => Promise<void>;
}

function AddPerson({ names, onClose, onAdded }: AddPersonProps) {
  const { people: said, roles } = words.value;
  const chosen = useSignal<readonly string[]>([]);
  const send = async (fields: Record<string, string>) => {
    const ids = [...chosen.value];
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
        <fieldset aria-describedby="locations-why">
          <legend>{said.locations}</legend>
          <p class="quiet" id="locations-why">
            {said.locationsWhy}
          </p>
          {[...names].map(([id, name]) => (
            <label key={id} class="check">
              <input
                type="checkbox"
                checked={chosen.value.includes(id)}
                onChange={(event) => (chosen.value = event.currentTarget.checked ? [...chosen.value, id] : chosen.value.filter((one) => one !== id))}
              />{' '}
              {name}
            </label>
          ))}
        </fieldset>
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
