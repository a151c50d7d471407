// One item's stock by location, found by its SKU, while it changes.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { ask } from '../api.ts';
import { Dialog } from '../dialog.tsx';
import { number, words } from '../language.ts';
import type { LevelShape } from '../rest.ts';
import { toneOf } from '../sentences.ts';
import { shopName, watchLevels } from '../shop.ts';
import { Sign } from '../signs.tsx';
import { reasonOf } from './sign-in.tsx';

const FIGURES: ['available' | 'onHand' | 'committed' | 'reserved' | 'incoming', (level: LevelShape) => number][] = [
  ['available', (level) => level.available],
  ['onHand', (level) => level.quantities.on_hand],
  ['committed', (level) => level.quantities.committed],
  ['reserved', (level) => level.quantities.reserved],
  ['incoming', (level) => level.quantities.incoming],
];

export function FoundItem({ sku, onClose }: { sku: string; onClose: () => void }) {
  const levels = useSignal<LevelShape[] | null>(null);
  const problem = useSignal('');
  const { search: said, app, stockStatus } = words.value;
  useEffect(() => {
    let closed = false;
    const shop = shopName.value;
    const stop = watchLevels((level) => {
      levels.value = levels.value?.map((one) => (one.inventoryItemId === level.inventoryItemId && one.locationId === level.locationId ? level : one)) ?? null;
    });
    ask('GET /api/v1/levels', { sku, ...(shop && { shop }) }).then(
      (page) => !closed && (levels.value = page.data),
      (failure) => !closed && (problem.value = reasonOf(failure, app.unreachable)),
    );
    return () => {
      closed = true;
      stop();
    };
  }, [sku]);
  const found = levels.value;
  return (
    <Dialog title={said.title(sku)} onClose={onClose}>
      {problem.value && <p class="note bad">{problem.value}</p>}
      {!found && !problem.value && <p class="quiet">{app.loading} …</p>}
      {found?.length === 0 && <p>{said.none(sku)}</p>}
      {found && found.length > 0 && (
        <>
          <p class="item-title">{found[0]?.title}</p>
          <div class="scrolls" tabIndex={0} role="region" aria-label={said.title(sku)}>
            <table class="stacked">
              <thead>
                <tr>
                  <th scope="col">{said.place}</th>
                  <th scope="col">{said.status}</th>
                  {FIGURES.map(([name]) => (
                    <th key={name} scope="col" class="numeric">
                      {said[name]}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {found.map((level) => (
                  <tr key={level.locationId}>
                    <th scope="row">{level.locationName ?? level.locationId}</th>
                    <td data-label={said.status} class={`tone-${toneOf(level.status)}`}>
                      <span class="with-sign">
                        <Sign name={toneOf(level.status)} /> {stockStatus[level.status]}
                      </span>
                    </td>
                    {FIGURES.map(([name, of]) => (
                      <td key={name} data-label={said[name]} class="numeric">
                        {number(of(level))}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <p class="quiet">{said.asOf}</p>
        </>
      )}
    </Dialog>
  );
}
