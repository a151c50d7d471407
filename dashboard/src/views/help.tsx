// Keys, where figures come from, and how the page is installed.
import { Dialog } from '../dialog.tsx';
import { chooseSingleKeys, singleKeys } from '../keys.ts';
import { words, zone } from '../language.ts';

export function Help({ onClose }: { onClose: () => void }) {
  const { help: said, app } = words.value;
  const keys: [string, string][] = [
    ['/', said.keySearch],
    ['?', said.keyHelp],
    ['Esc', said.keyLeave],
    ['g o', said.keyOverview],
    ['g a', said.keyAccount],
  ];
  return (
    <Dialog title={said.title} onClose={onClose}>
      <h3>{said.keys}</h3>
      <dl class="keys">
        {keys.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              {key.split(' ').map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p>{said.scanner}</p>
      <label class="check">
        <input type="checkbox" checked={singleKeys.value} onChange={(event) => chooseSingleKeys(event.currentTarget.checked)} /> {said.singleKeys}
      </label>
      <p class="quiet">{said.singleKeysWhy}</p>
      <h3>{said.figures}</h3>
      <p>
        {said.figuresWhy} {app.timesIn(zone)}
      </p>
      <h3>{said.install}</h3>
      <p>{said.installWhy}</p>
    </Dialog>
  );
}
