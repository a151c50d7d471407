// Signing in: with a password, by another provider, or by a one-time link that sets a password.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { ApiProblem } from '../api.ts';
import { words } from '../language.ts';
import { signIn, standing, useLink, type Options, type Reason } from '../session.ts';
import { Sign } from '../signs.tsx';

const PASSWORD_MIN = 12;

export function SignIn() {
  const now = standing.value;
  const { signIn: said } = words.value;
  return (
    <main class="sign-in" id="content">
      <div class="sign-in-box">
        <p class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" /> stockd
        </p>
        {now.kind === 'starting' && <p role="status">{said.starting} …</p>}
        {now.kind === 'out' && <Out reason={now.reason} options={now.options} />}
        {now.kind === 'link' && <OneTimeLink link={now.link} />}
      </div>
    </main>
  );
}

function Out({ reason, options }: { reason: Reason | null; options: Options | null }) {
  const { signIn: said, roles } = words.value;
  const why = reason && (typeof reason === 'string' ? said[reason] : said.notStaff(roles[reason.notStaff] ?? reason.notStaff));
  const takesPasswords = options?.passwordLogin && options.tls;
  return (
    <>
      <h1>{said.title}</h1>
      <p class="quiet">{said.lead}</p>
      {why && (
        <p class="note" role="status">
          <Sign name="low" /> <span>{why}</span>
        </p>
      )}
      {!options && reason !== 'unreachable' && <p class="note">{said.noAccounts}</p>}
      {options?.passwordLogin && !options.tls && <p class="note">{said.needsTls}</p>}
      {takesPasswords && <PasswordForm />}
      {takesPasswords && options.providers.length > 0 && <p class="or">{said.or}</p>}
      {options?.providers.map(({ name, button, href }) => (
        <a key={name} class="button wide" href={href}>
          {button}
        </a>
      ))}
    </>
  );
}

function PasswordForm() {
  const { signIn: said } = words.value;
  return (
    <Form submit={said.submit} send={(fields) => signIn(fields.name!, fields.password!)}>
      <label>
        {said.name}
        <input name="name" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={128} autofocus />
      </label>
      <label>
        {said.password}
        <input name="password" type="password" autocomplete="current-password" required maxLength={1024} />
      </label>
    </Form>
  );
}

function OneTimeLink({ link }: { link: string }) {
  const { signIn: said } = words.value;
  return (
    <>
      <h1>{said.linkTitle}</h1>
      <Form submit={said.setPassword} send={(fields) => useLink(link, fields.password!)}>
        <label>
          {said.newPassword}
          <input name="password" type="password" autocomplete="new-password" required minLength={PASSWORD_MIN} maxLength={1024} aria-describedby="rule" autofocus />
        </label>
        <p class="quiet" id="rule">
          {said.passwordRule}
        </p>
      </Form>
    </>
  );
}

interface FormProps {
  submit: string;
  send: (fields: Record<string, string>) => Promise<void>;
  children: preact.ComponentChildren;
}

/** A form that is sent once at a time, and says why when it was refused. */
export function Form({ submit, send, children }: FormProps) {
  const problem = useSignal('');
  const sending = useSignal(false);
  const alert = useRef<HTMLParagraphElement>(null);
  const { app, signIn: said } = words.value;
  useEffect(() => {
    if (problem.value) alert.current?.focus();
  }, [problem.value]);
  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (sending.value) return;
    const fields = Object.fromEntries(new FormData(event.currentTarget as HTMLFormElement)) as Record<string, string>;
    [sending.value, problem.value] = [true, ''];
    try {
      await send(fields);
    } catch (failure) {
      problem.value = reasonOf(failure, app.unreachable, said.needsTls);
    } finally {
      sending.value = false;
    }
  };
  return (
    <form onSubmit={onSubmit}>
      {children}
      {problem.value && (
        <p class="note bad" role="alert" tabIndex={-1} ref={alert}>
          <Sign name="bad" /> <span>{problem.value}</span>
        </p>
      )}
      <button class="primary" aria-disabled={sending.value}>
        {submit}
      </button>
    </form>
  );
}

/** Why something did not work, for a person. */
export function reasonOf(failure: unknown, unreachable: string, needsTls = ''): string {
  if (!(failure instanceof ApiProblem)) return String(failure);
  if (failure.code === 'UNREACHABLE') return unreachable;
  return failure.code === 'TLS_REQUIRED' && needsTls ? needsTls : failure.message;
}
