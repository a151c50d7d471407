// Whether what is shown is live, in words and by a sign: colour alone says nothing here.

export function Live({ on }: { on: boolean }) {
  return (
    <span className="stockd-live" data-live={on}>
      <span aria-hidden="true">{on ? '●' : '○'}</span> {on ? 'Live' : 'Offline'}
    </span>
  );
}
