// A window over the page: the browser's own, which holds the focus and gives it back.
import { useEffect, useRef } from 'preact/hooks';

import { words } from './language.ts';

export interface DialogProps {
  title: string;
  onClose: () => void;
  children: preact.ComponentChildren;
}

/** Open while it is rendered. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const closeOutside = (event: MouseEvent) => {
    if (event.target === dialog.current) dialog.current?.close();
  };
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose} onClick={closeOutside}>
      <div class="dialog-box">
        <header>
          <h2 id="dialog-title">{title}</h2>
          <button class="small" onClick={() => dialog.current?.close()}>
            {words.value.app.close}
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
