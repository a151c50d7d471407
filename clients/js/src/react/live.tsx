// Whether what is shown is live, in words and by a sign: colour alone says nothing here.
import { useWording } from './wording.js';

export function Live({ on }: { on: boolean }) {
  const { words } = useWording();
  return (
    <span className="stockd-live" data-live={on}>
      <span aria-hidden="true">{on ? '●' : '○'}</span> {on ? words.live : words.offline}
    </span>
  );
}
