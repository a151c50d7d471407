// One's own account: language, password, and where one is signed in.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { device } from '../device.ts';
import { chooseLanguage, languageChoice, moment, words } from '../language.ts';
import { people, type SignedIn } from '../people.ts';
import { leave, session, signOut, type Session } from '../session.ts';
import { LANGUAGES } from '../words.ts';
import { Form } from './sign-in.tsx';

export function Account() {
  const { account: said, roles } = words.value;
  const known = session.value;
  if (!known) return null;
  const { user, expiresAt, hasAccount } = known;
  return (
    <>
      <h1>{said.title}</h1>
      <section class="card narrow">
        <h2>{said.signedInAs(user.name)}</h2>
        <dl class="facts">
          <dt>{said.role}</dt>
          <dd>{roles[user.role] ?? user.role}</dd>
          <dt>{said.locations}</dt>
          <dd>{user.locations?.join(', ') ?? said.allLocations}</dd>
          {!hasAccount && (
            <>
              <dt>{said.until}</dt>
              <dd>{moment(expiresAt)}</dd>
            </>
          )}
        </dl>
        <label class="field">
          {said.language}
          <select value={languageChoice.value ?? ''} onChange={(event) => setLanguage(known, event.currentTarget.value || null)}>
            <option value="">{said.browserLanguage}</option>
            {(['en', 'de'] as const).map((code) => (
              <option key={code} value={code} lang={code}>
                {LANGUAGES[code].name}
              </option>
            ))}
          </select>
        </label>
        {!hasAccount && <p class="quiet">{said.byToken}</p>}
        <button onClick={() => void signOut()}>{said.signOut}</button>
      </section>
      {hasAccount && <Password id={user.id} name={user.name} />}
      {hasAccount && <Sessions />}
    </>
  );
}

function setLanguage({ hasAccount, user }: Session, choice: string | null): void {
  chooseLanguage(choice);
  // This device has it already; other devices learn of it where the account can be reached.
  if (hasAccount) void people.change(user.id, { language: choice }).catch(() => null);
}

function Password({ id, name }: { id: string; name: string }) {
  const { account: said, signIn } = words.value;
  const saved = useSignal(false);
  const send = async (fields: Record<string, string>) => {
    saved.value = false;
    await people.changePassword(id, fields.current!, fields.password!);
    saved.value = true;
  };
  return (
    <section class="card narrow">
      <h2>{said.password}</h2>
      <Form submit={said.save} send={send}>
        <input type="hidden" name="username" autocomplete="username" value={name} />
        <label>
          {said.currentPassword}
          <input name="current" type="password" autocomplete="current-password" required maxLength={1024} />
        </label>
        <label>
          {signIn.newPassword}
          <input name="password" type="password" autocomplete="new-password" required minLength={12} maxLength={1024} aria-describedby="rule" />
        </label>
        <p class="quiet" id="rule">
          {signIn.passwordRule}
        </p>
      </Form>
      <p role="status">{saved.value && said.saved}</p>
    </section>
  );
}

function Sessions() {
  const { account: said } = words.value;
  const sessions = useSignal<SignedIn[]>([]);
  const read = () => people.sessions().then((found) => (sessions.value = found), () => null);
  useEffect(() => void read(), []);
  const end = async (one: SignedIn) => {
    if (one.current) return signOut();
    await people.endSession(one.id).catch(() => null);
    await read();
  };
  const endAll = async () => {
    await people.endSessions().catch(() => null);
    await leave('ended');
  };
  return (
    <section class="card narrow">
      <h2>{said.sessions}</h2>
      <ul class="rows">
        {sessions.value.map((one) => (
          <li key={one.id}>
            <span>
              {one.userAgent ? device(one.userAgent) : said.device} {one.current && <strong>({said.thisSession})</strong>}
              <span class="quiet block">
                {said.started} {moment(one.startedAt)} · {said.lastSeen} {moment(one.lastSeenAt)}
              </span>
            </span>
            <button class="small" onClick={() => void end(one)}>
              {said.end}
            </button>
          </li>
        ))}
      </ul>
      <button onClick={() => void endAll()}>{said.endAll}</button>
    </section>
  );
}
